import Glibc
import Kernels
import Tensors
import Testing

/// A set of sequences with the shape of their heads.
struct AttentionCase: Sendable, CustomTestStringConvertible {
    let lengths: [Int]
    let shape: AttentionShape

    init(
        _ lengths: [Int], heads: Int, keyValueHeads: Int, width: Int, window: Int? = nil, softCap: Float? = nil
    ) {
        self.lengths = lengths
        shape = AttentionShape(
            queryHeads: heads, keyValueHeads: keyValueHeads, headWidth: width,
            scale: 1.7 / Float(width).squareRoot(), window: window, softCap: softCap)
    }

    var rows: Int { lengths.reduce(0, +) }

    var segments: [Segment] {
        var start = 0
        return lengths.map { length in
            defer { start += length }
            return Segment(start: Int32(start), count: Int32(length))
        }
    }

    var testDescription: String {
        "\(lengths) x \(shape.queryHeads)/\(shape.keyValueHeads) x \(shape.headWidth), "
            + "window \(shape.window ?? 0), cap \(shape.softCap ?? 0)"
    }

    /// Single rows, odd everything, several blocks of queries and keys, windows inside and across blocks, caps.
    static let all = [
        AttentionCase([1], heads: 1, keyValueHeads: 1, width: 1),
        AttentionCase([5, 1, 13], heads: 4, keyValueHeads: 2, width: 5),
        AttentionCase([100, 97], heads: 2, keyValueHeads: 1, width: 17, window: 30),
        AttentionCase([200], heads: 3, keyValueHeads: 3, width: 64),
        AttentionCase([49, 145], heads: 4, keyValueHeads: 1, width: 80, softCap: 2),
        AttentionCase([150], heads: 2, keyValueHeads: 2, width: 130, window: 7, softCap: 5),
        AttentionCase([250, 3], heads: 2, keyValueHeads: 1, width: 32, window: 100),
    ]
}

/// Matrices in double, rows of arrays.
typealias DoubleMatrix = [[Double]]

func doubles(_ fixture: MatrixFixture) -> DoubleMatrix {
    (0..<fixture.matrix.rows).map { row in (0..<fixture.matrix.columns).map { fixture[row, $0] } }
}

/// Attention and its gradients in double precision, straight from the definition.
struct AttentionReference {
    let example: AttentionCase

    /// Calls `body` with each query row, its head, the rows it sees and its probabilities and score slopes.
    private func forEachQuery(
        _ q: DoubleMatrix, _ k: DoubleMatrix,
        _ body: (_ row: Int, _ head: Int, _ seen: Range<Int>, _ p: [Double], _ slopes: [Double], _ lse: Double) -> Void
    ) {
        let shape = example.shape
        let width = shape.headWidth
        for segment in example.segments {
            for index in 0..<Int(segment.count) {
                let row = Int(segment.start) + index
                let first = max(0, index - (shape.window ?? Int.max) + 1)
                let seen = Int(segment.start) + first..<row + 1
                for head in 0..<shape.queryHeads {
                    let shared = head / shape.groupSize
                    var slopes = [Double](repeating: 1, count: seen.count)
                    var scores = seen.map { key in
                        Double(shape.scale)
                            * (0..<width).reduce(0) { $0 + q[row][head * width + $1] * k[key][shared * width + $1] }
                    }
                    if let cap = shape.softCap.map(Double.init) {
                        for key in 0..<scores.count {
                            let ratio = tanh(scores[key] / cap)
                            scores[key] = cap * ratio
                            slopes[key] = 1 - ratio * ratio
                        }
                    }
                    let largest = scores.reduce(-Double.infinity, max)
                    let sum = scores.reduce(0) { $0 + exp($1 - largest) }
                    let logSumExp = largest + log(sum)
                    body(row, head, seen, scores.map { exp($0 - logSumExp) }, slopes, logSumExp)
                }
            }
        }
    }

    func forward(_ q: DoubleMatrix, _ k: DoubleMatrix, _ v: DoubleMatrix) -> (out: DoubleMatrix, lse: DoubleMatrix) {
        let (shape, width) = (example.shape, example.shape.headWidth)
        var out = DoubleMatrix(repeating: Array(repeating: 0, count: shape.queryColumns), count: example.rows)
        var all = DoubleMatrix(repeating: Array(repeating: 0, count: example.rows), count: shape.queryHeads)
        forEachQuery(q, k) { row, head, seen, p, _, logSumExp in
            let shared = head / shape.groupSize
            all[head][row] = logSumExp
            for (index, key) in seen.enumerated() {
                for channel in 0..<width {
                    out[row][head * width + channel] += p[index] * v[key][shared * width + channel]
                }
            }
        }
        return (out, all)
    }

    func backward(
        _ dOut: DoubleMatrix, _ q: DoubleMatrix, _ k: DoubleMatrix, _ v: DoubleMatrix
    ) -> (dQ: DoubleMatrix, dK: DoubleMatrix, dV: DoubleMatrix) {
        let (shape, width) = (example.shape, example.shape.headWidth)
        var dQ = DoubleMatrix(repeating: Array(repeating: 0, count: shape.queryColumns), count: example.rows)
        var dK = DoubleMatrix(repeating: Array(repeating: 0, count: shape.keyValueColumns), count: example.rows)
        var dV = dK
        forEachQuery(q, k) { row, head, seen, p, slopes, _ in
            let (own, shared) = (head * width, head / shape.groupSize * width)
            let dP = seen.map { key in
                (0..<width).reduce(0) { $0 + dOut[row][own + $1] * v[key][shared + $1] }
            }
            let delta = zip(p, dP).reduce(0) { $0 + $1.0 * $1.1 }
            for (index, key) in seen.enumerated() {
                let gradient = p[index] * (dP[index] - delta) * slopes[index] * Double(shape.scale)
                for channel in 0..<width {
                    dQ[row][own + channel] += gradient * k[key][shared + channel]
                    dK[key][shared + channel] += gradient * q[row][own + channel]
                    dV[key][shared + channel] += p[index] * dOut[row][own + channel]
                }
            }
        }
        return (dQ, dK, dV)
    }
}

/// Inputs and outputs of one case.
final class AttentionFixture {
    let example: AttentionCase
    let q: MatrixFixture
    let k: MatrixFixture
    let v: MatrixFixture
    let dOut: MatrixFixture

    init(_ example: AttentionCase, seed: UInt64 = 40) {
        self.example = example
        let (rows, shape) = (example.rows, example.shape)
        q = .random(rows, shape.queryColumns, seed: seed, range: 2)
        k = .random(rows, shape.keyValueColumns, seed: seed + 1, range: 2)
        v = .random(rows, shape.keyValueColumns, seed: seed + 2)
        dOut = .random(rows, shape.queryColumns, seed: seed + 3)
    }

    struct Results {
        let out: MatrixFixture
        let logSumExp: MatrixFixture
        let dQ: MatrixFixture
        let dK: MatrixFixture
        let dV: MatrixFixture

        var all: [MatrixFixture] { [out, dQ, dK, dV] }
    }

    /// Forward and backward over the rows of some of the segments.
    func results(_ context: ComputeContext, segments: [Segment]? = nil) -> Results {
        let (rows, shape) = (example.rows, example.shape)
        let segments = segments ?? example.segments
        let results = Results(
            out: MatrixFixture(rows: rows, columns: shape.queryColumns),
            logSumExp: MatrixFixture(rows: shape.queryHeads, columns: rows, gap: 0),
            dQ: MatrixFixture(rows: rows, columns: shape.queryColumns),
            dK: MatrixFixture(rows: rows, columns: shape.keyValueColumns),
            dV: MatrixFixture(rows: rows, columns: shape.keyValueColumns))
        let longest = segments.map { Int($0.count) }.max() ?? 0
        let byteCount = max(
            context.attentionForwardScratchByteCount(shape),
            context.attentionBackwardScratchByteCount(shape, longestSegment: longest))
        // Whatever was in the scratch before must not matter.
        let scratch = BufferFixture<Float>(repeating: .nan, count: byteCount / 4)
        let bytes = UnsafeMutableRawBufferPointer(start: scratch.base, count: byteCount)
        segments.withUnsafeBufferPointer { segments in
            context.attentionForward(
                q: q.matrix, k: k.matrix, v: v.matrix, segments: segments, shape: shape, into: results.out.matrix,
                logSumExp: results.logSumExp.matrix.base, scratch: bytes)
            context.attentionBackward(
                dOut.matrix, q: q.matrix, k: k.matrix, v: v.matrix, out: results.out.matrix,
                logSumExp: results.logSumExp.matrix.base, segments: segments, shape: shape,
                into: results.dQ.matrix, results.dK.matrix, results.dV.matrix, scratch: bytes)
        }
        return results
    }
}
