import Kernels
import QuantFormats
import System
import TestSupport
import Testing

/// Every stored byte against bitsandbytes, on every instruction set of this machine.
@Suite struct GoldenQuantizationTests {
    static let fixture = Fixtures.packageRoot() + "/Tests/QuantFormatsTests/Fixtures/quantization.json"

    @Test(arguments: InstructionSet.supported)
    func storedBytesEqualBitsandbytes(_ set: InstructionSet) throws {
        let cases = try #require(try Fixtures.json(Self.fixture)["cases"]?.array)
        #expect(cases.count >= 150)
        let pool = WorkerPool(threadCount: 2)
        for (index, member) in cases.enumerated() {
            let example = try Example(member)
            let quantizer = try BlockQuantizer(
                format: example.format, blockSize: example.blockSize, kernels: KernelTable(set), pool: pool)
            let result = try example.source.withUnsafeBytes { source in
                try QuantizedBlocks(
                    source.baseAddress!, type: example.type, count: example.count, quantizer: quantizer,
                    doubleQuantized: example.isNested)
            }
            let comment: Comment = "case \(index): \(example.label)"
            #expect(example.encode(result.codes) == example.codes, comment)
            let state = QuantState(
                format: example.format.name, blockSize: example.blockSize, sourceType: example.type,
                shape: example.shape, nestedOffset: result.nested?.offset)
            #expect(String(decoding: state.bytes, as: UTF8.self) == example.state, comment)
            if let nested = result.nested {
                #expect(example.encode(nested.codes) == example.absmax, comment)
                #expect(example.encode(bytes(of: nested.absmax)) == example.nestedAbsmax, comment)
            } else {
                #expect(example.encode(bytes(of: result.scales)) == example.absmax, comment)
            }
        }
    }

    @Test func dynamicMapEqualsBitsandbytes() throws {
        let expected = try #require(try Fixtures.json(Self.fixture)["dynamic_map"]?.string)
        #expect(hexadecimal(bytes(of: NestedScales.map)) == expected)
    }

    /// The thresholds of bitsandbytes' CUDA kernel, which are the float32 midpoints of neighbouring codes.
    @Test func normalFloatThresholds() throws {
        guard case .table4(let table) = QuantFormat.nf4.coding else {
            throw Failure(.internalError, "nf4 has no table")
        }
        let expected: [UInt32] = [
            0xBF59_1CD8, 0xBF1C_5270, 0xBEEB_8480, 0xBEAD_EA76, 0xBE70_3CEC, 0xBE0D_38BC, 0xBD3A_7871, 0x3D22_FAFF,
            0x3DF6_4862, 0x3E50_67E0, 0x3E95_82D4, 0x3EC7_53F9, 0x3F00_6D04, 0x3F24_8DAF, 0x3F5C_89DA,
        ]
        #expect((0..<15).map { table.thresholds[$0].bitPattern } == expected)
    }

    @Test func formatsAreFoundByName() {
        #expect(QuantFormats.all.map(\.name) == ["nf4", "fp4", "int8", "int4"])
        #expect(QuantFormats.named("fp4")?.codeBits == 4)
        #expect(QuantFormats.named("int8")?.canDoubleQuantize == false)
        #expect(QuantFormats.named("NF4") == nil)
    }
}

/// A case of the fixture: small ones carry their bytes, large ones a recipe and hashes.
private struct Example {
    let label: String
    let type: SourceType
    let format: QuantFormat
    let blockSize: Int
    let isNested: Bool
    let shape: [Int]
    let source: [UInt8]
    let isHashed: Bool
    let codes: String
    let absmax: String
    let nestedAbsmax: String?
    let state: String

    var count: Int { shape.reduce(1, *) }

    init(_ value: JSONValue) throws {
        func text(_ key: String) throws -> String { try #require(value[key]?.string) }
        func integer(_ key: String) throws -> Int { try #require(value[key]?.integer) }
        type = try #require(SourceType(rawValue: try text("type")))
        format = try #require(QuantFormats.named(try text("format")))
        blockSize = try integer("block_size")
        isNested = try #require(value["nested"]?.bool as Bool?)
        shape = try #require(value["shape"]?.array).compactMap(\.integer)
        codes = try text("codes")
        absmax = try text("absmax")
        nestedAbsmax = value["nested_absmax"]?.string
        state = try text("state")
        label = "\(try text("name")) \(type) \(format.name) block \(blockSize) nested \(isNested) shape \(shape)"
        if let hex = value["source"]?.string {
            isHashed = false
            source = bytes(hexadecimal: hex)
        } else {
            isHashed = true
            source = generatedElements(
                seed: UInt64(try integer("seed")), count: shape.reduce(1, *), type: type,
                exponent: UInt64(try integer("exponent")), span: UInt64(try integer("span")))
        }
    }

    /// The output in the form of the fixture.
    func encode(_ output: [UInt8]) -> String { isHashed ? fnv(output) : hexadecimal(output) }
}

/// FNV-1a over 64-bit little-endian words, the last one padded with zeros.
private func fnv(_ bytes: [UInt8]) -> String {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for start in stride(from: 0, to: bytes.count, by: 8) {
        var word: UInt64 = 0
        for index in (start..<min(start + 8, bytes.count)).reversed() { word = word << 8 | UInt64(bytes[index]) }
        if bytes.count - start < 8 { word &= (1 << (8 * UInt64(bytes.count - start))) - 1 }
        hash = (hash ^ word) &* 0x100_0000_01B3
    }
    let text = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
}
