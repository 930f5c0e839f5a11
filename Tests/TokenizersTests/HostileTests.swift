import System
import Testing
import Tokenizers

/// Files nobody should trust: each is refused with its own message, and none ends the process.
@Suite struct HostileTests {
    /// A file of Fixtures/hostile.json: `document`, or `text` where it is no strict JSON.
    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        let text: String
        let kind: Failure.Kind
        let message: String
        var testDescription: String { name }

        init(_ value: JSONValue) throws {
            name = try #require(value["name"]?.string)
            message = try #require(value["message"]?.string)
            kind = value["kind"]?.string == "unsupported" ? .unsupported : .badData
            text = try value["text"]?.string ?? JSONWriter.compact.string(#require(value["document"]))
        }
    }

    static let cases: [Case] = {
        do {
            return try (FileReader.readJSON(Fixture.folder + "/hostile.json").array ?? []).map { try Case($0) }
        } catch { fatalError("Fixtures/hostile.json cannot be read: \(error)") }
    }()

    @Test func casesAreDistinct() {
        #expect(Self.cases.count >= 83)
        #expect(Set(Self.cases.map(\.text)).count == Self.cases.count)
    }

    @Test(arguments: cases)
    func isRefusedByName(hostile: Case) throws {
        let failure = #expect(throws: Failure.self) {
            _ = try Tokenizer(contentsOf: Array(hostile.text.utf8), file: "dir/tokenizer.json")
        }
        let text = try #require(failure).description
        #expect(failure?.kind == hostile.kind, "\(text)")
        #expect(text.contains(hostile.message), "\(text)")
        #expect(text.hasPrefix("dir/tokenizer.json"), "\(text)")
    }

    /// Every byte of a sound file changed or cut: refused or read, never a crash.
    @Test func mutatedFilesNeverCrash() throws {
        var random = SystemRandomNumberGenerator()
        let seed = random.next()
        var state = seed
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for name in ["metaspace-split", "smollm", "added-tokens"] {
            let sound = try FileReader.read("\(Fixture.folder)/\(name).json")
            for round in 0..<150 {
                var bytes = sound
                for _ in 0...next(3) {
                    let position = next(bytes.count)
                    switch next(4) {
                    case 0: bytes[position] = UInt8(next(256))
                    case 1: bytes.remove(at: position)
                    case 2: bytes[position] = Array("0123456789{}[]\",:-e".utf8)[next(19)]
                    default: bytes.removeSubrange(position..<min(bytes.count, position + next(40)))
                    }
                }
                guard let tokenizer = try? Tokenizer(contentsOf: bytes, file: name) else { continue }
                let ids = tokenizer.encode("The river's 12 Ä\u{301} <mask> 😀\n")
                #expect(
                    ids.allSatisfy { $0 >= 0 && Int($0) < tokenizer.vocabularySize },
                    "seed \(seed), \(name), round \(round)")
                _ = tokenizer.decode(ids)
            }
        }
    }

    @Test func lossesAreWarnedOf() throws {
        let missing = #"""
            {"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]},"pre_tokenizer":{"type":"ByteLevel"},
            "added_tokens":[{"id":9,"content":"<x>"}]}
            """#
        let tokenizer = try Tokenizer(contentsOf: Array(missing.utf8), file: "t")
        #expect(tokenizer.encode("abc<x>", addSpecialTokens: false) == [0, 1, 2])
        #expect(tokenizer.warnings.count == 2)
        #expect(tokenizer.warnings[0].contains("has no token for 241 bytes (the first is 0x0)"))
        #expect(tokenizer.warnings[1].contains("the added token \"<x>\" has id 2, not 9"))
    }
}
