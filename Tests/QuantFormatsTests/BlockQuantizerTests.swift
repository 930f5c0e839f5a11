import Kernels
import QuantFormats
import System
import Testing

@Suite struct BlockQuantizerTests {
    /// Shapes that reach full blocks, tails, odd counts and several tasks.
    static let counts = [1, 31, 32, 33, 64, 95, 4096, 65_535, 65_536, 65_536 * 2 + 77]

    /// int8 has no other implementation to agree with: the definition, element by element.
    @Test(arguments: InstructionSet.supported)
    func signedBytesFollowTheirDefinition(_ set: InstructionSet) throws {
        for type in SourceType.allCases {
            for (index, count) in Self.counts.enumerated() {
                let source = generatedElements(
                    seed: UInt64(index), count: count, type: type, exponent: type == .float16 ? 0 : 90, span: 14)
                let quantizer = try quantizer(.int8, 32 << (index % 3), set)
                let result = try quantize(source, type, count, quantizer)
                for block in 0..<quantizer.blockCount(count) {
                    let range = block * quantizer.blockSize..<min(count, (block + 1) * quantizer.blockSize)
                    let elements = source.withUnsafeBytes { raw in range.map { type.element(raw.baseAddress!, $0) } }
                    let absmax = elements.map(\.magnitude).max() ?? 0
                    #expect(result.scales[block] == absmax / 127)
                    let factor = 127 / max(absmax, 0x1p-119)
                    let codes = elements.map { UInt8(bitPattern: Int8(($0 * factor).rounded(.toNearestOrEven))) }
                    #expect(Array(result.codes[range]) == codes)
                }
            }
        }
    }

    /// int4 has none either: code - 8 is the element times 7 / absmax, rounded to the nearest integer, halves down; the
    /// value of a code is that integer over 7 times absmax.
    @Test(arguments: InstructionSet.supported)
    func signedNibblesFollowTheirDefinition(_ set: InstructionSet) throws {
        for type in SourceType.allCases {
            for (index, count) in Self.counts.enumerated() {
                let source = generatedElements(
                    seed: UInt64(index), count: count, type: type, exponent: type == .float16 ? 3 : 90, span: 5)
                let quantizer = try quantizer(.int4, 32 << (index % 3), set)
                let result = try quantize(source, type, count, quantizer)
                let restored = result.restored()
                for block in 0..<quantizer.blockCount(count) {
                    let range = block * quantizer.blockSize..<min(count, (block + 1) * quantizer.blockSize)
                    let elements = source.withUnsafeBytes { raw in range.map { type.element(raw.baseAddress!, $0) } }
                    let absmax = elements.map(\.magnitude).max() ?? 0
                    #expect(result.scales[block] == absmax)
                    for (element, place) in zip(elements, range) {
                        let code = Int(result.codes[place / 2] >> (place % 2 == 0 ? 4 : 0) & 15)
                        let level = Double(element) * 7 / Double(absmax)
                        // One rounding of the quotient may move an element across a threshold it nearly lies on.
                        #expect((Double(code - 8) - level).magnitude <= 0.5 + 1e-6, "\(element) of \(absmax)")
                        #expect((1...15).contains(code))
                        #expect(restored[place] == Float(code - 8) / 7 * absmax)
                        if element == absmax { #expect(code == 15 && restored[place] == absmax) }
                        if element == -absmax { #expect(code == 1 && restored[place] == -absmax) }
                    }
                }
            }
        }
        // Halves go down; 0 is exact.
        let halves = bytes(of: [7, 0.5, -0.5, 1.5, -6.5, 0, 3.5, -3.5] + [Float](repeating: 0, count: 24))
        let result = try quantize(halves, .float32, 32, try quantizer(.int4, 32, set))
        #expect(Array(result.restored().prefix(8)) == [7, 0, -1, 1, -7, 0, 3, -4])
    }

    /// Codes, scales and error sums are the same bits on every instruction set and with every number of threads.
    @Test func instructionSetsAndThreadsAgree() throws {
        let count = 65_536 * 3 + 1001
        let source = generatedElements(seed: 5, count: count, type: .bfloat16, exponent: 115, span: 9)
        for format in QuantFormats.all {
            var first: (QuantizedBlocks, QuantizationError)?
            for set in InstructionSet.supported {
                for threads in [1, 3] {
                    let quantizer = try quantizer(format, 128, set, threads: threads)
                    let result = try quantize(source, .bfloat16, count, quantizer, nested: format.canDoubleQuantize)
                    let error = measure(source, .bfloat16, result)
                    if let first {
                        #expect(first.0.codes == result.codes)
                        #expect(first.0.scales == result.scales)
                        #expect(first.1.rootMeanSquare == error.rootMeanSquare)
                        #expect(first.1.largest == error.largest)
                    } else {
                        first = (result, error)
                    }
                }
            }
        }
    }

    @Test(arguments: InstructionSet.supported)
    func errorsEqualThoseOfRestoredElements(_ set: InstructionSet) throws {
        for format in QuantFormats.all {
            for nested in [false, true] where format.canDoubleQuantize || !nested {
                for count in Self.counts {
                    let source = generatedElements(seed: 9, count: count, type: .float16, exponent: 3, span: 9)
                    let result = try quantize(source, .float16, count, try quantizer(format, 64, set), nested: nested)
                    let restored = result.restored()
                    var squaredError = 0.0, squaredValue = 0.0, largest: Float = 0
                    source.withUnsafeBytes { raw in
                        for index in 0..<count {
                            let value = SourceType.float16.element(raw.baseAddress!, index)
                            let error = value - restored[index]
                            squaredError += Double(error) * Double(error)
                            squaredValue += Double(value) * Double(value)
                            largest = max(largest, error.magnitude)
                        }
                    }
                    let error = measure(source, .float16, result)
                    #expect(error.count == count)
                    #expect(error.largest == largest)
                    let expected = (squaredError / Double(count)).squareRoot()
                    // Squares of a block are summed in float32.
                    #expect(abs(error.rootMeanSquare - expected) <= 1e-5 * expected)
                    let relative = (squaredError / squaredValue).squareRoot()
                    #expect(abs(error.relativeRootMeanSquare - relative) <= 1e-5 * relative)
                }
            }
        }
    }

    /// The error of a code is at most half the widest gap between neighbouring values.
    @Test func restoredElementsAreNear() throws {
        let count = 10_000
        let source = generatedElements(seed: 77, count: count, type: .float32, exponent: 119, span: 8)
        for (format, bound) in [(QuantFormat.nf4, Float(0.1520)), (.fp4, 0.1667), (.int8, 0.00394), (.int4, 0.0715)] {
            let result = try quantize(source, .float32, count, try quantizer(format, 64, .portable))
            let restored = result.restored()
            source.withUnsafeBytes { raw in
                for index in 0..<count {
                    let value = SourceType.float32.element(raw.baseAddress!, index)
                    let absmax = result.scales[index / 64] * (format.codeBits == 8 ? 127 : 1)
                    #expect((value - restored[index]).magnitude <= bound * absmax)
                }
            }
        }
    }

    @Test(arguments: InstructionSet.supported)
    func elementsThatAreNotFiniteAreNamed(_ set: InstructionSet) throws {
        let count = 65_536 + 100
        for type in SourceType.allCases {
            for (bad, bits) in [(0, 0x7F80), (63, 0xFF80), (70_000 % count, 0x7FC0), (count - 1, 0xFFC1)] {
                var source = generatedElements(seed: 3, count: count, type: type, exponent: 10, span: 5)
                let pattern = type == .float16 ? bits & 0x8000 | 0x7C00 | (bits & 0x7F) : bits
                source[bad * type.byteCount + type.byteCount - 1] = UInt8(pattern >> 8)
                source[bad * type.byteCount + type.byteCount - 2] = UInt8(pattern & 0xFF)
                for format in QuantFormats.all {
                    let quantizer = try quantizer(format, 64, set, threads: 2)
                    let error = #expect(throws: Failure.self) { try quantize(source, type, count, quantizer) }
                    #expect(error?.what.hasPrefix("element \(bad) is ") == true)
                    #expect(error?.kind == .badData)
                }
            }
        }
    }

    @Test func blockSizesAreThoseOfBitsandbytes() throws {
        for size in [0, 16, 48, 8192, -64] {
            let error = #expect(throws: Failure.self) { try quantizer(.nf4, size, .portable) }
            #expect(error?.kind == .usage)
            #expect(error?.what == "the block size \(size) is not supported")
        }
    }

    /// The mean of such scales is infinite in float32, which no offset can hold.
    @Test func scalesTooLargeForDoubleQuantization() throws {
        let source = bytes(of: [Float](repeating: 3e38, count: 256))
        let error = #expect(throws: Failure.self) {
            try quantize(source, .float32, 256, try quantizer(.nf4, 32, .portable), nested: true)
        }
        #expect(error?.remedy == "Quantize with --no-double-quant")
    }

    private func quantizer(_ format: QuantFormat, _ blockSize: Int, _ set: InstructionSet, threads: Int = 1) throws
        -> BlockQuantizer
    {
        try BlockQuantizer(
            format: format, blockSize: blockSize, kernels: KernelTable(set), pool: WorkerPool(threadCount: threads))
    }

    @discardableResult private func quantize(
        _ source: [UInt8], _ type: SourceType, _ count: Int, _ quantizer: BlockQuantizer, nested: Bool = false
    ) throws -> QuantizedBlocks {
        try source.withUnsafeBytes {
            try QuantizedBlocks(
                $0.baseAddress!, type: type, count: count, quantizer: quantizer, doubleQuantized: nested)
        }
    }

    private func measure(_ source: [UInt8], _ type: SourceType, _ result: QuantizedBlocks) -> QuantizationError {
        let readScales = result.readScales
        return source.withUnsafeBytes { source in
            result.quantizer.measure(
                source.baseAddress!, type: type, count: result.count, codes: result.codes, norms: result.scales,
                scales: readScales)
        }
    }
}
