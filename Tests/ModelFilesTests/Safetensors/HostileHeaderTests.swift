import ModelFiles
import System
import TestSupport
import Testing

/// Malformed safetensors files, each with the message that names its cause.
@Suite struct HostileHeaderTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let bytes: [UInt8]
        /// The message, or its beginning where it ends in `…`.
        let message: String
        let tensor: String?
        let offset: Int?
        var testDescription: String { message }

        init(_ bytes: [UInt8], _ message: String, tensor: String? = nil, at offset: Int? = nil) {
            self.bytes = bytes
            self.message = message
            self.tensor = tensor
            self.offset = offset
        }

        init(_ header: String, _ data: Int, _ message: String, tensor: String? = nil, at offset: Int? = nil) {
            self.init(Fixture.safetensors(header, data: data), message, tensor: tensor, at: offset)
        }
    }

    /// A header with one tensor `a` that has the given fields.
    private static func one(_ fields: String) -> String { "{\"a\":{\(fields)}}" }

    private static func length(_ value: UInt64, then bytes: [UInt8] = []) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) } + bytes
    }

    private static let good = "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
    private static let second = "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\""

    static let cases: [Case] = [
        // Lengths
        Case([], "the file has 0 bytes; a safetensors file begins with the 8-byte length of its header"),
        Case(
            [1, 2, 3, 4, 5, 6, 7],
            "the file has 7 bytes; a safetensors file begins with the 8-byte length of its header"),
        Case(length(0), "the header has no bytes", at: 0),
        Case(
            length(.max, then: [0x7B, 0x7D]),
            "the header claims 18446744073709551615 bytes, more than the 100000000 that are allowed", at: 0),
        Case(length(100_000_001), "the header claims 100000001 bytes, more than the 100000000 that are allowed", at: 0),
        Case(length(3, then: [0x7B, 0x7D]), "the header claims 3 bytes but only 2 follow", at: 0),
        Case("{\(good)}", 7, "the data end at byte 70, but the file has 69 bytes", tensor: "a", at: 62),
        Case("{\(good)}", 9, "1 bytes after the last tensor belong to none", at: 70),
        Case("{}", 1, "1 bytes after the last tensor belong to none", at: 10),
        // Ranges
        Case(one("\(second):[4,12]"), 12, "a hole of 4 bytes lies before the data", tensor: "a", at: 63),
        Case("{\(good),\"b\":{\(second):[12,20]}}", 20, "a hole of 4 bytes lies before the data", tensor: "b", at: 125),
        Case(
            "{\(good),\"b\":{\(second):[4,12]}}", 12, "the data begin 4 bytes inside those of another tensor",
            tensor: "b", at: 120),
        Case(
            "{\(good),\"b\":{\(second):[0,8]}}", 8, "the data begin 8 bytes inside those of another tensor", tensor: "b"
        ),
        Case(one("\(second):[8,0]"), 8, "the data end at 0, before they begin at 8", tensor: "a", at: 9),
        Case(one("\(second):[0,4]"), 4, "F32 [2] takes 8 bytes, but the data have 4", tensor: "a", at: 9),
        Case(
            one("\(second):[9223372036854775800,9223372036854775807]"), 8, "the data begin beyond any file", tensor: "a"
        ),
        Case(
            one("\"dtype\":\"U8\",\"shape\":[4611686018427387],\"data_offsets\":[0,4611686018427387]"), 8,
            "the data end at byte 4611686018427478, but the file has 99 bytes", tensor: "a"),
        // Shapes
        Case(
            one("\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]"), 0,
            "the shape [4611686018427387904, 4] has more elements than memory can hold", tensor: "a"),
        Case(
            one("\"dtype\":\"F32\",\"shape\":[9223372036854775808],\"data_offsets\":[0,0]"), 0,
            "the number 9223372036854775808 does not fit 63 bits", tensor: "a"),
        Case(
            one("\"dtype\":\"F32\",\"shape\":[4611686018427387904,8,0],\"data_offsets\":[0,0]"), 0,
            "the shape [4611686018427387904, 8, 0] has more elements than memory can hold", tensor: "a"),
        Case(
            one("\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,0]"), 0, "the number -1 is negative", tensor: "a"),
        Case(
            one("\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]"), 8,
            "the number 2.0 is not written as an integer", tensor: "a"),
        Case(
            one("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8e0]"), 8,
            "the number 8e0 is not written as an integer", tensor: "a"),
        Case(
            one("\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]"), 8,
            "holds a string where an integer is expected", tensor: "a"),
        Case(
            one("\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]"), 8, "holds a number where an array is expected",
            tensor: "a"),
        Case(
            one("\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]"), 1,
            "the shape has 9 dimensions, more than the 8 that are supported", tensor: "a"),
        Case(
            one("\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]"), 2, "12 bits of F4 do not fill whole bytes",
            tensor: "a"),
        // Fields
        Case(
            one("\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]"), 8, "unknown element type \"F31\"",
            tensor: "a", at: 9),
        Case(
            one("\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]"), 8, "unknown element type \"f32\"",
            tensor: "a"),
        Case(
            one("\"dtype\":32,\"shape\":[2],\"data_offsets\":[0,8]"), 8, "holds a number where a string is expected",
            tensor: "a"),
        Case(one("\"shape\":[2],\"data_offsets\":[0,8]"), 8, "the field is missing", tensor: "a"),
        Case(one("\"dtype\":\"F32\",\"data_offsets\":[0,8]"), 8, "the field is missing", tensor: "a"),
        Case(one("\"dtype\":\"F32\",\"shape\":[2]"), 8, "the field is missing", tensor: "a"),
        Case(
            one("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]"), 8,
            "has 1 numbers where begin and end are expected", tensor: "a"),
        Case(
            one("\"dtype\":\"F32\",\"shape\":[2],\"shape\":[2],\"data_offsets\":[0,8]"), 8,
            "the key \"shape\" appears twice in one object", at: 40),
        Case(
            "{\"a\":[\"F32\",[2],[0,8]]}", 8,
            "the entry is an array where an object with dtype, shape and data_offsets is expected", tensor: "a", at: 9),
        // Names
        Case(
            "{\(good),\"a\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
            "the key \"a\" appears twice in one object", at: 62),
        Case("{\(good),\"\\u0061\":{\(second):[8,16]}}", 16, "the key \"a\" appears twice in one object", at: 62),
        Case("{\"\":{\(second):[0,8]}}", 8, "a tensor has an empty name", at: 9),
        Case("{\(good),\"a\\u0000b\":{\(second):[8,16]}}", 16, "a tensor's name contains a NUL character", at: 62),
        // Metadata
        Case("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "the key \"__metadata__\" appears twice in one object"),
        Case("{\(good),\"__metadata__\":{\"x\":1}}", 8, "holds a number where a string is expected", at: 62),
        Case("{\"__metadata__\":{\"x\":{}}}", 0, "holds an object where a string is expected", at: 9),
        Case("{\"__metadata__\":\"x\"}", 0, "holds a string where an object of strings is expected", at: 9),
        // JSON
        Case("\u{FEFF}{}", 0, "JSON text begins with a byte-order mark", at: 8),
        Case("[]", 0, "the header holds an array where an object is expected", at: 8),
        Case("{}x", 0, "unexpected text after the JSON document", at: 10),
        Case("{}\u{0}", 0, "unexpected text after the JSON document", at: 10),
        Case("{\(good)", 8, "JSON text ends inside an object"),
        Case("{\(good),}", 8, "a key in quotation marks is expected, not '}'", at: 62),
        Case(
            Fixture.safetensors(header: Array("{\"".utf8) + [0xFF] + Array("\":1}".utf8), data: []),
            "a string is not valid UTF-8: byte 0xFF", at: 10),
        Case("{\"\\ud800\":1}", 0, "…surrogate…"),
        Case(
            "{\"a\":" + String(repeating: "[", count: 127) + String(repeating: "]", count: 127) + "}", 0,
            "JSON is nested deeper than the limit of 8"),
        Case("{\"a\":" + String(repeating: "[", count: 100_000), 0, "JSON is nested deeper than the limit of 8"),
    ]

    @Test(arguments: cases) func isRefused(_ item: Case) throws {
        let found = item.bytes.withUnsafeBytes { buffer in
            failure { _ = try SafetensorsHeader(buffer, path: "model.safetensors") }
        }
        let message = try #require(found)
        #expect(message.kind == .badData)
        if item.message.hasPrefix("…") {
            #expect(message.what.contains(item.message.dropFirst().dropLast()), "\(message)")
        } else {
            #expect(message.what == item.message)
        }
        #expect(message.place.file == "model.safetensors")
        #expect(message.place.tensor == item.tensor)
        if let offset = item.offset { #expect(message.place.byteOffset == offset, "\(message)") }
    }

    @Test func tooManyTensorsAreRefused() throws {
        var header = "{"
        for index in 0...SafetensorsHeader.maximumTensorCount {
            header += "\(index == 0 ? "" : ",")\"\(index)\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}"
        }
        let bytes = Fixture.safetensors(header + "}", data: 0)
        let found = bytes.withUnsafeBytes { buffer in failure { _ = try SafetensorsHeader(buffer, path: "x") } }
        #expect(found?.what == "the file has more than 400000 tensors")
        #expect(found?.place.tensor == "400000")
    }
}
