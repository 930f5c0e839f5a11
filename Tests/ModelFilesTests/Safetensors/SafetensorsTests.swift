import Glibc
import ModelFiles
import System
import TestSupport
import Testing

@Suite struct SafetensorsTests {
    let directory = TemporaryDirectory()

    private struct Reference {
        let declaration: TensorDeclaration
        let bytes: [UInt8]
    }

    private func reference() throws -> [Reference] {
        let manifest = try FileReader.readJSONObject(Fixture.path("reference.json"))
        return try #require(manifest["tensors"]?.array).map { item in
            let name = try #require(item["name"]?.string)
            let type = try #require(TensorType(rawValue: item["type"]?.string ?? ""))
            let shape = try #require(item["shape"]?.array).compactMap(\.integer)
            return Reference(
                declaration: TensorDeclaration(name: name, type: type, shape: shape),
                bytes: Fixture.bytes(hexadecimal: item["bytes"]?.string ?? ""))
        }
    }

    @Test func readsWhatTheReferenceWrites() throws {
        let file = try SafetensorsFile(Fixture.path("reference.safetensors"))
        let expected = try reference()
        #expect(file.header.tensors.count == expected.count)
        #expect(file.metadata("format") == "pt")
        for item in expected {
            let entry = try #require(file.entry(named: item.declaration.name))
            #expect(entry.type == item.declaration.type)
            #expect(entry.shape == item.declaration.shape)
            #expect(entry.elementCount * entry.type.bitCount / 8 == entry.byteCount)
            #expect(Array(file.bytes(of: entry)) == item.bytes)
        }
    }

    @Test func writesTheBytesOfTheReference() throws {
        let expected = try reference()
        let path = directory.file("a.safetensors")
        // In any order, and in pieces.
        let writer = try SafetensorsWriter(path, tensors: expected.reversed().map(\.declaration))
        for item in expected {
            let middle = item.bytes.count / 2
            try item.bytes.withUnsafeBytes { bytes in
                try writer.write(item.declaration.name, UnsafeRawBufferPointer(rebasing: bytes[middle...]), at: middle)
                try writer.write(item.declaration.name, UnsafeRawBufferPointer(rebasing: bytes[..<middle]))
            }
        }
        #expect(writer.isComplete)
        try writer.finish()
        #expect(try FileReader.read(path) == FileReader.read(Fixture.path("reference.safetensors")))
    }

    @Test func lateTensorsFollowInThePaddedHeader() throws {
        let path = directory.file("a.safetensors")
        let writer = try SafetensorsWriter(
            path, tensors: [TensorDeclaration(name: "a", type: .float32, shape: [3])],
            late: [.init(name: "late.1", maximumByteCount: 1000), .init(name: "late.2", maximumByteCount: 10)])
        try writer.writeLate("late.2", Array("{}".utf8))
        [Float](arrayLiteral: 1, 2, 3).withUnsafeBytes { bytes in
            #expect(failure { try writer.write("a", bytes) } == nil)
        }
        try writer.writeLate("late.1", [7, 8, 9])
        try writer.finish()
        let file = try SafetensorsFile(path)
        #expect(file.header.tensors.map(\.name) == ["a", "late.2", "late.1"])
        #expect(file.header.dataOffset % 8 == 0)
        #expect(try Array(file.bytes(of: #require(file.entry(named: "late.1")))) == [7, 8, 9])
        #expect(try Array(file.bytes(of: #require(file.entry(named: "late.2")))) == Array("{}".utf8))
    }

    @Test func anUnfinishedWriterLeavesNothing() throws {
        do { _ = try SafetensorsWriter(directory.file("a"), tensors: [.init(name: "a", type: .float32, shape: [3])]) }
        #expect(try FileSystem.list(directory.path).isEmpty)
    }

    @Test func writersRefuseWhatCannotBeWritten() {
        func message(_ tensors: [TensorDeclaration], late: [LateTensorDeclaration] = []) -> String? {
            failure { _ = try SafetensorsWriter(directory.file("a"), tensors: tensors, late: late) }?.what
        }
        let one = TensorDeclaration(name: "a", type: .float32, shape: [1])
        #expect(message([one, one]) == "two tensors of one name would be written")
        #expect(
            message([one], late: [.init(name: "a", maximumByteCount: 1)]) == "two tensors of one name would be written")
        #expect(
            message([.init(name: "a", type: .float32, shape: [1 << 40, 1 << 40])])
                == "the shape [1099511627776, 1099511627776] cannot be written")
        #expect(message([.init(name: "a", type: .float4, shape: [3])]) == "12 bits of F4 do not fill whole bytes")
        #expect(message([.init(name: "a", type: .float32, shape: [1 << 50])])?.contains("the disk is full") == true)
    }

    @Test(arguments: [
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}",
        "  {\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"note\":{\"x\":[1]}}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[0,0]},\"b\":{\"shape\":[2],\"dtype\":\"BF16\",\"data_offsets\":[0,4]}}  \n",
        "{\"__metadata__\":null,\"../../etc/x\":{\"dtype\":\"F4\",\"shape\":[8],\"data_offsets\":[0,4]}}",
        "{\"__metadata__\":{},\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,4],\"data_offsets\":[0,4]}}",
        "{\"a\\u0300\":{\"dtype\":\"I16\",\"shape\":[1],\"data_offsets\":[0,2]},\"à\":{\"dtype\":\"I16\",\"shape\":[1],\"data_offsets\":[2,4]}}",
    ])
    func acceptsWhatIsUnusual(header: String) throws {
        let file = try SafetensorsFile(directory.write("a", Fixture.safetensors(header, data: 4)))
        #expect(file.header.tensors.reduce(0) { $0 + $1.byteCount } == 4)
    }

    @Test func namesAreComparedByBytes() throws {
        let file = try SafetensorsFile(Fixture.path("reference.safetensors"))
        let composed = try #require(file.entry(named: "\u{E0}")),
            decomposed = try #require(file.entry(named: "a\u{300}"))
        #expect(file.bytes(of: composed).loadUnaligned(as: Float.self) == 2)
        #expect(file.bytes(of: decomposed).loadUnaligned(as: Float.self) == 1)
    }

    @Test func mutatedFilesAreReadOrRefused() throws {
        let original = try FileReader.read(Fixture.path("reference.safetensors"))
        let seed = UInt64.random(in: .min ... .max)
        var state = seed
        func next(_ bound: Int) -> Int {
            // SplitMix64
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
        }
        let alphabet = Array("0123456789[]{},:\"\\-eE. nul\u{0}\u{1}".utf8)
        let deadline = time(nil) + 2
        var read = 0, refused = 0
        while read + refused < 5000, time(nil) < deadline {
            var bytes = original
            for _ in 0...next(3) {
                let place = next(4) == 0 ? next(bytes.count) : next(1520)
                switch next(5) {
                case 0: bytes[min(place, bytes.count - 1)] = UInt8(next(256))
                case 1: bytes[min(place, bytes.count - 1)] = alphabet[next(alphabet.count)]
                case 2: bytes.remove(at: min(place, bytes.count - 1))
                case 3: bytes.insert(alphabet[next(alphabet.count)], at: min(place, bytes.count - 1))
                default: bytes.removeLast(min(bytes.count - 1, next(20)))
                }
            }
            if next(2) == 0 {
                // Keep the length true, so that the mutation reaches the entries.
                let length = UInt64(max(0, 1512 + bytes.count - original.count)).littleEndian
                withUnsafeBytes(of: length) {
                    for (index, byte) in $0.enumerated() where index < bytes.count { bytes[index] = byte }
                }
            }
            let found: Failure? = bytes.withUnsafeBytes { buffer in
                failure {
                    let header = try SafetensorsHeader(buffer, path: "mutated")
                    let end = header.tensors.reduce(header.dataOffset) { $0 + $1.byteCount }
                    #expect(end == buffer.count, "seed \(seed)")
                }
            }
            if let found {
                #expect(found.kind == .badData && !found.what.isEmpty, "seed \(seed)")
                refused += 1
            } else {
                read += 1
            }
        }
        #expect(refused > 100 && read > 0, "seed \(seed): \(refused) refused, \(read) read")
    }
}
