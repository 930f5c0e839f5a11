internal import CIntrinsics

/// How a product with many rows is cut. None of it changes a bit of the result but the reduction block, which depends
/// on the length of the reduction, the instruction set and the compute type alone.
struct ProductPlan {
    /// Length of the blocks that are summed from zero, a multiple of 32.
    let reductionBlock: Int
    /// Length of the reduction with the padding of its last block.
    let paddedReduction: Int
    /// Rows of X that are multiplied with a panel once it is unpacked; a multiple of the tile but for the last chunk.
    let chunkRows: Int
    let chunkCount: Int
    /// Panels of outputs in all.
    let panelCount: Int
    /// Panels of a task, but for the last tasks of a chunk, which have one.
    let panelsPerTask: Int
    /// Tasks of `panelsPerTask` panels of a chunk, and tasks of one panel.
    let wideTasks: Int
    let narrowTasks: Int

    /// Outputs of a panel.
    let panelWidth: Int

    private static let wantedTasks = 64

    /// Bytes of packed rows that every group of panels reads again from the third-level cache: with 16 MB instead of 8
    /// a float32 product of 512 rows and a reduction of 8192 lost a sixth of its speed.
    private static let chunkByteLimit = 8 << 20

    init(_ kernels: qk_product_kernels, rows: Int, reduction: Int, outputs: Int, bfloat16: Bool) {
        let largest = Int(bfloat16 ? kernels.reduction_block_bfloat16 : kernels.reduction_block_float32)
        let blocks = (reduction + largest - 1) / largest
        let block = ((reduction + blocks - 1) / blocks + 31) & ~31
        reductionBlock = block
        paddedReduction = (reduction + 31) & ~31

        panelWidth = Int(kernels.tile_columns)
        let panels = (outputs + panelWidth - 1) / panelWidth
        panelCount = panels

        // Chunks as large as the workspace allows, of equal size; smaller ones where the panels alone are too few
        // tasks, but never so small that unpacking a panel costs more than a quarter of using it.
        let tile = Int(kernels.tile_rows)
        let tiles = (rows + tile - 1) / tile
        let smallestChunk = max(1, 96 / tile)
        let tileBytes = tile * paddedReduction * (bfloat16 ? 2 : 4)
        let largestChunk = min(Int(kernels.chunk_rows) / tile, max(smallestChunk, Self.chunkByteLimit / tileBytes))
        var chunks = (tiles + largestChunk - 1) / largestChunk
        if panels * chunks < Self.wantedTasks {
            let wanted = (Self.wantedTasks + panels - 1) / panels
            chunks = max(chunks, min(wanted, tiles / smallestChunk))
        }
        let tilesPerChunk = (tiles + chunks - 1) / chunks
        chunkRows = tilesPerChunk * tile
        chunkCount = (tiles + tilesPerChunk - 1) / tilesPerChunk

        // Wide tasks read the packed rows once for several panels; the last quarter is cut finely, so that threads end
        // together.
        let wide = max(1, min(Int(kernels.task_panels), panels * chunkCount / Self.wantedTasks))
        panelsPerTask = wide
        wideTasks = panels * 3 / 4 / wide
        narrowTasks = panels - wideTasks * wide
    }

    /// Tasks of all chunks.
    var taskCount: Int { chunkCount * (wideTasks + narrowTasks) }

    /// The chunk of a task and its panels: chunk after chunk, wide tasks first.
    func task(_ index: Int) -> (chunk: Int, firstPanel: Int, panels: Int) {
        let perChunk = wideTasks + narrowTasks
        let (chunk, place) = index.quotientAndRemainder(dividingBy: perChunk)
        if place < wideTasks { return (chunk, place * panelsPerTask, panelsPerTask) }
        return (chunk, wideTasks * panelsPerTask + place - wideTasks, 1)
    }
}
