import System
import TestSupport
import Testing

@Suite struct JSONWriterTests {
    private static func fixture(_ name: String) throws -> String {
        let path = Fixtures.packageRoot() + "/Tests/SystemTests/Fixtures/" + name
        return String(decoding: try Fixtures.bytes(path), as: UTF8.self)
    }

    /// 200 floats as Python's json writes them, to the character.
    @Test func floatsAsPythonWritesThem() throws {
        let lines = try Self.fixture("python-floats.txt").split(separator: "\n")
        #expect(lines.count == 200)
        for line in lines {
            let fields = line.split(separator: " ")
            let bits = try #require(UInt64(fields[0], radix: 16))
            #expect(JSONNumber.shortest(Double(bitPattern: bits)) == String(fields[1]))
            #expect(try JSONParser.parse(String(fields[1])).double?.bitPattern == bits)
        }
    }

    @Test func numbersWithoutJSONBecomeNull() {
        #expect(JSONValue.double(.nan).isNull)
        #expect(JSONValue.double(.infinity).isNull)
        #expect(JSONValue.double(-.infinity).isNull)
        #expect(JSONWriter.compact.string(.array([.double(1), .integer(-7), .double(1e-5)])) == "[1.0,-7,1e-05]")
    }

    /// One document in all layouts, byte for byte, each written from what was read of the first.
    @Test func layoutsEqualPythons() throws {
        let documents = try Self.fixture("python-documents.txt").split(
            separator: "\n====\n", omittingEmptySubsequences: false)
        let writers: [JSONWriter] = [.python, .compact, .prettySorted, .pretty]
        #expect(documents.count == writers.count)
        let value = try JSONParser.parse(String(documents[0]))
        for (document, writer) in zip(documents, writers) { #expect(writer.string(value) == String(document)) }
    }

    @Test func objectsKeepTheirOrder() {
        var object = JSONObject([("b", .integer(1)), ("a", .null)])
        object.set("c", .bool(true))
        object.set("b", .integer(2))
        object.remove("a")
        #expect(object.keys == ["b", "c"])
        #expect(object.count == 2)
        #expect(object["b"]?.integer == 2)
        #expect(JSONWriter.compact.string(.object(object)) == "{\"b\":2,\"c\":true}")
    }
}
