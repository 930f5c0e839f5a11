import Glibc
import System
import TestSupport
import Testing
import Tokenizers

/// Models of SentencePiece (`tokenizer.model`) against the `sentencepiece` package; see tools/fixtures/sentencepiece_models.py.
@Suite struct SentencePieceTests {
    static let names = [
        "unigram", "unigram-bytes", "bpe-bytes", "bpe", "bpe-spaces", "word", "word-suffix", "char", "char-bytes",
    ]

    /// The tokenizer of a model beside files with these texts.
    private static func load(_ model: [UInt8], _ files: [String: String] = [:]) throws -> TokenizerDirectory {
        try withTemporaryFiles(["tokenizer.model": model].merging(files.mapValues { Array($0.utf8) }) { $1 }) {
            try TokenizerDirectory.load($0)
        }
    }

    private static func withTemporaryFiles<Result>(
        _ files: [String: [UInt8]], _ body: (String) throws -> Result
    ) throws -> Result {
        var template = Array("/tmp/qlora-test-XXXXXX".utf8CString)
        let path = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { try? FileSystem.removeTree(path) }
        for (name, bytes) in files {
            let file = try #require(fopen("\(path)/\(name)", "w"))
            fwrite(bytes, 1, bytes.count, file)
            fclose(file)
        }
        return try body(path)
    }

    private static func model(_ name: String) throws -> [UInt8] {
        try FileReader.read("\(Fixture.folder)/spm-\(name).model")
    }

    @Test(arguments: names)
    func idsEqualSentencePiece(name: String) throws {
        let tokenizer = try Self.load(Self.model(name)).tokenizer
        let expected = try FileReader.readJSONObject("\(Fixture.folder)/spm-\(name).expected.json")
        let texts = try #require(expected["texts"]?.array).map { try #require($0.string) }
        let ids = try #require(expected["ids"]?.array).map { try #require($0.array).map { Int32($0.integer ?? -1) } }
        #expect(texts.count >= 150 && texts.count == ids.count)
        for (text, ids) in zip(texts, ids) {
            // Control text as plain text is what SentencePiece itself makes of it.
            #expect(tokenizer.encode(text, controlText: .plain) == ids, "\(name): \(text.debugDescription)")
            let tokenized = tokenizer.encodeWithOffsets(text, controlText: .plain)
            #expect(tokenized.ids == ids)
            #expect(tokenized.ranges.allSatisfy { $0.upperBound <= text.utf8.count })
        }
    }

    @Test func textComesBack() throws {
        for name in ["unigram-bytes", "bpe-bytes", "bpe-spaces", "char-bytes"] {
            let tokenizer = try Self.load(Self.model(name)).tokenizer
            for text in ["The river", " the  weir ", "é 的 😀\n", "naïve <sep> x"] {
                // Without byte pieces, characters outside the vocabulary are lost.
                if name == "bpe-spaces", text.contains("😀") || text.contains("ï") { continue }
                let ids = tokenizer.encode(text, controlText: .plain)
                #expect(tokenizer.decode(ids, skipSpecialTokens: false) == text, "\(name)")
                var stream = tokenizer.streamDecoder(skipSpecialTokens: false)
                #expect(ids.map { stream.append($0) }.joined() + stream.finish() == text, "\(name)")
            }
        }
    }

    @Test func configurationsNameTheTokensAround() throws {
        let bytes = try Self.model("bpe-bytes")
        let plain = try Self.load(bytes).tokenizer
        #expect(plain.templateIDs.prefix.isEmpty && plain.templateIDs.suffix.isEmpty)
        let llama = try Self.load(
            bytes,
            ["tokenizer_config.json": #"{"tokenizer_class":"LlamaTokenizer","bos_token":"<s>","eos_token":"</s>"}"#])
        #expect(llama.tokenizer.templateIDs.prefix == [1] && llama.tokenizer.templateIDs.suffix.isEmpty)
        #expect(llama.beginToken?.id == 1 && llama.endToken?.id == 2)
        let both = try Self.load(
            bytes,
            [
                "tokenizer_config.json":
                    #"{"add_bos_token":false,"add_eos_token":true,"eos_token":{"content":"</s>"},"legacy":true}"#
            ])
        #expect(both.tokenizer.encode("the").last == 2 && both.tokenizer.encode("the").first != 1)
        let text = "the<s>the"
        // Every part between control tokens begins with a space, or only the text.
        let the = both.tokenizer.encode("the", addSpecialTokens: false)
        #expect(both.tokenizer.encode(text, addSpecialTokens: false) == the + [1] + the)
        #expect(llama.tokenizer.encode(text, addSpecialTokens: false) != the + [1] + the)
        #expect(llama.tokenizer.encode(text, addSpecialTokens: false).prefix(the.count + 1) == (the + [1])[...])
    }

    @Test func addedTokensGetIDsBehindThePieces() throws {
        let configuration = #"""
            {"added_tokens_decoder":{"1":{"content":"<s>","rstrip":true,"special":true},
            "90000":{"content":"<|user|>","special":true}},"additional_special_tokens":["<|end|>"]}
            """#
        let tokenizer = try Self.load(
            Self.model("bpe-bytes"), ["tokenizer_config.json": configuration, "added_tokens.json": #"{"<x>":90001}"#]
        ).tokenizer
        let count = tokenizer.vocabularySize
        #expect(tokenizer.id(of: "<|user|>") == Int32(count - 3) && tokenizer.isSpecial(Int32(count - 3)))
        #expect(tokenizer.id(of: "<x>") == Int32(count - 2) && !tokenizer.isSpecial(Int32(count - 2)))
        #expect(tokenizer.id(of: "<|end|>") == Int32(count - 1))
        #expect(tokenizer.encode("<s>   ", addSpecialTokens: false) == [1])
        #expect(tokenizer.warnings.count == 2)
    }

    @Test func missingTokensAreNamed() throws {
        // A token that the configuration names is added; one that only the class implies must be there.
        let named = try Self.load(
            Self.model("bpe"), ["tokenizer_config.json": #"{"add_bos_token":true,"bos_token":"<new>"}"#])
        #expect(named.tokenizer.templateIDs.prefix == [Int32(named.tokenizer.vocabularySize - 1)])
        let failure = #expect(throws: Failure.self) {
            _ = try Self.load(Self.piece("<unk>", 2), ["tokenizer_config.json": #"{"add_bos_token":true}"#])
        }
        #expect(failure?.description.contains("\"<s>\" is to stand around every text") == true)
    }

    // MARK: Hostile files

    private static func failure(_ bytes: [UInt8]) -> Failure? {
        do {
            _ = try load(bytes)
            return nil
        } catch { return error as? Failure }
    }

    /// A field of bytes in a protocol buffer.
    private static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        [number << 3 | 2, UInt8(bytes.count)] + bytes
    }

    /// A piece with text and type.
    private static func piece(_ text: String, _ type: UInt8 = 1) -> [UInt8] {
        field(1, field(1, Array(text.utf8)) + [0x15, 0, 0, 0, 0, 0x18, type])
    }

    @Test func damagedFilesAreRefused() throws {
        let unknown = Self.piece("<unk>", 2)
        let cases: [(bytes: [UInt8], message: String)] = [
            ([], "is not a SentencePiece model"),
            (Array("IQ== 0\nIg== 1\n".utf8), "is not a SentencePiece model"),
            ([0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], "is not a SentencePiece model"),
            (Self.field(1, [0x0A, 0x7F]), "pieces[0]\": is damaged"),
            (Self.field(1, Self.field(1, [0x61]) + [0x18, 9]), "pieces[0]\": is damaged"),
            (Self.piece("a"), "has no unknown piece"),
            (unknown + Self.piece("<b>", 2), "a second unknown piece"),
            (unknown + Self.piece("a") + Self.piece("a"), "the piece \"a\" is there twice"),
            (unknown + Self.piece(""), "the piece is not 1 to 1024 bytes of UTF-8"),
            (unknown + Self.field(1, Self.field(1, [0xFF])), "the piece is not 1 to 1024 bytes of UTF-8"),
            (unknown + Self.field(1, Self.field(1, [0x61]) + [0x15, 0, 0, 0xC0, 0x7F]), "the score is not finite"),
            (unknown + Self.field(2, [0x98, 0x02, 1]), "falls back to bytes and has no piece for some of them"),
            (unknown + Self.field(2, [0x18, 9]), "trainer_spec\": is damaged"),
            (unknown + Self.piece("a", 5) + Self.field(2, [0x18, 2]), "pieces[1]\": is unused"),
            (unknown + Self.field(3, [0x07]), "normalizer_spec\": is damaged"),
            (unknown + Self.field(3, Self.field(2, [1, 2, 3])), "precompiled_charsmap\": is not a table"),
        ]
        for (bytes, message) in cases {
            let failure = try #require(Self.failure(bytes), "\(message)")
            #expect(failure.description.contains(message), "\(failure)")
            #expect(failure.place.file?.hasSuffix("/tokenizer.model") == true)
        }
        #expect(Self.failure(unknown) == nil)
    }

    /// Every byte of a sound model changed or cut: refused or read, never a crash.
    @Test func mutatedFilesNeverCrash() throws {
        let seed = UInt64.random(in: .min ... .max)
        var state = seed
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for name in Self.names {
            let sound = try Self.model(name)
            for round in 0..<60 {
                var bytes = sound
                for _ in 0...next(4) {
                    let position = next(bytes.count)
                    switch next(3) {
                    case 0: bytes[position] = UInt8(next(256))
                    case 1: bytes[position] ^= 1 << UInt8(next(8))
                    default: bytes.removeSubrange(position..<min(bytes.count, position + next(40)))
                    }
                }
                guard let tokenizer = try? Self.load(bytes).tokenizer else { continue }
                let ids = tokenizer.encode("The river's 12 Ａ… ｶﾞ\u{301} <sep> 😀\n")
                #expect(
                    ids.allSatisfy { $0 >= 0 && Int($0) < tokenizer.vocabularySize },
                    "seed \(seed), \(name), round \(round)")
                _ = tokenizer.decode(ids)
            }
        }
    }
}
