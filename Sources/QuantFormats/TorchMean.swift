/// The mean of float32 numbers with the rounding of torch on a CPU with one thread.
package enum TorchMean {
    /// Eight float lanes, as torch's reduction adds them.
    private typealias Lanes = SIMD8<Float>

    /// The mean, equal to `torch.mean` to the bit.
    ///
    /// torch sums four vectors of eight lanes side by side in a cascade of four levels, each emptied into the next after
    /// 2^power additions, then the left-over vectors into the first of the four, then the rest of the elements and the
    /// lanes, in order. (aten/src/ATen/native/cpu/SumKernel.cpp, `multi_row_sum`, `vectorized_inner_sum`.)
    ///
    /// - Parameter values: at least one number.
    package static func mean(_ values: UnsafeBufferPointer<Float>) -> Float {
        let vectorCount = values.count >= 8 ? values.count / 8 : 0
        var lanes = Lanes(repeating: 0)
        if vectorCount > 0 { lanes = sumVectors(values, vectorCount) }
        var sum: Float = 0
        if values.count < 8 {
            // With a single lane the "vectors" of the cascade are the elements themselves.
            sum = sumFew(values)
        } else {
            for index in vectorCount * 8..<values.count { sum += values[index] }
            for lane in 0..<8 { sum += lanes[lane] }
        }
        return sum / Float(values.count)
    }

    /// Fewer than 8 elements: rows of four scalars, the left-over ones into the first, the four in order.
    private static func sumFew(_ values: UnsafeBufferPointer<Float>) -> Float {
        var four = SIMD4<Float>(repeating: 0)
        let rows = values.count / 4
        for index in 0..<rows * 4 { four[index % 4] += values[index] }
        for index in rows * 4..<values.count { four[0] += values[index] }
        return 0 + (((four[0] + four[1]) + four[2]) + four[3])
    }

    private static func vector(_ values: UnsafeBufferPointer<Float>, _ index: Int) -> Lanes {
        var lanes = Lanes(repeating: 0)
        for lane in 0..<8 { lanes[lane] = values[index * 8 + lane] }
        return lanes
    }

    /// The cascade over `count` vectors of eight.
    private static func sumVectors(_ values: UnsafeBufferPointer<Float>, _ count: Int) -> Lanes {
        let rows = count / 4
        let logarithm = rows <= 1 ? 0 : Int.bitWidth - (rows - 1).leadingZeroBitCount
        let power = max(4, logarithm / 4), step = 1 << power
        let zero = [Lanes](repeating: Lanes(repeating: 0), count: 4)
        var levels = [[Lanes]](repeating: zero, count: 4)
        func add(_ row: Int) { for k in 0..<4 { levels[0][k] += vector(values, row * 4 + k) } }
        var done = 0
        while done + step <= rows {
            for row in done..<done + step { add(row) }
            done += step
            for level in 1..<4 {
                for k in 0..<4 { levels[level][k] += levels[level - 1][k] }
                levels[level - 1] = zero
                if done & ((step - 1) << (level * power)) != 0 { break }
            }
        }
        for row in done..<rows { add(row) }
        for level in 1..<4 { for k in 0..<4 { levels[0][k] += levels[level][k] } }
        var result = levels[0][0]
        for index in rows * 4..<count { result += vector(values, index) }
        return ((result + levels[0][1]) + levels[0][2]) + levels[0][3]
    }
}
