internal import CIntrinsics

// Sides of the register tile: as many accumulators as the instruction set has registers for, beside the two operands.
// Each divides QK_ATTENTION_QUERIES, QK_ATTENTION_KEYS and, in columns, QK_ATTENTION_COLUMNS.
#if ISA_AVX512 || ISA_AVX512BF16
let tileRows = 12  // 24 of 32 zmm
let tileVectors = 2
typealias TileSums = InlineArray<24, Lanes>
#elseif ISA_AVX2 || arch(arm64)
let tileRows = 6  // 12 of 16 ymm; 24 of 32 NEON registers
let tileVectors = 1
typealias TileSums = InlineArray<6, Lanes>
#else
let tileRows = 2  // 8 of 16 xmm
let tileVectors = 1
typealias TileSums = InlineArray<2, Lanes>
#endif

/// Columns of a tile.
@inline(__always) var tileColumns: Int { tileVectors &* 16 }

@inline(__always) var queryBlock: Int { QK_ATTENTION_QUERIES }
@inline(__always) var keyBlock: Int { QK_ATTENTION_KEYS }
@inline(__always) var columnBlock: Int { QK_ATTENTION_COLUMNS }

/// Queries whose scores are computed and turned into weights while they are in the first-level cache.
@inline(__always) var queryStrip: Int { 32 }

/// Zeros; written out, because the initialiser of a repeated value would be shared with other modules' code.
@inline(__always)
private func zeroSums() -> TileSums {
    let z = qv_splat(0)
    #if ISA_AVX512 || ISA_AVX512BF16
    return [z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z, z]
    #elseif ISA_AVX2 || arch(arm64)
    return [z, z, z, z, z, z]
    #else
    return [z, z]
    #endif
}

/// One register tile of a product: C [tileRows, tileColumns] = A [tileRows, count] B [count, tileColumns], plus C, or
/// plus C with row r multiplied by factors[r].
///
/// The unit (r, i) of A stands at r * aRow + i * aStep, so A may be read by rows or by columns; both must be
/// constants at the call, or the addresses do not fit the registers. The reduction runs over i, `count` units, in order.
///
/// - Parameter onlySecond: whether the first of two vectors of a row of C is left as it is.
@inline(__always)
func multiplyTile<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ a: UnsafePointer<Float>, aRow: Int, aStep: Int, _ b: UnsafePointer<Float>,
    bStep: Int, count: Int,
    _ c: UnsafeMutablePointer<Float>, cRow: Int, adding: Bool, factors: UnsafePointer<Float>?, onlySecond: Bool = false
) {
    let firstVector = onlySecond ? 1 : 0
    var sums = zeroSums()
    if adding, let factors {
        for row in 0..<tileRows {
            let factor = qv_splat(factors[row])
            for vector in firstVector..<tileVectors {
                sums[row &* tileVectors &+ vector] = qv_load(c + (row &* cRow &+ vector &* 16)) * factor
            }
        }
    } else if adding {
        for row in 0..<tileRows {
            for vector in firstVector..<tileVectors {
                sums[row &* tileVectors &+ vector] = qv_load(c + (row &* cRow &+ vector &* 16))
            }
        }
    }
    var a = a
    var b = b
    var remaining = count
    while remaining > 0 {
        let first = qv_load(b)
        #if ISA_AVX512 || ISA_AVX512BF16
        let second = qv_load(b + 16)
        for row in 0..<tileRows {
            let factor = qv_splat(a[row &* aRow])
            if !onlySecond { sums[row &* 2] = Arithmetic.multiplyAdd(sums[row &* 2], first, factor) }
            sums[row &* 2 &+ 1] = Arithmetic.multiplyAdd(sums[row &* 2 &+ 1], second, factor)
        }
        #else
        for row in 0..<tileRows {
            sums[row] = Arithmetic.multiplyAdd(sums[row], first, qv_splat(a[row &* aRow]))
        }
        #endif
        a += aStep
        b += bStep
        remaining &-= 1
    }
    for row in 0..<tileRows {
        for vector in firstVector..<tileVectors {
            qv_store(c + (row &* cRow &+ vector &* 16), sums[row &* tileVectors &+ vector])
        }
    }
}

// The tiles that attention needs, each compiled once: a call costs nothing beside some hundred multiplications.

/// Scores of keys (rows of a block) with transposed queries; for further columns of a wide head added to earlier ones.
@inline(never)
private func scoreTile<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int,
    _ c: UnsafeMutablePointer<Float>, adding: Bool
) {
    multiplyTile(
        arithmetic, a, aRow: 64 / Arithmetic.unitLength, aStep: 1, b, bStep: 96, count: count, c, cRow: 96,
        adding: adding, factors: nil)
}

#if ISA_AVX512 || ISA_AVX512BF16
/// The same for the second sixteen of a tile's queries alone.
@inline(never)
private func secondScoreTile<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int,
    _ c: UnsafeMutablePointer<Float>, adding: Bool
) {
    multiplyTile(
        arithmetic, a, aRow: 64 / Arithmetic.unitLength, aStep: 1, b, bStep: 96, count: count, c, cRow: 96,
        adding: adding, factors: nil, onlySecond: true)
}
#endif

/// Sums over keys, the weights being [keys, queries] and the rows of the result queries; added to earlier sums, or to these
/// multiplied by factors.
@inline(never)
private func tileOverKeys<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int,
    _ c: UnsafeMutablePointer<Float>, adding: Bool, factors: UnsafePointer<Float>?
) {
    multiplyTile(
        arithmetic, a, aRow: 1, aStep: 96, b, bStep: 64, count: count, c, cRow: 64, adding: adding, factors: factors)
}

/// Sums over queries, the weights being [keys, queries] and the rows of the result keys.
@inline(never)
private func tileOverQueries<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int,
    _ c: UnsafeMutablePointer<Float>, adding: Bool
) {
    multiplyTile(
        arithmetic, a, aRow: 96 / Arithmetic.unitLength, aStep: 1, b, bStep: 64, count: count, c, cRow: 64,
        adding: adding, factors: nil)
}

// MARK: - Products of blocks

/// Units that hold `count` elements.
@inline(__always)
private func units<Arithmetic: AttentionArithmetic>(_ arithmetic: Arithmetic.Type, _ count: Int) -> Int {
    (count &+ Arithmetic.unitLength &- 1) / Arithmetic.unitLength
}

/// scores [keys, queries] = keys' rows times the transposed queries for the queries of a strip, tile by tile. Tiles that lie
/// wholly above the diagonal are left as they are, and so is the first half of a tile if no query of it sees a key.
///
/// - Parameters:
///   - query: the strip's first query.
///   - diagonal: first query position minus first key position: key k is visible to query q up to k <= q + diagonal.
///   - eachTile: called after each tile.
@inline(__always)
func scoreStrip<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, keys: UnsafePointer<Float>, keyCount: Int, queries: UnsafePointer<Float>, query: Int,
    width: Int, diagonal: Int, into scores: UnsafeMutablePointer<Float>, eachTile: () -> Void
) {
    var lane = query
    while lane < query &+ queryStrip {
        let end = min(keyCount, lane &+ tileColumns &+ diagonal)
        var key = 0
        while key < end {
            let target = scores + (key &* queryBlock &+ lane)
            var column = 0
            while column < width {
                let a = keys + (column &* keyBlock &+ key &* columnBlock) / Arithmetic.unitLength
                let b = queries + (column / Arithmetic.unitLength &* queryBlock &+ lane)
                let count = units(Arithmetic.self, min(columnBlock, width &- column))
                #if ISA_AVX512 || ISA_AVX512BF16
                if key >= lane &+ 16 &+ diagonal {
                    secondScoreTile(arithmetic, a, b, count, target, adding: column > 0)
                } else {
                    scoreTile(arithmetic, a, b, count, target, adding: column > 0)
                }
                #else
                scoreTile(arithmetic, a, b, count, target, adding: column > 0)
                #endif
                column &+= columnBlock
            }
            eachTile()
            key &+= tileRows
        }
        lane &+= tileColumns
    }
}

/// sums [queries, width] = factors * sums + weightsᵀ values, the weights being those over keys. Where no key is visible
/// to any row of a tile, its sums stay: their factor is 1.
///
/// - Parameter adding: false for the first block of keys of the queries: sums = weightsᵀ values. It does not lie behind the
///   first query, so that every tile has a key in it.
func accumulateOverKeys<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, weights: UnsafePointer<Float>, values: UnsafePointer<Float>, keyCount: Int,
    queryCount: Int, width: Int, diagonal: Int, factors: UnsafePointer<Float>?, adding: Bool,
    into sums: UnsafeMutablePointer<Float>
) {
    var query = 0
    while query < queryCount {
        let count = units(Arithmetic.self, min(keyCount, query &+ tileRows &+ diagonal))
        if count > 0 {
            var column = 0
            while column < width {
                let within = column & (columnBlock &- 1)
                let outer = column &- within
                let b = values + (outer &* keyBlock / Arithmetic.unitLength &+ within)
                let c = sums + (outer &* queryBlock &+ query &* columnBlock &+ within)
                tileOverKeys(
                    arithmetic, weights + query, b, count, c, adding: adding, factors: factors.map { $0 + query })
                column &+= tileColumns
            }
        }
        query &+= tileRows
    }
}

/// sums [keys, width] += weights rows [queries, width], the weights being those over queries; queries that see no key of a
/// tile are left out. Without `adding`, for the first queries that come to the keys: sums = weights rows.
func accumulateOverQueries<Arithmetic: AttentionArithmetic>(
    _ arithmetic: Arithmetic.Type, weights: UnsafePointer<Float>, rows: UnsafePointer<Float>, keyCount: Int,
    queryCount: Int, width: Int, diagonal: Int, adding: Bool, into sums: UnsafeMutablePointer<Float>
) {
    var key = 0
    while key < keyCount {
        let firstQuery = max(0, key &- diagonal) & ~(Arithmetic.unitLength &- 1)
        if firstQuery < queryCount {
            var column = 0
            while column < width {
                let within = column & (columnBlock &- 1)
                let outer = column &- within
                tileOverQueries(
                    arithmetic, weights + (key &* queryBlock &+ firstQuery) / Arithmetic.unitLength,
                    rows + ((outer &* queryBlock &+ firstQuery &* columnBlock) / Arithmetic.unitLength &+ within),
                    units(Arithmetic.self, queryCount &- firstQuery),
                    sums + (outer &* keyBlock &+ key &* columnBlock &+ within), adding: adding)
                column &+= tileColumns
            }
        }
        key &+= tileRows
    }
}
