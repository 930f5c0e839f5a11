internal import CIntrinsics

/// The multiplication of a compute type.
///
/// Packed rows and panels consist of units of 4 bytes, carried as the bits of floats: one float32, or two bfloat16 that
/// follow each other in the reduction. Only these functions know which.
protocol ProductArithmetic {
    /// Elements of the reduction in a unit.
    static var unitLength: Int { get }

    /// sum + weights * x, unit by unit.
    static func multiplyAdd(_ sum: SIMD16<Float>, _ weights: SIMD16<Float>, _ x: SIMD16<Float>) -> SIMD16<Float>
}

/// float32 inputs.
enum Float32Arithmetic: ProductArithmetic {
    @inline(__always) static var unitLength: Int { 1 }

    @inline(__always)
    static func multiplyAdd(_ sum: SIMD16<Float>, _ weights: SIMD16<Float>, _ x: SIMD16<Float>) -> SIMD16<Float> {
        qk_multiply_add(weights, x, sum)
    }
}

#if ISA_AVX512BF16
/// bfloat16 inputs, float32 sums.
enum BFloat16Arithmetic: ProductArithmetic {
    @inline(__always) static var unitLength: Int { 2 }

    @inline(__always)
    static func multiplyAdd(_ sum: SIMD16<Float>, _ weights: SIMD16<Float>, _ x: SIMD16<Float>) -> SIMD16<Float> {
        qk_dot_bfloat16(sum, weights, x)
    }
}
#endif

/// Tiles and cache blocks of this instruction set.
///
/// A tile keeps its accumulators, one row of the panel and a broadcast in registers: 12 x 32 uses 24 + 2 + 1 of 32 zmm;
/// 6 x 16 uses 12 + 2 + 1 of 16 ymm, or 24 + 4 + 1 of 32 NEON registers; 3 x 16 uses 12 of 16 xmm.
enum ProductShape {
    #if ISA_AVX512 || ISA_AVX512BF16
    @inline(__always) static var unit: Int { 4 }
    @inline(__always) static var vectors: Int { 2 }
    #elseif ISA_AVX2 || arch(arm64)
    @inline(__always) static var unit: Int { 2 }
    @inline(__always) static var vectors: Int { 1 }
    #else
    @inline(__always) static var unit: Int { 1 }
    @inline(__always) static var vectors: Int { 1 }
    #endif

    /// Rows of a full tile; a last one has one, two or three units.
    @inline(__always) static var rows: Int { 3 &* unit }
    /// Outputs of a tile, the width of a panel.
    @inline(__always) static var columns: Int { 16 &* vectors }

    /// A panel of one reduction block stays in the first-level cache while all rows of a chunk pass, with the tile of
    /// rows that meets it, of 32 KB (several Zens) or more: at most 22 + 8 KB in bfloat16, 24 + 9 KB in float32, 16 + 6 KB
    /// with AVX2. A longer block passes through the sums less often, one that no longer fits is slower: for 512 rows on
    /// Zen 4, 288, 352, 416 and 512 in bfloat16 reach 0.88, 0.90, 0.90 and 0.86 of the tile's peak. The packed rows of the
    /// block (370 KB) stay in the second level. Multiples of 32.
    #if ISA_AVX512 || ISA_AVX512BF16
    @inline(__always) static var reductionBlockFloat32: Int { 192 }
    #else
    @inline(__always) static var reductionBlockFloat32: Int { 256 }
    #endif
    @inline(__always) static var reductionBlockBFloat16: Int { 352 }
    /// Rows of a chunk: a multiple of the tile, so that few rows are lost to a shorter one; its sums (66 KB a panel)
    /// pass through the second-level cache once a block.
    @inline(__always) static var chunkRows: Int { 528 }
    /// Panels that share one reading of the packed rows, and of a cache line of 4-bit codes in the gradient.
    @inline(__always) static var taskPanels: Int { 4 }

    /// Largest rank of a low-rank product that is added to the accumulators; a panel of it takes 32 KB.
    @inline(__always) static var lowRankLimit: Int { 256 }

    /// Workspace: panels, panels of a low-rank factor, sums, and a staging area of 32 rows of 128 units.
    @inline(__always) static var panelFloats: Int { max(reductionBlockFloat32, reductionBlockBFloat16 / 2) &* columns }
    @inline(__always) static var lowRankFloats: Int { lowRankLimit &* columns }
    @inline(__always) static var sumFloats: Int { chunkRows &* columns }
    @inline(__always) static var stagingFloats: Int { 32 &* 128 }
    @inline(__always) static var workspaceBytes: Int {
        4 &* (taskPanels &* (panelFloats &+ lowRankFloats &+ sumFloats) &+ stagingFloats)
    }
}
