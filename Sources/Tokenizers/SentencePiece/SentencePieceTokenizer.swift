internal import System

/// The parts of a tokenizer that a SentencePiece model describes.
struct SentencePieceParts {
    let normalizer: any Normalizer
    let model: any TokenModel
    let decoder: any Decoder
    /// The pieces that text names without making them: control pieces and the unknown one.
    let controlPieces: [(text: String, id: Int32)]

    /// Reads a model file.
    ///
    /// - Parameter prefixesEveryPart: whether a space is put before every part between special tokens, as SentencePiece
    ///   does when it is given the parts; else before the text only.
    init(contentsOf bytes: [UInt8], file: String, prefixesEveryPart: Bool) throws(Failure) {
        let contents = try SentencePieceFile(contentsOf: bytes, file: file)
        func failure(_ kind: Failure.Kind, _ what: String, _ field: String, _ remedy: String? = nil) -> Failure {
            Failure(kind, what, at: .init(file: file, field: field), remedy: remedy)
        }
        let charsmap = contents.charsmap.isEmpty ? nil : Charsmap(contents.charsmap)
        guard contents.charsmap.isEmpty || charsmap != nil else {
            throw failure(
                .badData, "is not a table, or one that inserts more than \(Charsmap.longestText) bytes",
                "normalizer_spec.precompiled_charsmap")
        }
        var vocabulary = Vocabulary()
        for (id, piece) in contents.pieces.enumerated() { vocabulary.insert(piece.text, id: Int32(id)) }
        let named = contents.pieces.enumerated().filter { $0.element.type == .userDefined }
        let userDefined =
            named.isEmpty ? nil : DoubleArrayTrie(named.map { (key: $0.element.text[...], value: Int32($0.offset)) })
        let byteTokens = contents.fallsBackToBytes ? vocabulary.byteTokens() : []

        normalizer = SentencePieceNormalizer(
            contents, charsmap: charsmap, userDefined: userDefined, onlyAtStart: !prefixesEveryPart)
        switch contents.kind {
        case .unigram: model = Self.unigram(contents, vocabulary, byteTokens)
        case .bytePair:
            if let unused = contents.pieces.firstIndex(where: { $0.type == .unused }) {
                throw failure(
                    .unsupported,
                    "is unused: a byte-pair model takes such a piece apart again as the whole text's merges were tried, "
                        + "which is not supported",
                    "pieces[\(unused)]",
                    "Convert the tokenizer to tokenizer.json with transformers, which takes unused pieces for ordinary ones"
                )
            }
            model = ScoredPairModel(contents, vocabulary, userDefined: userDefined, byteTokens: byteTokens)
        case .word, .character:
            model = WholePieceModel(contents, vocabulary, userDefined: userDefined, byteTokens: byteTokens)
        }
        decoder = try Self.decoder(contents)
        controlPieces = contents.pieces.enumerated().filter {
            $0.element.type == .control || $0.element.type == .unknown
        }
        .map { (String(decoding: $0.element.text, as: UTF8.self), Int32($0.offset)) }
    }

    /// Scores as `unigram::Model::EncodeOptimized` takes them: a user-defined piece counts its length times the largest
    /// score (which is never below the least positive number), less 0.1.
    private static func unigram(
        _ contents: SentencePieceFile, _ vocabulary: Vocabulary, _ byteTokens: [Int32]
    ) -> UnigramModel {
        let normal = contents.pieces.lazy.filter { $0.type == .normal }.map(\.score)
        let largest = max(Float.leastNormalMagnitude, normal.max() ?? 0)
        let unknownScore = (normal.min() ?? Float.greatestFiniteMagnitude) - Float(UnigramModel.unknownPenalty)
        return UnigramModel(
            vocabulary,
            scores: contents.pieces.map {
                $0.type == .userDefined ? Double(Float($0.text.count) * largest) - 0.1 : Double($0.score)
            }, unknownID: contents.unknownID, unknownScore: Double(unknownScore), byteTokens: byteTokens,
            isMade: { contents.pieces[Int($0)].type == .normal || contents.pieces[Int($0)].type == .userDefined })
    }

    /// The decoder that transformers gives a converted model.
    private static func decoder(_ contents: SentencePieceFile) throws(Failure) -> any Decoder {
        let steps =
            [#"{"type":"Replace","pattern":{"String":"▁"},"content":" "}"#]
            + (contents.fallsBackToBytes ? [#"{"type":"ByteFallback"}"#] : []) + [#"{"type":"Fuse"}"#]
            + (contents.addsDummyPrefix ? [#"{"type":"Strip","content":" ","start":1,"stop":0}"#] : [])
        let document = try JSONParser.parse(#"{"type":"Sequence","decoders":["# + steps.joined(separator: ",") + "]}")
        return try Decoders.make(ComponentSource(document, path: "decoder", file: ""))
    }
}
