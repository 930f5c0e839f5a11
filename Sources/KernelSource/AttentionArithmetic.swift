internal import CIntrinsics

/// The type in which operands enter attention's products. Sums, softmax and its gradient are float32 in any case.
///
/// Operands lie in units of the reduction, as those of the products with weights do. Reductions over the columns of a head
/// find the columns of a row in units; those over keys or queries find the same column of consecutive rows in one.
protocol AttentionArithmetic: ProductArithmetic {
    /// Units of `count` consecutive floats, 1 to 16 units' worth, multiplied by a factor; zeros behind them.
    static func units(_ from: UnsafePointer<Float>, _ count: Int, _ factor: Lanes) -> Lanes
    /// Units of the consecutive floats of both vectors; the second is left out where a unit has one element.
    static func units(_ first: Lanes, _ second: Lanes) -> Lanes
    /// The units of two rows; the second is left out where a unit has one element.
    static func units(of first: Lanes, _ second: Lanes) -> Lanes
}

extension Float32Arithmetic: AttentionArithmetic {
    @inline(__always)
    static func units(_ from: UnsafePointer<Float>, _ count: Int, _ factor: Lanes) -> Lanes {
        factor * lanes(from, count)
    }

    @inline(__always)
    static func units(_ first: Lanes, _ second: Lanes) -> Lanes { first }

    @inline(__always)
    static func units(of first: Lanes, _ second: Lanes) -> Lanes { first }
}

#if ISA_AVX512BF16
extension BFloat16Arithmetic: AttentionArithmetic {
    @inline(__always)
    static func units(_ from: UnsafePointer<Float>, _ count: Int, _ factor: Lanes) -> Lanes {
        let second = count > 16 ? factor * lanes(from + 16, count &- 16) : qv_splat(0)
        return units(factor * lanes(from, min(16, count)), second)
    }

    @inline(__always)
    static func units(_ first: Lanes, _ second: Lanes) -> Lanes { qk_narrow_bfloat16(first, second) }

    @inline(__always)
    static func units(of first: Lanes, _ second: Lanes) -> Lanes { qk_zip_bfloat16(first, second) }
}
#endif
