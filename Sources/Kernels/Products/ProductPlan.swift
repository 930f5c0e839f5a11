internal import CIntrinsics

/// How products with many rows that belong together are cut: several weights that meet one X, or several whose results
/// add up. None of it changes a bit of the result but the reduction blocks, each of which depends on the length of its
/// reduction, the instruction set and the compute type alone.
struct ProductPlan {
    /// One reduction: a packed input.
    struct Reduction {
        /// Length of the blocks that are summed from zero, a multiple of 32.
        let block: Int
        let blockCount: Int
        /// Length with the padding of the last block.
        let padded: Int
    }

    /// Outputs of one result that are multiplied with a chunk of rows at once.
    struct Task {
        let result: Int
        let firstStrip: Int
        let stripCount: Int
    }

    let reductions: [Reduction]
    /// Rows of X that are packed together; a multiple of the tile but for the last chunk.
    let chunkRows: Int
    let chunkCount: Int
    /// Rows of a chunk that a thread may take alone of the last tasks: a multiple of the tile. A thread that is given
    /// several pieces of one `Task` in a row takes them at once, so that panels are unpacked once for all of them.
    let pieceRows: Int
    let pieceCount: Int
    /// How many of the last chunk's tasks, the last of all, are cut into pieces.
    let dividedCount: Int
    /// The tasks of a chunk.
    let tasks: [Task]

    /// Outputs of a strip: one panel or two. Formats unpack 32 columns at a time, none of which another task may need.
    static let stripWidth = 32

    private static let mostWantedTasks = 64

    /// Bytes of packed rows that every group of panels reads again from the third-level cache: with 16 MB instead of 8
    /// a float32 product of 512 rows and a reduction of 8192 lost a sixth of its speed.
    private static let chunkByteLimit = 8 << 20

    /// - Parameters:
    ///   - reductions: lengths of the inputs.
    ///   - results: outputs of the results.
    ///   - threads: those that will share the tasks.
    init(
        _ kernels: qk_product_kernels, rows: Int, reductions: [Int], results: [Int], bfloat16: Bool, threads: Int
    ) {
        let largest = Int(bfloat16 ? kernels.reduction_block_bfloat16 : kernels.reduction_block_float32)
        self.reductions = reductions.map { reduction in
            let count = (reduction + largest - 1) / largest
            let block = ((reduction + count - 1) / count + 31) & ~31
            return Reduction(
                block: block, blockCount: (reduction + block - 1) / block, padded: (reduction + 31) & ~31)
        }
        let strips = results.map { ($0 + Self.stripWidth - 1) / Self.stripWidth }
        let stripCount = strips.reduce(0, +)

        // No more tasks than the threads need to end together: each unpacks its panels and reads its rows anew.
        let wantedTasks = min(Self.mostWantedTasks, 8 * threads)

        // Chunks as large as the workspace allows, of equal size.
        let tile = Int(kernels.tile_rows)
        let tiles = (rows + tile - 1) / tile
        let smallestPiece = max(1, 96 / tile)
        let tileBytes = tile * (self.reductions.map(\.padded).max() ?? 32) * (bfloat16 ? 2 : 4)
        let largestChunk = min(Int(kernels.chunk_rows) / tile, max(smallestPiece, Self.chunkByteLimit / tileBytes))
        let chunks = (tiles + largestChunk - 1) / largestChunk
        let tilesPerChunk = (tiles + chunks - 1) / chunks
        chunkRows = tilesPerChunk * tile
        chunkCount = (tiles + tilesPerChunk - 1) / tilesPerChunk
        let pieces = max(1, tilesPerChunk / smallestPiece)
        let tilesPerPiece = (tilesPerChunk + pieces - 1) / pieces
        pieceRows = tilesPerPiece * tile
        pieceCount = (tilesPerChunk + tilesPerPiece - 1) / tilesPerPiece

        // Wide tasks read the packed rows once for several strips and come first; the last ones are single strips, and the
        // last of these are cut into pieces of the rows, so that threads end together. A piece is never so small that
        // unpacking a panel costs more than a quarter of using it.
        let most = Int(kernels.task_panels) * Int(kernels.tile_columns) / Self.stripWidth
        let wide = max(1, min(most, stripCount * chunkCount / wantedTasks))
        let narrowStrips = min(stripCount / 4, Self.mostWantedTasks)
        var wideTasks: [Task] = []
        var narrowTasks: [Task] = []
        var wideLeft = stripCount - narrowStrips
        for (result, count) in strips.enumerated() {
            var strip = 0
            while strip + wide <= count, wideLeft >= wide {
                wideTasks.append(Task(result: result, firstStrip: strip, stripCount: wide))
                strip += wide
                wideLeft -= wide
            }
            narrowTasks += (strip..<count).map { Task(result: result, firstStrip: $0, stripCount: 1) }
        }
        tasks = wideTasks + narrowTasks
        // Two for each thread: what is cut earlier unpacks its panels more often than threads ending together needs.
        dividedCount = min(2 * threads, wide == 1 ? tasks.count : narrowTasks.count)
    }

    /// Tasks of all chunks that are taken whole.
    private var wholeCount: Int { chunkCount * tasks.count - dividedCount }

    /// What threads claim: whole tasks, chunk after chunk, then pieces of the last ones.
    var taskCount: Int { wholeCount + dividedCount * pieceCount }

    /// Calls `body` for consecutive whole tasks and pieces: the pieces of one task together, as the rows of the chunk that
    /// they are.
    func forEachTask(
        _ claimed: Range<Int>, rows: Int, _ body: (_ chunk: Int, _ rows: Range<Int>, _ task: Task) -> Void
    ) {
        var index = claimed.lowerBound
        while index < claimed.upperBound {
            var number = index
            var pieces = 0..<pieceCount
            if index < wholeCount {
                index += 1
            } else {
                let (place, first) = (index - wholeCount).quotientAndRemainder(dividingBy: pieceCount)
                number = wholeCount + place
                pieces = first..<min(pieceCount, first + claimed.upperBound - index)
                index += pieces.count
            }
            let (chunk, place) = number.quotientAndRemainder(dividingBy: tasks.count)
            let present = min(chunkRows, rows - chunk * chunkRows)
            let taken = min(pieces.lowerBound * pieceRows, present)..<min(pieces.upperBound * pieceRows, present)
            if !taken.isEmpty { body(chunk, taken, tasks[place]) }
        }
    }
}
