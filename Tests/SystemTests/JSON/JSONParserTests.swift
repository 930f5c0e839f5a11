import System
import Testing

/// A malformed document and the whole message it must be refused with.
struct MalformedJSON: Sendable, CustomTestStringConvertible {
    let bytes: [UInt8]
    let message: String

    init(_ text: String, _ message: String) { self.init(Array(text.utf8), message) }

    init(_ bytes: [UInt8], _ message: String) {
        self.bytes = bytes
        self.message = message
    }

    var testDescription: String { message }

    static let all: [MalformedJSON] = [
        // Documents
        .init("", "line 1:1: byte 0: JSON text ends where a value is expected."),
        .init(" \n\t ", "line 2:3: byte 4: JSON text ends where a value is expected."),
        .init("{} x", "line 1:4: byte 3: unexpected text after the JSON document."),
        .init("{}{}", "line 1:3: byte 2: unexpected text after the JSON document."),
        .init("\u{FEFF}{}", "line 1:1: byte 0: JSON text begins with a byte-order mark."),
        .init([0xFE, 0xFF, 0, 0x31], "line 1:1: byte 0: unexpected byte 0xFE where a JSON value is expected."),
        .init([0x31, 0], "line 1:2: byte 1: unexpected text after the JSON document."),
        .init([0], "line 1:1: byte 0: unexpected byte 0x0 where a JSON value is expected."),
        .init("// c\n1", "line 1:1: byte 0: unexpected '/' where a JSON value is expected."),
        .init("\u{A0}1", "line 1:1: byte 0: unexpected byte 0xC2 where a JSON value is expected."),
        // Literals
        .init("tru", "line 1:1: byte 0: JSON text ends inside a literal."),
        .init("[nul]", "line 1:2: byte 1: unknown literal: null is expected."),
        .init("truE", "line 1:1: byte 0: unknown literal: true is expected."),
        .init("falsehood", "line 1:6: byte 5: unexpected text after the JSON document."),
        .init("NaN", "line 1:1: byte 0: unexpected 'N' where a JSON value is expected."),
        .init("Infinity", "line 1:1: byte 0: unexpected 'I' where a JSON value is expected."),
        .init("-Infinity", "line 1:2: byte 1: a digit is expected in a number."),
        .init("'a'", "line 1:1: byte 0: unexpected ''' where a JSON value is expected."),
        // Numbers
        .init("01", "line 1:1: byte 0: a number has a leading zero."),
        .init("-012", "line 1:2: byte 1: a number has a leading zero."),
        .init("+1", "line 1:1: byte 0: unexpected '+' where a JSON value is expected."),
        .init(".5", "line 1:1: byte 0: unexpected '.' where a JSON value is expected."),
        .init("1.", "line 1:3: byte 2: a digit is expected after the decimal point."),
        .init("1.e5", "line 1:3: byte 2: a digit is expected after the decimal point."),
        .init("1e", "line 1:3: byte 2: a digit is expected in an exponent."),
        .init("1e+", "line 1:4: byte 3: a digit is expected in an exponent."),
        .init("-", "line 1:2: byte 1: a digit is expected in a number."),
        .init("0x10", "line 1:2: byte 1: unexpected text after the JSON document."),
        .init("1_000", "line 1:2: byte 1: unexpected text after the JSON document."),
        .init("[1e999]", "line 1:2: byte 1: the number 1e999 is outside the range of a double."),
        .init("-1e400", "line 1:1: byte 0: the number -1e400 is outside the range of a double."),
        .init(
            String(repeating: "9", count: 1025), "line 1:1: byte 0: a number has more than 1024 characters."),
        .init(
            "0." + String(repeating: "1", count: 100_000),
            "line 1:1: byte 0: a number has more than 1024 characters."),
        // Strings
        .init("\"abc", "line 1:1: byte 0: JSON text ends inside a string."),
        .init("\"abc\\\"", "line 1:1: byte 0: JSON text ends inside a string."),
        .init("\"abc\\", "line 1:5: byte 4: JSON text ends inside an escape."),
        .init("\"\\u12", "line 1:2: byte 1: JSON text ends inside a \\u escape."),
        .init("\"\\u12G4\"", "line 1:2: byte 1: four hexadecimal digits are expected after \\u."),
        .init("\"\\u+123\"", "line 1:2: byte 1: four hexadecimal digits are expected after \\u."),
        .init("\"\\x41\"", "line 1:2: byte 1: unknown escape 'x' in a string."),
        .init("\"\\\n\"", "line 1:2: byte 1: unknown escape byte 0xA in a string."),
        .init("\"a\nb\"", "line 1:3: byte 2: control character byte 0xA inside a string must be escaped."),
        .init("\"a\u{0}b\"", "line 1:3: byte 2: control character byte 0x0 inside a string must be escaped."),
        .init("\"\t\"", "line 1:2: byte 1: control character byte 0x9 inside a string must be escaped."),
        .init("\"\\ud800\"", "line 1:2: byte 1: a high surrogate escape has no low surrogate after it."),
        .init("\"\\ud800\\u0041\"", "line 1:2: byte 1: a high surrogate escape has no low surrogate after it."),
        .init("\"\\ud800\\n1234\"", "line 1:2: byte 1: a high surrogate escape has no low surrogate after it."),
        .init("\"\\udc00\"", "line 1:2: byte 1: a lone surrogate escape."),
        .init("\"\\udc00\\ud800\"", "line 1:2: byte 1: a lone surrogate escape."),
        .init(
            [0x22, 0x61, 0xFF, 0x22], "line 1:3: byte 2: a string is not valid UTF-8: byte 0xFF."),
        // An overlong slash, an encoded surrogate, a scalar above U+10FFFF, a truncated sequence, behind an escape.
        .init([0x22, 0xC0, 0xAF, 0x22], "line 1:2: byte 1: a string is not valid UTF-8: byte 0xC0."),
        .init([0x22, 0xED, 0xA0, 0x80, 0x22], "line 1:2: byte 1: a string is not valid UTF-8: byte 0xED."),
        .init([0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], "line 1:2: byte 1: a string is not valid UTF-8: byte 0xF4."),
        .init(
            [0x22, 0xC3, 0xA9, 0x5C, 0x6E, 0xE6, 0xBC, 0x22],
            "line 1:5: byte 5: a string is not valid UTF-8: byte 0xE6."),
        // Arrays
        .init("[", "line 1:2: byte 1: JSON text ends where a value is expected."),
        .init("[1", "line 1:3: byte 2: JSON text ends inside an array."),
        .init("[1,", "line 1:4: byte 3: JSON text ends where a value is expected."),
        .init("[1,]", "line 1:4: byte 3: unexpected ']' where a JSON value is expected."),
        .init("[,1]", "line 1:2: byte 1: unexpected ',' where a JSON value is expected."),
        .init("[1 2]", "line 1:4: byte 3: ',' or ']' is expected in an array, not '2'."),
        .init("[1}", "line 1:3: byte 2: ',' or ']' is expected in an array, not '}'."),
        .init("[\"a\" \"b\"]", "line 1:6: byte 5: ',' or ']' is expected in an array, not '\"'."),
        // Objects
        .init("{", "line 1:2: byte 1: a key in quotation marks is expected, not the end of the text."),
        .init("{a:1}", "line 1:2: byte 1: a key in quotation marks is expected, not 'a'."),
        .init("{1:1}", "line 1:2: byte 1: a key in quotation marks is expected, not '1'."),
        .init("{\"a\"}", "line 1:5: byte 4: ':' is expected after the key \"a\", not '}'."),
        .init("{\"a\"", "line 1:5: byte 4: ':' is expected after the key \"a\", not the end of the text."),
        .init("{\"a\":}", "line 1:6: byte 5: unexpected '}' where a JSON value is expected."),
        .init("{\"a\":1", "line 1:7: byte 6: JSON text ends inside an object."),
        .init("{\"a\":1,}", "line 1:8: byte 7: a key in quotation marks is expected, not '}'."),
        .init("{\"a\":1;}", "line 1:7: byte 6: ',' or '}' is expected in an object, not ';'."),
        .init("{\"a\":1]", "line 1:7: byte 6: ',' or '}' is expected in an object, not ']'."),
        .init("{\"a\":1,\n \"a\":2}", "line 2:2: byte 9: the key \"a\" appears twice in one object."),
        .init("{\"a\":1,\"\\u0061\":2}", "line 1:8: byte 7: the key \"a\" appears twice in one object."),
        .init("{\"é😀\":[1,\n\n 2x]}", "line 3:3: byte 17: ',' or ']' is expected in an array, not 'x'."),
        // Depth
        .init(
            String(repeating: "[", count: 65), "line 1:65: byte 64: JSON is nested deeper than the limit of 64."),
        .init(
            String(repeating: "[", count: 1_000_000),
            "line 1:65: byte 64: JSON is nested deeper than the limit of 64."),
        .init(
            String(repeating: "{\"a\":", count: 1_000_000),
            "line 1:321: byte 320: JSON is nested deeper than the limit of 64."),
        .init(
            String(repeating: "[{\"a\":", count: 500_000),
            "line 1:193: byte 192: JSON is nested deeper than the limit of 64."),
    ]
}

@Suite struct JSONParserTests {
    private static func refusal(_ bytes: [UInt8], limits: JSONParser.Limits = .init(), baseOffset: Int = 0) -> Failure?
    {
        do throws(Failure) {
            _ = try JSONParser.parse(bytes, limits: limits, baseOffset: baseOffset)
            return nil
        } catch { return error }
    }

    @Test(arguments: MalformedJSON.all)
    func malformedDocumentsAreRefused(document: MalformedJSON) {
        let failure = Self.refusal(document.bytes)
        #expect(failure?.kind == .badData)
        #expect(failure?.description == document.message)
    }

    @Test func limitsAndBaseOffset() {
        #expect(Self.refusal(Array("[[[1]]]".utf8), limits: .init(depth: 3)) == nil)
        #expect(
            Self.refusal(Array("[[[1]]]".utf8), limits: .init(depth: 2), baseOffset: 8)?.description
                == "line 1:3: byte 10: JSON is nested deeper than the limit of 2.")
        #expect(
            Self.refusal(Array("[1,2]".utf8), limits: .init(byteCount: 4))?.description
                == "line 1:1: byte 0: JSON text of 5 bytes is larger than the limit of 4.")
        #expect(
            Self.refusal(Array((String(repeating: "[", count: 64) + String(repeating: "]", count: 64)).utf8)) == nil)
    }

    @Test func valuesOfADocument() throws {
        let value = try JSONParser.parse(
            " { \"a\" : [ 1 , -0.5e+3 , true , false , null ] , \"\\u00e9\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\" : \"\" } \r\n"
        )
        #expect(value["a"]?.array?.count == 5)
        #expect(value["a"]?.array?[0].integer == 1)
        #expect(value["a"]?.array?[1].double == -500)
        #expect(value["a"]?.array?[2].bool == true)
        #expect(value["a"]?.array?[3].bool == false)
        #expect(value["a"]?.array?[4].isNull == true)
        #expect(value.object?.keys.last == "é😀\"\\/\u{8}\u{c}\n\r\t")
        #expect(value.object?.members.last?.value.string == "")
    }

    /// Canonically equivalent keys are different bytes, hence different keys.
    @Test func keysAreBytes() throws {
        let value = try JSONParser.parse("{\"é\":1,\"e\u{301}\":2}")
        #expect(value["é"]?.integer == 1)
        #expect(value["e\u{301}"]?.integer == 2)
    }

    /// Integers are integers only where they are written as such and fit; everything else stays a number.
    @Test func numbers() throws {
        let integers: [(String, Int?)] = [
            ("0", 0), ("-0", 0), ("9223372036854775807", .max), ("-9223372036854775808", .min),
            ("9223372036854775808", nil), ("18446744073709551616", nil), ("1.0", nil), ("1e3", nil), ("1E0", nil),
        ]
        for (text, expected) in integers { #expect(try JSONParser.parse(text).integer == expected, "\(text)") }
        let doubles: [(String, Double)] = [
            ("1e3", 1000), ("1E+3", 1000), ("-0", -0.0), ("1e-400", 0), ("-1e-400", -0.0),
            ("4.9e-324", .leastNonzeroMagnitude),
            ("18446744073709551616", 18_446_744_073_709_551_616), ("0.1", 0.1),
            ("1.7976931348623157e308", 0x1.fffffffffffffp1023),
            ("2.4703282292062327e-324", 0), ("2.4703282292062328e-324", .leastNonzeroMagnitude),
        ]
        for (text, expected) in doubles {
            #expect(try JSONParser.parse(text).double?.bitPattern == expected.bitPattern, "\(text)")
        }
    }

    /// Time grows with the length alone: many keys, many escapes, a long string.
    @Test func largeDocumentsAreLinear() throws {
        var text = "{"
        for index in 0..<100_000 { text += (index == 0 ? "" : ",") + "\"key\(index)\":\"\\u00e9\\n\(index)\"" }
        text += "}"
        let start = MonotonicClock.seconds
        let value = try JSONParser.parse(text)
        #expect(value.object?.count == 100_000)
        let long = try JSONParser.parse("\"" + String(repeating: "\\\\é", count: 500_000) + "\"")
        #expect(long.string?.unicodeScalars.count == 1_000_000)
        #expect(MonotonicClock.seconds - start < 5)
    }

    /// Whatever a damaged document holds, the parser returns or throws, and what it accepts survives being written.
    @Test func seededDamage() throws {
        let original = Array(
            "{\"format\":\"pt\",\"list\":[1,2.5e-3,{\"é\":\"\\u00e9\\ud83d\\ude00\"},[[]],null,true],\"n\":-12}".utf8)
        var state: UInt64 = 0x5EED
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(bound))
        }
        var accepted = 0
        for round in 0..<20_000 {
            var bytes = original
            for _ in 0...next(3) {
                switch next(4) {
                case 0: bytes[next(bytes.count)] = UInt8(next(256))
                case 1: bytes.remove(at: next(bytes.count))
                case 2: bytes.insert(UInt8(ascii: "{") ^ UInt8(next(8)), at: next(bytes.count))
                default: bytes.removeLast(next(bytes.count / 4))
                }
            }
            do throws(Failure) {
                let value = try JSONParser.parse(bytes)
                accepted += 1
                let written = JSONWriter.compact.bytes(value)
                let again = JSONWriter.compact.bytes(try JSONParser.parse(written))
                #expect(written == again, "seed 0x5EED, round \(round)")
            } catch {
                #expect(error.kind == .badData && error.place.byteOffset != nil, "seed 0x5EED, round \(round)")
            }
        }
        #expect(accepted > 100)
    }
}
