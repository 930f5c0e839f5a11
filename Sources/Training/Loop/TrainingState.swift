package import AdapterStore
internal import Adapters
package import System
internal import Tensors

/// The arrays that a run changes, matrix by matrix, as a checkpoint keeps them: parameters and the optimizer's state.
extension Trainer {
    /// Every array, in the order of the adapter: A and B of each site, first the parameters, then each state.
    package var stateStreams: [CheckpointStream] {
        stateArrays.flatMap { array in
            adapters.entries.enumerated().flatMap { index, entry in
                [
                    (Self.nameA, adapters.matrixA(index, in: array.start)),
                    (Self.nameB, adapters.matrixB(index, in: array.start)),
                ]
                .map { suffix, matrix in
                    CheckpointStream(
                        name: "\(entry.site.path).\(suffix)", role: array.role, shape: [matrix.rows, matrix.columns],
                        values: UnsafeBufferPointer(start: matrix.base, count: matrix.count))
                }
            }
        }
    }

    /// Bytes of all arrays.
    package var stateByteCount: Int { stateArrays.count * adapters.parameterCount * MemoryLayout<Float>.stride }

    /// Takes over the arrays and the position of a checkpoint.
    ///
    /// - Throws: `badData` where the checkpoint lacks an array, or has one of another shape; then the state of this
    ///   trainer is not to be used any more.
    package func restore(_ file: CheckpointFile, position: TrainingPosition) throws(Failure) {
        let wanted = stateStreams
        guard file.streams.count == wanted.count else {
            throw Failure(
                .badData,
                "the checkpoint holds \(file.streams.count) arrays; an adapter of these options and its optimizer have "
                    + "\(wanted.count)", at: .init(file: file.path),
                remedy: "Give the options that the run was started with")
        }
        for stream in wanted {
            guard let description = file.stream(stream.name, stream.role), description.shape == stream.shape else {
                throw Failure(
                    .badData, "the checkpoint has no such array of the shape \(stream.shape)",
                    at: .init(file: file.path, tensor: stream.name),
                    remedy: "Give the options that the run was started with")
            }
        }
        // The names of one role are unique, and every one of them was found: all of the file is wanted.
        var targets: [StreamRole: [String: UnsafeMutableBufferPointer<Float>]] = [:]
        for stream in wanted { targets[stream.role, default: [:]][stream.name] = .init(mutating: stream.values) }
        try file.readAll { targets[$0.role]?[$0.name] }
        self.position = position
    }

    private static let nameA = "lora_A.weight"
    private static let nameB = "lora_B.weight"
}
