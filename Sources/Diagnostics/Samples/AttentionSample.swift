package import Kernels
internal import Tensors

/// Random inputs of attention over one set of sequences.
package final class AttentionSample {
    package let example: AttentionCase
    package let q: SampleMatrix
    package let k: SampleMatrix
    package let v: SampleMatrix
    package let dOut: SampleMatrix

    package init(_ example: AttentionCase, seed: UInt64 = 40) {
        self.example = example
        let (rows, shape) = (example.rows, example.shape)
        q = .random(rows, shape.queryColumns, seed: seed, range: 2)
        k = .random(rows, shape.keyValueColumns, seed: seed + 1, range: 2)
        v = .random(rows, shape.keyValueColumns, seed: seed + 2)
        dOut = .random(rows, shape.queryColumns, seed: seed + 3)
    }

    package struct Results {
        package let out: SampleMatrix
        package let logSumExp: SampleMatrix
        package let dQ: SampleMatrix
        package let dK: SampleMatrix
        package let dV: SampleMatrix

        package var all: [SampleMatrix] { [out, dQ, dK, dV] }
    }

    /// Forward and backward over the rows of some of the segments.
    package func results(_ context: ComputeContext, segments: [Segment]? = nil) -> Results {
        let (rows, shape) = (example.rows, example.shape)
        let segments = segments ?? example.segments
        let results = Results(
            out: SampleMatrix(rows: rows, columns: shape.queryColumns),
            logSumExp: SampleMatrix(rows: shape.queryHeads, columns: rows, gap: 0),
            dQ: SampleMatrix(rows: rows, columns: shape.queryColumns),
            dK: SampleMatrix(rows: rows, columns: shape.keyValueColumns),
            dV: SampleMatrix(rows: rows, columns: shape.keyValueColumns))
        let longest = segments.map { Int($0.count) }.max() ?? 0
        let byteCount = max(
            context.attentionForwardScratchByteCount(shape, longestSegment: longest),
            context.attentionBackwardScratchByteCount(shape, longestSegment: longest))
        // NaN: whatever was in the scratch before must not matter.
        let scratch = SampleBuffer<Float>(repeating: .nan, count: byteCount / 4)
        segments.withUnsafeBufferPointer { segments in
            context.attentionForward(
                q: q.matrix, k: k.matrix, v: v.matrix, segments: segments, shape: shape, into: results.out.matrix,
                logSumExp: results.logSumExp.matrix.base, scratch: scratch.bytes)
            context.attentionBackward(
                dOut.matrix, q: q.matrix, k: k.matrix, v: v.matrix, out: results.out.matrix,
                logSumExp: results.logSumExp.matrix.base, segments: segments, shape: shape,
                into: results.dQ.matrix, results.dK.matrix, results.dV.matrix, scratch: scratch.bytes)
        }
        return results
    }
}
