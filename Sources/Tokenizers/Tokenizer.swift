internal import Synchronization
public import System

/// How control tokens that stand in a text as text are read.
public enum ControlText: String, Sendable, CaseIterable {
    /// As the control tokens, as the `tokenizers` library does.
    case parse
    /// As ordinary text: no text makes a control token.
    case plain
}

/// The ids of a text and where in it each comes from.
public struct TokenizedText: Sendable {
    public var ids: [Int32]
    /// For each id the range of bytes of the original UTF-8 that it stands for. A token that holds a part of a character
    /// has the whole character's range; a token that stands for no text (an inserted space, a special token of the
    /// template) has an empty range: 0..<0 before the text, n..<n after its n bytes.
    public var ranges: [Range<Int>]
}

/// A tokenizer as its tokenizer.json describes it: the same ids as the `tokenizers` library gives for that file.
///
/// Linear in the length of a text (n log n in the length of its longest word). Safe to use from many threads.
public final class Tokenizer: Sendable {
    /// The largest file that is read, in bytes.
    public static let largestFile = 256 << 20

    /// What a person should know about this tokenizer: sentences without a full stop.
    public let warnings: [String]

    private let vocabulary: Vocabulary
    private let added: AddedTokens
    private let specialIDs: Set<Int32>
    private let normalizer: (any Normalizer)?
    private let preTokenizer: (any PreTokenizer)?
    private let model: CachedModel
    /// Whether the model reads bytes as characters of the byte alphabet.
    private let spellsBytes: Bool
    /// The model for text that must not make control tokens; the same where it makes none.
    private let plainModel: CachedModel
    /// The ids that the template puts before and after a text.
    public let templateIDs: (prefix: [Int32], suffix: [Int32])
    let decoder: any Decoder

    /// Reads a tokenizer.json.
    ///
    /// - Parameters:
    ///   - bytes: the file.
    ///   - file: its name, for messages.
    /// - Throws: `Failure`, `badData` for a file that contradicts itself and `unsupported` for a component that is not
    ///   known, naming the component and its place.
    public init(contentsOf bytes: [UInt8], file: String) throws(Failure) {
        let document: JSONValue
        do throws(Failure) {
            document = try JSONParser.parse(bytes, limits: .init(byteCount: Self.largestFile))
        } catch { throw error.inFile(file) }
        let root = try ComponentSource(document, path: "", file: file)
        if let version = try root.string("version"), version != "1.0" {
            throw root.failure(.unsupported, "version \"\(version)\" is not supported; 1.0 is expected", key: "version")
        }
        normalizer = try root.component("normalizer").map { (source) throws(Failure) in try Normalizers.make(source) }
        if let growth = normalizer?.growth, growth > Normalizers.largestGrowth {
            throw root.failure(
                .badData,
                "may make text \(Int(min(growth, 1e9))) times as long; at most \(Int(Normalizers.largestGrowth)) is expected",
                key: "normalizer")
        }
        preTokenizer = try root.component("pre_tokenizer").map { (source) throws(Failure) in
            try PreTokenizers.make(source)
        }
        let isByteLevel = preTokenizer?.isByteLevel ?? false
        guard let modelSource = try root.component("model") else {
            throw root.failure(.badData, "is missing: this is no tokenizer.json", key: "model")
        }
        let model = try TokenModels.make(modelSource, isByteLevel: isByteLevel)
        var vocabulary = model.vocabulary
        let addedValues = root.object["added_tokens"].map(\.isNull) == false ? try root.array("added_tokens") : []
        added = try AddedTokens(addedValues, vocabulary: &vocabulary, normalizer: normalizer, file: file)
        guard vocabulary.count > 0 else {
            throw root.failure(.badData, "there is no token", key: "model.vocab")
        }
        specialIDs = added.specialIDs
        self.model = CachedModel(model)
        spellsBytes = isByteLevel && !model.readsBytes
        plainModel = model.withholding(specialIDs).map { CachedModel($0) } ?? self.model
        let postProcessor = try root.component("post_processor").map { (source) throws(Failure) in
            try PostProcessors.make(source)
        }
        templateIDs = (postProcessor?.prefix ?? [], postProcessor?.suffix ?? [])
        for id in templateIDs.prefix + templateIDs.suffix where vocabulary.bytes(id) == nil {
            throw root.failure(.badData, "the template has id \(id), which no token has", key: "post_processor")
        }
        decoder =
            try root.component("decoder").map { (source) throws(Failure) in try Decoders.make(source) }
            ?? SpaceDecoder()
        warnings = model.warnings.map { "\(file): \($0)" } + added.warnings
        self.vocabulary = vocabulary
    }

    /// Reads a SentencePiece model (`tokenizer.model`).
    ///
    /// - Parameters:
    ///   - bytes: the file.
    ///   - file: its name, for messages.
    ///   - settings: what the files beside it say.
    /// - Throws: `Failure`: `badData` for anything but a sound model, `unsupported` for a kind that is not known.
    init(sentencePiece bytes: [UInt8], file: String, settings: SentencePieceSettings) throws(Failure) {
        let parts = try SentencePieceParts(
            contentsOf: bytes, file: file, prefixesEveryPart: settings.prefixesEveryPart)
        var vocabulary = parts.model.vocabulary
        added = try AddedTokens(
            settings.addedTokens(parts.controlPieces, vocabulary), vocabulary: &vocabulary,
            normalizer: parts.normalizer,
            file: settings.file)
        specialIDs = added.specialIDs
        normalizer = parts.normalizer
        preTokenizer = nil
        model = CachedModel(parts.model)
        spellsBytes = false
        plainModel = parts.model.withholding(specialIDs).map { CachedModel($0) } ?? model
        templateIDs = (
            try settings.templateIDs(settings.prefix, vocabulary), try settings.templateIDs(settings.suffix, vocabulary)
        )
        decoder = parts.decoder
        warnings = parts.model.warnings.map { "\(file): \($0)" } + added.warnings
        self.vocabulary = vocabulary
    }

    // MARK: Vocabulary

    /// One more than the largest id, added tokens included.
    public var vocabularySize: Int { vocabulary.idEnd }

    /// The id of a token by its exact text in the vocabulary.
    public func id(of token: String) -> Int32? { vocabulary.id(Array(token.utf8)) }

    /// The text of a token in the vocabulary; nil for an id without one.
    public func token(for id: Int32) -> String? { vocabulary.text(id) }

    /// Whether an id is a control token.
    public func isSpecial(_ id: Int32) -> Bool { specialIDs.contains(id) }

    /// The texts of the control tokens.
    public var specialTokenTexts: [String] { specialIDs.sorted().compactMap { vocabulary.text($0) } }

    // MARK: Encoding

    /// The ids of a text.
    ///
    /// - Parameters:
    ///   - addSpecialTokens: whether the template's tokens stand around them.
    ///   - controlText: how control tokens written in the text are read.
    public func encode(
        _ text: String, addSpecialTokens: Bool = true, controlText: ControlText = .parse
    ) -> [Int32] {
        tokenize(text, addSpecialTokens, ControlTokenRule(controlText), tracksOffsets: false).ids
    }

    /// The ids of a text with the bytes that each stands for; see `encode`.
    public func encodeWithOffsets(
        _ text: String, addSpecialTokens: Bool = true, controlText: ControlText = .parse
    ) -> TokenizedText {
        tokenize(text, addSpecialTokens, ControlTokenRule(controlText), tracksOffsets: true)
    }

    /// The ids of a text that is in part somebody's words: a control token counts only where none of it lies in one of
    /// these ranges. Everything else is as in `encode` without special tokens of the template.
    ///
    /// - Parameter plainRanges: ranges of bytes of the UTF-8, ascending, not overlapping.
    public func encodeWithOffsets(_ text: String, plainRanges: [Range<Int>]) -> TokenizedText {
        tokenize(text, false, .outside(plainRanges), tracksOffsets: true)
    }

    private func tokenize(
        _ text: String, _ addSpecialTokens: Bool, _ controlTokens: ControlTokenRule, tracksOffsets: Bool
    ) -> TokenizedText {
        let template = addSpecialTokens ? templateIDs : (prefix: [], suffix: [])
        let bytes = Array(text.utf8)
        var result = TokenizedText(ids: template.prefix, ranges: [])
        if tracksOffsets { result.ranges = template.prefix.map { _ in 0..<0 } }

        let tracksPieces = tracksOffsets || normalizer != nil && preTokenizer?.needsOrigin == true
        let model = controlTokens.countsEverywhere ? self.model : plainModel
        var scratch = model.takeScratch()
        bytes.withUnsafeBufferPointer { buffer in
            for part in added.parts(bytes, normalized: false, controlTokens.counts(at:)) {
                if let token = part.token {
                    result.ids.append(token.id)
                    if tracksOffsets { result.ranges.append(part.range) }
                    continue
                }
                let isAtStart = part.range.lowerBound == 0
                var piece = AlignedText(
                    UnsafeBufferPointer(rebasing: buffer[part.range]), base: part.range.lowerBound,
                    tracksOffsets: tracksPieces)
                normalizer?.normalize(&piece)
                let parts = added.parts(piece.bytes, normalized: true) { range in
                    controlTokens.countsEverywhere || controlTokens.counts(at: piece.original(range))
                }
                for part in parts {
                    if let token = part.token {
                        result.ids.append(token.id)
                        if tracksOffsets { result.ranges.append(piece.original(part.range)) }
                        continue
                    }
                    let slice = piece.slice(part.range)
                    let isFirst = isAtStart && part.range.lowerBound == 0 && (slice.starts.first ?? 0) == 0
                    encode(slice, isAtStart: isFirst, tracksOffsets, model.model, &scratch, &result)
                }
            }
        }
        model.returnScratch(scratch)
        result.ids.append(contentsOf: template.suffix)
        if tracksOffsets { for _ in template.suffix { result.ranges.append(bytes.count..<bytes.count) } }
        return result
    }

    private func encode(
        _ text: AlignedText, isAtStart: Bool, _ tracksOffsets: Bool, _ model: any TokenModel,
        _ scratch: inout ModelScratch,
        _ result: inout TokenizedText
    ) {
        var pieces = PieceList(text, isAtStart: isAtStart)
        preTokenizer?.split(&pieces)
        if spellsBytes { pieces.spellInByteAlphabet() }
        var buffer = TokenBuffer()
        pieces.text.bytes.withUnsafeBufferPointer { bytes in
            for piece in pieces.pieces {
                let word = UnsafeBufferPointer(rebasing: bytes[piece])
                guard tracksOffsets else {
                    model.encode(word, &scratch, &buffer)
                    continue
                }
                buffer.removeAll()
                model.encode(word, &scratch, &buffer)
                var position = piece.lowerBound
                for (id, length) in zip(buffer.ids, buffer.lengths) {
                    let end = min(piece.upperBound, position + Int(length))
                    result.ids.append(id)
                    result.ranges.append(pieces.text.original(position..<end))
                    position = end
                }
            }
        }
        if !tracksOffsets { result.ids.append(contentsOf: buffer.ids) }
    }

    // MARK: Decoding

    /// The text of ids; ids without a token are left out, bytes that are no UTF-8 become U+FFFD.
    public func decode(_ ids: some Sequence<Int32>, skipSpecialTokens: Bool = true) -> String {
        var stream = streamDecoder(skipSpecialTokens: skipSpecialTokens)
        var text = ""
        for id in ids { text += stream.append(id) }
        return text + stream.finish()
    }

    /// A decoder that is fed one id after the other.
    public func streamDecoder(skipSpecialTokens: Bool = true) -> StreamDecoder {
        StreamDecoder(self, skipSpecialTokens: skipSpecialTokens)
    }

    /// What an id stands for in the vocabulary; nil without a token, and for a control token where those are skipped.
    func text(of id: Int32, skipSpecialTokens: Bool) -> [UInt8]? {
        if skipSpecialTokens, specialIDs.contains(id) { return nil }
        return added.normalizedTexts[id] ?? vocabulary.bytes(id).map { Array($0) }
    }
}

/// Where in a text control tokens count.
private enum ControlTokenRule {
    case everywhere
    case nowhere
    /// Outside of these ranges of bytes, which ascend.
    case outside([Range<Int>])

    init(_ controlText: ControlText) { self = controlText == .parse ? .everywhere : .nowhere }

    var countsEverywhere: Bool { if case .everywhere = self { true } else { false } }

    func counts(at range: Range<Int>) -> Bool {
        switch self {
        case .everywhere: return true
        case .nowhere: return false
        case .outside(let plain):
            var low = 0, high = plain.count
            while low < high {
                let middle = (low + high) / 2
                if plain[middle].upperBound > range.lowerBound { high = middle } else { low = middle + 1 }
            }
            return low == plain.count || plain[low].lowerBound >= range.upperBound
        }
    }
}

/// A model with what it keeps between words. A call takes that away while it runs, so that calls do not wait for each
/// other; of several that run at once the last one's stays.
private final class CachedModel: Sendable {
    let model: any TokenModel
    private let scratch = Mutex<ModelScratch?>(nil)

    init(_ model: any TokenModel) { self.model = model }

    func takeScratch() -> ModelScratch {
        scratch.withLock { scratch in
            defer { scratch = nil }
            return scratch ?? ModelScratch()
        }
    }

    func returnScratch(_ used: ModelScratch) { scratch.withLock { $0 = used } }
}
