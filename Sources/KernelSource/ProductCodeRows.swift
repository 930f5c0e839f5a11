internal import CIntrinsics

// Few rows of X times a matrix of codes in blocks: codes are multiplied as they are and partial sums scaled, 64 codes of
// one block at a time. A row of W is one stream: two at once would defeat the prefetcher.

/// Whether the storage and the shape of a weight admit it: rows of whole 64s, each of one block.
@inline(__always)
func multipliesCodes(_ weight: UnsafePointer<qk_weight>) -> Bool {
    let storage = weight.pointee.storage
    return (storage == Int32(QK_STORAGE_TABLE4) || storage == Int32(QK_STORAGE_SIGNED8))
        && weight.pointee.columns & 63 == 0 && weight.pointee.block_shift >= 6
}

/// How codes of a storage meet prepared rows of X.
protocol CodeProduct {
    /// Bytes of 64 codes.
    static var codeBytes: Int { get }
    /// Floats of a prepared row of X that 128 codes meet.
    static var unitsOf128: Int { get }

    /// What the codes stand for, in the form that the products look it up; zero where they stand for themselves.
    static func table(_ weight: UnsafePointer<qk_weight>) -> SIMD16<Float>

    /// sums += the products of 128 codes, those of each half scaled by its scale; scales are floats at any address.
    static func add128<let Rows: Int>(
        _ sums: inout InlineArray<Rows, SIMD16<Float>>, _ codes: UnsafeRawPointer, table: SIMD16<Float>,
        x: UnsafePointer<Float>, xStride: Int, scales: (UnsafeRawPointer, UnsafeRawPointer))

    /// The same for the last 64 codes of a row that are no whole 128; nothing behind them is read.
    static func add64<let Rows: Int>(
        _ sums: inout InlineArray<Rows, SIMD16<Float>>, _ codes: UnsafeRawPointer, table: SIMD16<Float>,
        x: UnsafePointer<Float>, xStride: Int, scale: UnsafeRawPointer)
}

/// The task, row of W by row of W; the lanes of 16 rows are summed at once.
@inline(__always)
func multiplyCodes<Product: CodeProduct>(_ product: Product.Type, _ task: UnsafePointer<qk_few_rows_task>) {
    let weight = task.pointee.weight.unsafelyUnwrapped
    let prepared = task.pointee.prepared.unsafelyUnwrapped
    let rowBytes = preparedRowBytes(columns: Int(weight.pointee.columns))
    let rows = Int(task.pointee.rows)
    let end = Int(task.pointee.first_output &+ task.pointee.output_count)
    // 256 scales, then the lanes of 16 rows of W with up to four of X.
    withUnsafeTemporaryAllocation(byteCount: 1024 &+ 4 &* 1024, alignment: 64) { memory in
        let table = Product.table(weight)
        let memory = memory.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Float.self)
        memory.initialize(repeating: 0, count: 256 &+ 1024)
        let lanes = memory + 256
        var scales = rowScales(weight, memory)
        var output = Int(task.pointee.first_output)
        while output < end {
            let count = min(16, end &- output)
            var row = 0
            while row < rows {
                let x = (prepared + row &* rowBytes).assumingMemoryBound(to: Float.self)
                let together = rows &- row >= 4 ? 4 : 1
                for place in 0..<count {
                    let sums = lanes + place &* 16
                    if together == 4 {
                        multiplyCodeRow(
                            product, InlineArray<4, SIMD16<Float>>(repeating: SIMD16(repeating: 0)), weight,
                            output: output &+ place, &scales, table: table, x: x, xStride: rowBytes &>> 2, sums)
                    } else {
                        multiplyCodeRow(
                            product, InlineArray<1, SIMD16<Float>>(repeating: SIMD16(repeating: 0)), weight,
                            output: output &+ place, &scales, table: table, x: x, xStride: rowBytes &>> 2, sums)
                    }
                }
                storeRowSums(task, lanes, rows: row..<row &+ together, output: output, count: count)
                row &+= together
            }
            output &+= count
        }
    }
}

/// y (= or +=) sum + bias for the lanes of 16 rows of W, of which `count` are there, and some rows of X, 256 floats from
/// one to the next; the lanes are used up.
@inline(never)
private func storeRowSums(
    _ task: UnsafePointer<qk_few_rows_task>, _ lanes: UnsafeMutablePointer<Float>, rows: Range<Int>, output: Int,
    count: Int
) {
    let count = Int64(count)
    let bias = task.pointee.bias.map { qk_load_first($0 + output, count) }
    var lanes = lanes
    for row in rows {
        let y = task.pointee.y.unsafelyUnwrapped + (row &* Int(task.pointee.y_stride) &+ output)
        var sums = laneSums(lanes)
        if let bias { sums = sums + bias }
        if task.pointee.adding != 0 { sums = qk_load_first(y, count) + sums }
        qk_store_first(y, sums, count)
        lanes += 256
    }
}

/// The sums of 16 vectors that follow each other, each in the order of `qk_sum`.
@inline(__always)
private func laneSums(_ vectors: UnsafeMutablePointer<Float>) -> SIMD16<Float> {
    transposeBlock(vectors, stride: 16, into: vectors, panelStride: 16)
    @inline(__always)
    func eight(_ lane: Int) -> SIMD16<Float> { qk_load(vectors + lane &* 16) + qk_load(vectors + (lane &+ 8) &* 16) }
    @inline(__always)
    func four(_ lane: Int) -> SIMD16<Float> { eight(lane) + eight(lane &+ 4) }
    return (four(0) + four(2)) + (four(1) + four(3))
}

/// Lanes of one row of W times `Rows` rows of X, 16 vectors from one row of X to the next.
@inline(__always)
private func multiplyCodeRow<Product: CodeProduct, let Rows: Int>(
    _ product: Product.Type, _ zero: InlineArray<Rows, SIMD16<Float>>, _ weight: UnsafePointer<qk_weight>, output: Int,
    _ scales: inout RowScales, table: SIMD16<Float>, x: UnsafePointer<Float>, xStride: Int,
    _ lanes: UnsafeMutablePointer<Float>
) {
    var sums = zero
    addCodeRow(product, &sums, weight, output: output, &scales, table: table, x: x, xStride: xStride)
    for row in 0..<Rows { qk_store(lanes + row &* 256, sums[row]) }
}

/// sums += the products of one row of W with `Rows` rows of X, unsummed over lanes.
@inline(__always)
private func addCodeRow<Product: CodeProduct, let Rows: Int>(
    _ product: Product.Type, _ sums: inout InlineArray<Rows, SIMD16<Float>>, _ weight: UnsafePointer<qk_weight>,
    output: Int, _ scales: inout RowScales, table: SIMD16<Float>, x: UnsafePointer<Float>, xStride: Int
) {
    let columns = Int(weight.pointee.columns)
    let shift = scales.shift
    var index = output &* columns
    let rowEnd = index &+ columns
    var codes = weight.pointee.elements.unsafelyUnwrapped + (index &>> 6) &* Product.codeBytes
    var x = x
    while index < rowEnd {
        if index >= scales.end || index < scales.start { enterSegment(weight, &scales, index) }
        let end = min(rowEnd, scales.end)
        while index &+ 128 <= end {
            var line = 0
            while line < 2 &* Product.codeBytes {
                fetchStream(codes + line)
                line &+= 64
            }
            Product.add128(
                &sums, codes, table: table, x: x, xStride: xStride,
                scales: (scale(scales, index &>> shift), scale(scales, (index &+ 64) &>> shift)))
            codes += 2 &* Product.codeBytes
            x += Product.unitsOf128
            index &+= 128
        }
        if index == end { continue }
        let first = scale(scales, index &>> shift)
        if end == rowEnd {
            Product.add64(&sums, codes, table: table, x: x, xStride: xStride, scale: first)
            return
        }
        // The second half belongs to the next segment, whose scales take the place of these.
        var saved = first.loadUnaligned(as: Float.self)
        enterSegment(weight, &scales, end)
        withUnsafePointer(to: &saved) {
            Product.add128(
                &sums, codes, table: table, x: x, xStride: xStride,
                scales: (UnsafeRawPointer($0), scale(scales, end &>> shift)))
        }
        codes += 2 &* Product.codeBytes
        x += Product.unitsOf128
        index &+= 128
    }
}

// MARK: - Scales

/// Where the scales of blocks are looked up.
///
/// - values: the scale of each block; where scales are nested, what each of the 256 codes stands for at present.
/// - codes: the code of each block, or null.
/// - shift: log2 of the elements of a block.
/// - start, end: the elements for which `values` holds.
/// - memory: 256 floats.
private typealias RowScales = (
    values: UnsafeRawPointer, codes: UnsafeRawPointer?, shift: Int, start: Int, end: Int,
    memory: UnsafeMutablePointer<Float>
)

@inline(__always)
private func rowScales(_ weight: UnsafePointer<qk_weight>, _ memory: UnsafeMutablePointer<Float>) -> RowScales {
    let shift = Int(weight.pointee.block_shift)
    if let plain = weight.pointee.scales { return (plain, nil, shift, 0, Int.max, memory) }
    return (UnsafeRawPointer(memory), weight.pointee.scale_codes, shift, 0, 0, memory)
}

/// Where the scale of a block is.
@inline(__always)
private func scale(_ scales: RowScales, _ block: Int) -> UnsafeRawPointer {
    let place = scales.codes.map { Int($0.load(fromByteOffset: block, as: UInt8.self)) } ?? block
    return scales.values + place &* 4
}

/// Makes ready the nested scales of an element. 256 blocks share a factor, so that making 256 scales anew costs little
/// even where each is used once.
@inline(__always)
private func enterSegment(_ weight: UnsafePointer<qk_weight>, _ scales: inout RowScales, _ index: Int) {
    let factor = index &>> (scales.shift &+ 8)
    fillScales(weight, factor: factor, scales.memory)
    scales.start = factor &<< (scales.shift &+ 8)
    scales.end = (factor &+ 1) &<< (scales.shift &+ 8)
}

/// What 256 codes stand for with one factor: as `blockScale` does it, multiply, then add.
@inline(never)
private func fillScales(_ weight: UnsafePointer<qk_weight>, factor: Int, _ memory: UnsafeMutablePointer<Float>) {
    let map = weight.pointee.scale_map.unsafelyUnwrapped
    let absmax = weight.pointee.scale_absmax.unsafelyUnwrapped
    let multiplier = qk_splat(absmax.loadUnaligned(fromByteOffset: factor &* 4, as: Float.self))
    let offset = qk_splat(weight.pointee.scale_offset)
    for vector in 0..<16 {
        let product = qk_load(map + vector &* 64) * multiplier
        qk_store(memory + vector &* 16, product + offset)
    }
}
