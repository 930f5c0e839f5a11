package import Tensors

/// The trainable parameters of one adapter: for each adapted site A [R, K] and B [N, R], all in one run of float32
/// memory, so that the optimizer, clipping and checkpoints walk a single array.
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

        /// Elements of A.
        package var countA: Int { rank * site.inputs }
        /// Elements of B.
        package var countB: Int { rank * site.outputs }
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

    /// A [R, K] of an entry, in an array laid out as `parameters` (the parameters themselves, gradients, moments).
    package func matrixA(_ index: Int, in array: UnsafeMutablePointer<Float>) -> FloatMatrix {
        let entry = entries[index]
        return FloatMatrix(base: array + entry.offset, rows: entry.rank, columns: entry.site.inputs)
    }

    /// B [N, R] of an entry, in an array laid out as `parameters`.
    package func matrixB(_ index: Int, in array: UnsafeMutablePointer<Float>) -> FloatMatrix {
        let entry = entries[index]
        return FloatMatrix(base: array + entry.offset + entry.countA, rows: entry.site.outputs, columns: entry.rank)
    }

    /// A [R, K] of an entry.
    package func matrixA(_ index: Int) -> FloatMatrix { matrixA(index, in: memory.floats) }

    /// B [N, R] of an entry.
    package func matrixB(_ index: Int) -> FloatMatrix { matrixB(index, in: memory.floats) }
}
