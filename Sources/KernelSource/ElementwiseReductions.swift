internal import CIntrinsics

func sumOfSquares(_ x: UnsafePointer<Float>, _ count: Int64) -> Double {
    let count = Int(count)
    var first = SIMD8<Double>()
    var second = SIMD8<Double>()
    var at = 0
    while at &+ 32 <= count {
        first = qv_add_squares(first, qv_load(x + at))
        second = qv_add_squares(second, qv_load(x + (at &+ 16)))
        at &+= 32
    }
    while at < count {
        let valid = min(16, count &- at)
        first = qv_add_squares(first, lanes(x + at, valid))
        at &+= 16
    }
    return qv_sum_doubles(first + second)
}

// The blocks below are scanned without a branch, so that the compiler makes vector code of them.
private let scannedWords = 1024

func firstWithExponent32(_ x: UnsafeRawPointer, _ count: Int64, _ exponent: UInt32) -> Int64 {
    firstWithExponent(x, count, exponent)
}

func firstWithExponent16(_ x: UnsafeRawPointer, _ count: Int64, _ exponent: UInt32) -> Int64 {
    firstWithExponent(x, count, UInt16(truncatingIfNeeded: exponent))
}

/// The index of the first word that has all bits of `exponent`, or -1.
@inline(__always)
private func firstWithExponent<Word: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ x: UnsafeRawPointer, _ count: Int64, _ exponent: Word
) -> Int64 {
    @inline(__always)
    func isFound(_ index: Int) -> Bool {
        x.loadUnaligned(fromByteOffset: index &* MemoryLayout<Word>.size, as: Word.self) & exponent == exponent
    }
    let count = Int(count)
    var start = 0
    while start < count {
        let end = min(count, start &+ scannedWords)
        var found: Word = 0
        var index = start
        while index < end {
            found |= isFound(index) ? 1 : 0
            index &+= 1
        }
        if found != 0 {
            while !isFound(start) { start &+= 1 }
            return Int64(start)
        }
        start = end
    }
    return -1
}

/// The largest element of a row; NaN elements are passed over, the lowest finite number if there is no other.
@inline(__always)
func largestElement(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
    let lowest = qv_splat(-Float.greatestFiniteMagnitude)
    var (first, second, third, fourth) = (lowest, lowest, lowest, lowest)
    var at = 0
    while at &+ 64 <= count {
        first = qv_max(qv_load(x + at), first)
        second = qv_max(qv_load(x + (at &+ 16)), second)
        third = qv_max(qv_load(x + (at &+ 32)), third)
        fourth = qv_max(qv_load(x + (at &+ 48)), fourth)
        at &+= 64
    }
    var largest = qv_largest(qv_max(qv_max(first, second), qv_max(third, fourth)))
    while at < count {
        if x[at] > largest { largest = x[at] }
        at &+= 1
    }
    return largest
}

func indexOfLargest(_ x: UnsafePointer<Float>, _ count: Int64) -> Int64 {
    let count = Int(count)
    let largest = largestElement(x, count)
    let wanted = qv_splat(largest)
    var at = 0
    while at &+ 16 <= count && qv_any_equal(qv_load(x + at), wanted) == 0 { at &+= 16 }
    while at < count {
        if x[at] == largest { return Int64(at) }
        at &+= 1
    }
    return 0
}
