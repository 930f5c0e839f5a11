import Diagnostics
import Glibc
import Kernels
import Tensors
import Testing

@Suite("Reductions and the optimizer step")
struct ReductionTests {
    @Test("Sums of squares: double precision, equal bits on any number of threads")
    func squares() {
        for count in [0, 1, 31, 64, 1000, 70_001, 200_003] {
            var numbers = SampleNumbers(seed: 20)
            let values = SampleBuffer((0..<count).map { _ in numbers.float() })
            let exact = values.elements.reduce(0.0) { $0 + Double($1) * Double($1) }
            for set in InstructionSet.supported {
                let sums = [1, 2, 3].map { threads in
                    ComputeContext(
                        kernels: KernelTable(set), pool: WorkerPool(threadCount: threads), computeType: .float32
                    ).sumOfSquares(values.base, count: count)
                }
                // The reference adds one by one, and errs more than the kernels.
                #expect(abs(sums[0] - exact) <= 1e-12 * exact)
                #expect(Set(sums.map(\.bitPattern)).count == 1)
            }
        }
    }

    @Test("The first number that is not finite is found at any place and alignment")
    func nonFinite() {
        let count = 600_011
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count * 4 + 1, alignment: 64)
        defer { memory.deallocate() }
        let x = memory + 1
        let marks: [(FloatStorage, Int, [UInt32])] = [
            (.float32, 4, [0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x7f80_0001]),
            (.bfloat16, 2, [0x7f80, 0xff80, 0x7fc1]), (.float16, 2, [0x7c00, 0xfc00, 0x7e00]),
        ]
        for context in contexts(threads: 3) {
            for (storage, size, words) in marks {
                // The largest finite numbers of each type.
                let largest: UInt32 = storage == .float32 ? 0x7f7f_ffff : storage == .bfloat16 ? 0xff7f : 0xfbff
                func set(_ index: Int, _ word: UInt32) {
                    if size == 4 {
                        x.storeBytes(of: word, toByteOffset: index * 4, as: UInt32.self)
                    } else {
                        x.storeBytes(of: UInt16(word), toByteOffset: index * 2, as: UInt16.self)
                    }
                }
                for index in 0..<count { set(index, largest) }
                #expect(context.firstNonFinite(x, storage: storage, count: count) == nil)
                #expect(context.firstNonFinite(x, storage: storage, count: 0) == nil)
                for word in words {
                    for place in [count - 1, 300_000, 1023, 0] {
                        set(place, word)
                        #expect(context.firstNonFinite(x, storage: storage, count: count) == place)
                    }
                    for place in [count - 1, 300_000, 1023, 0] { set(place, largest) }
                }
            }
        }
    }

    @Test("The largest element: lowest index of equals, NaN passed over")
    func largest() {
        for context in contexts() {
            for columns in [1, 5, 64, 130, 1000] {
                let x = SampleMatrix.random(4, columns, seed: 21)
                x.matrix.row(1)[columns - 1] = 3
                x.matrix.row(2)[columns / 2] = 3
                x.matrix.row(2)[columns - 1] = 3
                x.matrix.row(3)[0] = .nan
                let indices = SampleBuffer<Int32>(repeating: -1, count: 4)
                context.indexOfLargest(x.matrix, into: indices.base)
                for row in 0..<4 {
                    var best = 0
                    for column in 0..<columns where !(x[row, column] <= x[row, best]) && !x[row, column].isNaN {
                        best = column
                    }
                    #expect(Int(indices.base[row]) == best)
                }
            }
        }
    }

    @Test("AdamW has the bits of torch's fused one, or without fused instructions its last bit")
    func adamW() throws {
        let path = #filePath.replacing("Elementwise/ReductionTests.swift", with: "Fixtures/adamw.txt")
        let golden = try textLines(path).map { $0.split(separator: " ").compactMap { UInt32($0, radix: 16) } }
        try #require(golden.count == 4 && golden.allSatisfy { $0.count == 144 })
        for context in contexts() {
            let parameters = SampleBuffer((0..<48).map { Float($0 - 20) / 16 })
            let first = SampleBuffer<Float>(repeating: 0, count: 48)
            let second = SampleBuffer<Float>(repeating: 0, count: 48)
            for step in 1...4 {
                let gradients = SampleBuffer(
                    (0..<48).map { step % 2 == 0 ? Float(step) * Float($0 - 11) / 64 : Float(7 - $0) / 32 })
                context.adamW(
                    parameters: parameters.base, gradients: gradients.base, firstMoments: first.base,
                    secondMoments: second.base, count: 48,
                    step: AdamWStep(learningRate: 0.1, weightDecay: 0.01, step: step))
                let own = parameters.elements + first.elements + second.elements
                if context.kernels.instructionSet >= .avx2 {
                    #expect(own.map(\.bitPattern) == golden[step - 1])
                } else {
                    for (one, bits) in zip(own, golden[step - 1]) {
                        #expect(abs(one - Float(bitPattern: bits)) <= 4e-7 * max(1, abs(one)))
                    }
                }
            }
        }
    }

    @Test("AdamW: the same bits on every fusing instruction set and thread count, gradients scaled first")
    func adamWEverywhere() {
        let count = 70_003
        var results: Set<[UInt32]> = []
        for set in InstructionSet.supported where set >= .avx2 {
            for threads in [1, 2, 3] {
                let context = ComputeContext(
                    kernels: KernelTable(set), pool: WorkerPool(threadCount: threads), computeType: .float32)
                var numbers = SampleNumbers(seed: 22)
                let parameters = SampleBuffer((0..<count).map { _ in numbers.float() })
                let gradients = SampleBuffer((0..<count).map { _ in numbers.float() * 4 })
                let quarters = SampleBuffer(gradients.elements.map { $0 / 4 })
                let first = SampleBuffer<Float>(repeating: 0, count: count)
                let second = SampleBuffer<Float>(repeating: 0, count: count)
                for step in 1...3 {
                    context.adamW(
                        parameters: parameters.base, gradients: step == 2 ? quarters.base : gradients.base,
                        firstMoments: first.base, secondMoments: second.base, count: count,
                        step: AdamWStep(
                            learningRate: 1e-2, weightDecay: 0.1, step: step, gradientScale: step == 2 ? 1 : 0.25))
                }
                results.insert((parameters.elements + first.elements + second.elements).map(\.bitPattern))
            }
        }
        #expect(results.count == 1 || InstructionSet.supported.count == 1)
    }
}

/// The lines of a small text file.
private func textLines(_ path: String) throws -> [Substring] {
    let file = try #require(fopen(path, "r"))
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
}
