import System
import Testing

/// The part of YAML that configuration files use: what it means, and what is refused with which words.
@Suite struct YAMLParserTests {
    private static func json(_ text: String) throws -> String {
        JSONWriter.compact.string(try YAMLParser.parse(Array(text.utf8)).json)
    }

    /// Documents and the JSON that they mean.
    private static let documents: [(text: String, json: String)] = [
        ("", "null"), ("# nothing\n\n", "null"), ("---\n", "null"), ("\u{FEFF}a: 1", #"{"a":1}"#),
        (
            "a: 1\nb: two words \nc: true\nd: ~\ne:\nf: False\n",
            #"{"a":1,"b":"two words","c":true,"d":null,"e":null,"f":false}"#
        ),
        (
            "a: 2e-4\nb: .5\nc: 0x10\nd: 1_000\ne: -7\nf: 007",
            #"{"a":2e-4,"b":".5","c":"0x10","d":"1_000","e":-7,"f":"007"}"#
        ),
        ("a: 1 # comment\nb: x#y # z\n# c: 2\nc:   # nothing\n", #"{"a":1,"b":"x#y","c":null}"#),
        ("a: 1\r\nb:\r\n- 2\r\n", #"{"a":1,"b":[2]}"#),
        ("---\na: 1\n...\n# end\n", #"{"a":1}"#),
        (
            "a:\n  - x\n  - y: 1\n    z: 2\n  -\n    - 3\n  - - 4\n    - 5\n  -\nb: 6",
            #"{"a":["x",{"y":1,"z":2},[3],[4,5],null],"b":6}"#
        ),
        ("a:\n- x\n- y\nb:\n    c:\n      d: e\n    f: g\n", #"{"a":["x","y"],"b":{"c":{"d":"e"},"f":"g"}}"#),
        ("- 1\n- [2, 3,]\n- {a: b, \"c\":d, e: , 'f': [ ]}\n", #"[1,[2,3],{"a":"b","c":"d","e":null,"f":[]}]"#),
        ("a: [x,\n  # comment\n  'y, z',\n\tw\n]\nb: 1", #"{"a":["x","y, z","w"],"b":1}"#),
        (
            #"{"a": {"b": [1, 2.5, "x\n\u00e9\ud83d\ude00", null, true]}, "c": "\/"}"#,
            "{\"a\":{\"b\":[1,2.5,\"x\\né😀\",null,true]},\"c\":\"/\"}"
        ),
        (
            "a: 'it''s'\nb: \"\\x41\\u0042\\U00000043\\t\\\\\"\nc: ''\nd: \"true\"",
            #"{"a":"it's","b":"ABC\t\\","c":"","d":"true"}"#
        ),
        (
            "a: /q_proj|v\\.[0-9]{2}$/\nb: -x\nc: :y\nd: ?z\ne: http://h:80/p\n",
            #"{"a":"/q_proj|v\\.[0-9]{2}$/","b":"-x","c":":y","d":"?z","e":"http://h:80/p"}"#
        ),
        ("\"k 1\": 1\n'k: 2' : 2\nk\t3: 3\n", #"{"k 1":1,"k: 2":2,"k\t3":3}"#),
        ("just text", #""just text""#), ("yes: no", #"{"yes":"no"}"#),
        ("a: \"1\"", #"{"a":"1"}"#), ("é: ü", #"{"é":"ü"}"#),
    ]

    @Test(arguments: documents.indices) func means(index: Int) throws {
        let (text, json) = Self.documents[index]
        #expect(try Self.json(text) == json)
    }

    /// Documents that are refused, and how the message begins.
    private static let malformed: [(text: String, message: String)] = [
        ("a: 1\na: 2", "line 2:1: the key \"a\" is in line 1 already"),
        ("{a: 1, \"a\": 2}", "line 1:8: the key \"a\" is in line 1 already"),
        ("a:\n\tb: 1", "line 2:1: a tab indents the line"), ("a:\n  \tb: 1", "line 2:3: a tab indents the line"),
        ("a: &x 1", "line 1:4: anchors (&) and aliases (*) are not supported"),
        ("a: *x", "line 1:4: anchors (&) and aliases (*) are not supported"),
        ("a: [*x, *x]", "line 1:5: anchors (&) and aliases (*) are not supported"),
        ("<<: *base", "line 1:5: anchors (&) and aliases (*) are not supported"),
        ("a: !!float 1", "line 1:4: tags (!) are not supported"),
        ("!x\na: 1", "line 1:1: tags (!) are not supported"),
        ("a: |\n  text", "line 1:4: text over several lines"), ("a: >-\n  text", "line 1:4: text over several lines"),
        ("a: some\n  more", "line 2:3: the line is indented further than the key above it"),
        ("- some\n  more", "line 2:3: the line is indented further than the list entry above it"),
        ("a: \"some\n  more\"", "line 1:9: the line ends inside quotation marks"),
        ("a: 'some", "line 1:9: the line ends inside quotation marks"),
        ("a: b: c", "line 1:5: a second colon stands in the line"),
        ("a: 'b': c", "line 1:7: a second colon stands in the line"),
        ("a: \"b\" c", "line 1:8: 'c' is not expected behind the value"),
        ("a: [1] 2", "line 1:8: '2' is not expected behind the value"),
        ("a: - 1", "line 1:4: a list begins in the line of its key"),
        ("a: @b", "line 1:4: '@' cannot begin a value"), ("a: `b`", "line 1:4: '`' cannot begin a value"),
        ("a: %b", "line 1:4: '%' cannot begin a value"),
        ("%YAML 1.2\n---\na: 1", "line 1:1: directives are not supported"),
        ("? a\n: b", "line 1:1: '?' is not expected here"), (": b", "line 1:1: ':' is not expected here"),
        ("[a]: b", "line 1:4: a second colon stands in the line"),
        ("a: 1\nb", "line 2:2: a colon and a space are expected behind the key \"b\", not the end of the line"),
        ("a: 1\nb=2\n", "line 2:4: a colon and a space are expected behind the key \"b=2\""),
        ("a: 1\nb:2\n", "line 2:4: a colon and a space are expected behind the key \"b:2\""),
        ("a: 1\n- 2", "line 2:1: a list entry stands where a key is expected"),
        ("- 1\na: 2", "line 2:1: the line goes on with nothing above it"),
        ("  a: 1\n b: 2", "line 2:2: the line goes on with nothing above it"),
        ("a:\n    b: 1\n  c: 2", "line 3:3: the line is indented further than the key above it"),
        ("one\ntwo", "line 2:1: the line goes on with nothing above it"),
        ("a: 1\n---\nb: 2", "line 2:1: a second document begins"),
        ("--- a", "line 1:5: 'a' is not expected behind the value"),
        ("a: 1\n...\nb: 2", "line 3:1: text follows the end of the document"),
        ("a: [1, 2", "line 1:9: the text ends inside brackets"), ("a: {", "line 1:5: the text ends inside brackets"),
        ("a: [1 2: 3]", "line 1:8: ',' or ']' is expected, not ':'"), ("a: [1, ,2]", "line 1:8: ',' is not expected"),
        ("a: {b}", "line 1:6: a colon is expected behind the key \"b\", not '}'"),
        ("a: {[b]: c}", "line 1:5: '[' is not expected here"), ("a: ]", "line 1:4: ']' is not expected here"),
        (#"a: "\q""#, "line 1:5: the escape is not one of YAML"),
        (#"a: "\u12""#, "line 1:5: the escape is not one of YAML"),
        (#"a: "\ud800""#, "line 1:5: the escape is not one of YAML"),
        (#"a: "\UFFFFFFFF""#, "line 1:5: the escape is not one of YAML"),
        ("é: ü: x", "line 1:5: a second colon stands in the line"),
        ("a: \u{7}", "line 1:4: the character U+7 is not text"), ("a\rb", "line 1:2: the character U+D is not text"),
        ("a: 1\n\u{FEFF}b: 2", "line 2:1: the character U+FEFF is not text"),
        ("a: \0", "line 1:4: the character U+0 is not text"),
    ]

    @Test(arguments: malformed.indices) func refuses(index: Int) {
        let (text, message) = Self.malformed[index]
        do throws(Failure) {
            let value = try YAMLParser.parse(Array(text.utf8))
            Issue.record("\(text) is taken as \(JSONWriter.compact.string(value.json))")
        } catch {
            #expect(error.kind == .badData)
            #expect(error.description.hasPrefix(message), "\(text): \(error)")
        }
    }

    @Test func refusesOtherEncodings() {
        for (bytes, place) in [
            ([0x61, 0x3A, 0x20, 0xFF], "line 1:4"), ([0xFF, 0xFE, 0x61, 0], "line 1:1"),
            ([0x61, 0x0A, 0xC3], "line 2:1"),
        ] as [([UInt8], String)] {
            do throws(Failure) {
                _ = try YAMLParser.parse(bytes)
                Issue.record("\(bytes) is accepted")
            } catch { #expect(error.description.hasPrefix("\(place): the text is not UTF-8"), "\(error)") }
        }
    }

    @Test("Nesting is bounded, in brackets and without")
    func depth() {
        let nested = ["[", "{a: ", "- "].map { String(repeating: $0, count: 100_000) }
        let indented = (0..<2000).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n")
        for text in nested + [indented] {
            do throws(Failure) {
                _ = try YAMLParser.parse(Array(text.utf8))
                Issue.record("accepted")
            } catch { #expect(error.what.contains("nested deeper than 16") && error.place.line != nil, "\(error)") }
        }
        let deepest = String(repeating: "[", count: 16) + String(repeating: "]", count: 16)
        #expect(throws: Never.self) { try YAMLParser.parse(Array(deepest.utf8)) }
    }

    @Test("A large document takes time in proportion", .timeLimit(.minutes(1)))
    func large() throws {
        let list = "a: [" + String(repeating: "x, ", count: 300_000) + "]"
        #expect(try YAMLParser.parse(Array(list.utf8)).mapping?.first?.value.sequence?.count == 300_000)
        let keys = (0..<100_000).map { "key\($0): 'v'" }.joined(separator: "\n")
        #expect(try YAMLParser.parse(Array(keys.utf8)).mapping?.count == 100_000)
    }

    @Test("Places are lines and columns in characters")
    func places() throws {
        let root = try YAMLParser.parse(Array("a: 1\nüö:   [x, {y: z}]\n".utf8))
        let entry = try #require(root.mapping?.last)
        #expect(entry.place == .init(line: 2, column: 1))
        let list = try #require(entry.value.sequence)
        #expect(list.map(\.place) == [.init(line: 2, column: 8), .init(line: 2, column: 11)])
        #expect(list[1].mapping?.first?.value.place == .init(line: 2, column: 15))
    }

    @Test("Whatever bytes come, the reader answers or refuses")
    func mutations() {
        let characters = Array("ab: -[]{},'\"#&*!|>%@`?\\\n\t0~é.".unicodeScalars)
        var generator = MersenneTwister(seed: 20_261)
        for _ in 0..<20_000 {
            let text = String(
                String.UnicodeScalarView(
                    (0..<Int(generator.next() % 40)).map { _ in
                        characters[Int(generator.next()) % characters.count]
                    }))
            do throws(Failure) {
                let value = try YAMLParser.parse(Array(text.utf8))
                // What is taken has a JSON form that means the same.
                let json = JSONWriter.compact.string(value.json)
                #expect((try? Self.json(json)) == json, "\(text)")
            } catch { #expect(error.place.line != nil && error.place.column != nil, "\(text)") }
        }
    }
}
