package import Tensors

/// The trainable parameters of one adapter: for each adapted site A [R, K] and B [N, R], all in one run of float32
/// memory, so that the optimizer, clipping and checkpoints walk a single array. A site that stacks experts has E of each,
/// one behind the other: A [E·R, K], B [E·N, R].
package final class AdapterSet: @unchecked Sendable {
    // Unchecked: parameters change only between steps, on the thread that owns the set.

    /// One adapted site and where its matrices lie.
    package struct Entry: Sendable {
        package let site: AdapterSite
        /// R.
        package let rank: Int
        /// What the low-rank product is multiplied by: alpha / R, or alpha / sqrt(R) for rsLoRA.
        package let scaling: Float
        /// Index of the first element of A in the parameters; B follows it.
        package let offset: Int

        /// Elements of A, all copies.
        package var countA: Int { site.copies * rank * site.inputs }
        /// Elements of B, all copies.
        package var countB: Int { site.copies * rank * site.outputs }
    }

    package let entries: [Entry]
    /// Probability that an input of the low-rank path is dropped in training.
    package let dropout: Float
    /// Elements of all matrices together.
    package let parameterCount: Int
    private let memory: AlignedMemory
    private let indices: [String: Int]

    /// Makes zeroed parameters for sites in the order of the model.
    ///
    /// - Parameter sites: each site with its rank and scaling; paths are unique.
    package init(sites: [(site: AdapterSite, rank: Int, scaling: Float)], dropout: Float = 0) {
        var offset = 0
        entries = sites.map { item in
            let entry = Entry(site: item.site, rank: item.rank, scaling: item.scaling, offset: offset)
            offset += entry.countA + entry.countB
            return entry
        }
        indices = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.site.path, $0) })
        parameterCount = offset
        self.dropout = dropout
        memory = AlignedMemory(byteCount: offset * MemoryLayout<Float>.stride)
    }

    /// All parameters, `parameterCount` elements.
    package var parameters: UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: memory.floats, count: parameterCount)
    }

    /// The index of the entry for a module path, nil where the module is not adapted.
    package func index(of path: String) -> Int? { indices[path] }

    /// A [R, K] of an entry, or [E·R, K], in an array laid out as `parameters` (the parameters themselves, gradients,
    /// moments).
    package func matrixA(_ index: Int, in array: UnsafeMutablePointer<Float>) -> FloatMatrix {
        let entry = entries[index]
        return FloatMatrix(
            base: array + entry.offset, rows: entry.site.copies * entry.rank, columns: entry.site.inputs)
    }

    /// B [N, R] of an entry, or [E·N, R], in an array laid out as `parameters`.
    package func matrixB(_ index: Int, in array: UnsafeMutablePointer<Float>) -> FloatMatrix {
        let entry = entries[index]
        return FloatMatrix(
            base: array + entry.offset + entry.countA, rows: entry.site.copies * entry.site.outputs,
            columns: entry.rank)
    }

    /// A and B of an entry, all copies.
    package func matrixA(_ index: Int) -> FloatMatrix { matrixA(index, in: memory.floats) }
    package func matrixB(_ index: Int) -> FloatMatrix { matrixB(index, in: memory.floats) }

    /// A [R, K] and B [N, R] of one copy of an entry, in an array laid out as `parameters`.
    package func matrices(_ index: Int, copy: Int, in array: UnsafeMutablePointer<Float>? = nil) -> (
        a: FloatMatrix, b: FloatMatrix
    ) {
        let array = array ?? memory.floats, entry = entries[index], outputs = entry.site.outputs
        return (
            matrixA(index, in: array).rows(copy * entry.rank..<(copy + 1) * entry.rank),
            matrixB(index, in: array).rows(copy * outputs..<(copy + 1) * outputs)
        )
    }
}
