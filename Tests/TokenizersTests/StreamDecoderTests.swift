import System
import Testing
import Tokenizers

/// Decoding, as a whole and id by id.
@Suite struct StreamDecoderTests {
    /// The pieces of a stream.
    private static func pieces(_ ids: [Int32], _ tokenizer: Tokenizer) -> [String] {
        var stream = tokenizer.streamDecoder(skipSpecialTokens: false)
        var pieces: [String] = []
        for (index, id) in ids.enumerated() {
            pieces.append(stream.append(id))
            // What would follow if this were the end makes the text of the ids so far.
            if index % 5 == 0 {
                #expect(
                    pieces.joined() + stream.rest == tokenizer.decode(ids[...index], skipSpecialTokens: false))
            }
        }
        pieces.append(stream.finish())
        #expect(stream.finish().isEmpty)
        return pieces
    }

    /// Random chains of decoders on random tokens; see tools/fixtures/token_decoders.py.
    @Test func chainsEqualTheLibrary() throws {
        let fixture = try FileReader.readJSONObject("\(Fixture.folder)/decoders.json")
        let tokens = try #require(fixture["tokens"]?.array)
        let model = JSONObject([
            ("type", .string("WordLevel")), ("unk_token", tokens[0]),
            (
                "vocab",
                .object(JSONObject(tokens.enumerated().map { ($0.element.string ?? "", .integer($0.offset)) }))
            ),
        ])
        let cases = try #require(fixture["cases"]?.array)
        #expect(cases.count >= 100)
        for value in cases {
            let decoder = try #require(value["decoder"])
            let document = JSONWriter.compact.string(
                .object(JSONObject([("model", .object(model)), ("decoder", decoder)])))
            let tokenizer = try Tokenizer(contentsOf: Array(document.utf8), file: "t")
            for pair in try #require(value["texts"]?.array).compactMap(\.array) {
                let ids = try #require(pair[0].array).map { Int32(try #require($0.integer)) }
                let expected = try #require(pair[1].string)
                #expect(tokenizer.decode(ids, skipSpecialTokens: false) == expected, "\(decoder) \(ids)")
                #expect(Self.pieces(ids, tokenizer).joined() == expected, "\(decoder) \(ids)")
            }
        }
    }

    /// Ids that no text makes: runs that are no UTF-8, words cut anywhere.
    @Test(arguments: Fixture.names)
    func streamsOfAnyIDsEqualDecodedText(name: String) throws {
        let tokenizer = try Fixture(name).tokenizer
        let seed = UInt64.random(in: .min ... .max)
        var state = seed
        for length in [1, 2, 3, 5, 8, 40, 40, 40, 400] {
            let ids = (0..<length).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int32(state >> 33) % Int32(tokenizer.vocabularySize)
            }
            let whole = tokenizer.decode(ids, skipSpecialTokens: false)
            #expect(Self.pieces(ids, tokenizer).joined() == whole, "\(name), seed \(seed), \(ids)")
        }
    }

    @Test(arguments: Fixture.names)
    func streamedTextEqualsDecodedText(name: String) throws {
        let tokenizer = try Fixture(name).tokenizer
        for text in try Fixture.strings() {
            let ids = tokenizer.encode(text)
            var stream = tokenizer.streamDecoder(skipSpecialTokens: false)
            var streamed = ""
            for id in ids {
                let fresh = stream.append(id)
                // A half character would be decoded as U+FFFD.
                #expect(!fresh.unicodeScalars.contains("\u{FFFD}") || text.unicodeScalars.contains("\u{FFFD}"))
                streamed += fresh
            }
            streamed += stream.finish()
            #expect(streamed == tokenizer.decode(ids, skipSpecialTokens: false), "\(name): \(text.debugDescription)")
        }
    }

    /// A run of byte tokens is certain at its end: a byte that does not fit changes all of it.
    @Test func byteTokensComeOutWithTheirRun() throws {
        let document = #"""
            {"model":{"type":"WordLevel","unk_token":"x","vocab":{"x":0,"<0x41>":1,"<0xFF>":2,"<0xC3>":3,"<0xA9>":4}},
            "decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"}]}}
            """#
        let tokenizer = try Tokenizer(contentsOf: Array(document.utf8), file: "t")
        #expect(Self.pieces([0, 1, 3, 4, 0], tokenizer) == ["x", "", "", "", "Aéx", ""])
        #expect(Self.pieces([1, 2], tokenizer) == ["", "", "\u{FFFD}\u{FFFD}"])
        var stream = tokenizer.streamDecoder()
        #expect(stream.append(1).isEmpty && stream.rest == "A")
    }

    /// Of equal neighbours a chain with CTC drops one, but not where the first of a text has no space before it.
    @Test func chainsBehindWordPieceKnowTheFirstToken() throws {
        let document = #"""
            {"model":{"type":"WordLevel","unk_token":"x","vocab":{"x":0,"y":1}},
            "decoder":{"type":"Sequence","decoders":[{"type":"WordPiece","prefix":"##","cleanup":false},{"type":"CTC"}]}}
            """#
        let tokenizer = try Tokenizer(contentsOf: Array(document.utf8), file: "t")
        #expect(Self.pieces([0, 0, 0, 1, 1], tokenizer) == ["x", " x", "", " y", "", ""])
    }

    @Test func unfinishedCharactersComeOutAtTheEnd() throws {
        let tokenizer = try Fixture("gpt2").tokenizer
        let ids = tokenizer.encode("a😀")
        var stream = tokenizer.streamDecoder()
        let streamed = ids.dropLast().map { stream.append($0) }
        #expect(streamed.joined() == "a")
        #expect(stream.finish() == "\u{FFFD}")
        #expect(stream.finish().isEmpty)
    }

    /// The start of a text is treated apart by its decoder, wherever its first tokens have no text of their own.
    @Test func streamsKeepTheStartOfATextApart() throws {
        let document = #"""
            {"model":{"type":"WordLevel","unk_token":"x","vocab":{"x":0,"▁":1,"▁x":2,"xx":3}},
            "decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},
            {"type":"Fuse"},{"type":"Strip","content":" ","start":2,"stop":1}]}}
            """#
        let tokenizer = try Tokenizer(contentsOf: Array(document.utf8), file: "t")
        for ids: [Int32] in [[1, 1, 1, 0, 1, 0], [1, 2, 1, 1, 3], [0, 1], [1, 1, 1, 1], [2, 2, 2], []] {
            var stream = tokenizer.streamDecoder()
            #expect(ids.map { stream.append($0) }.joined() + stream.finish() == tokenizer.decode(ids), "\(ids)")
        }
    }
}
