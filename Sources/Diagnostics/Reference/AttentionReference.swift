internal import Glibc
package import Kernels
internal import Tensors

/// A set of sequences with the shape of their heads.
package struct AttentionCase: Sendable {
    package let lengths: [Int]
    package let shape: AttentionShape

    package init(
        _ lengths: [Int], heads: Int, keyValueHeads: Int, width: Int, window: Int? = nil, softCap: Float? = nil
    ) {
        self.lengths = lengths
        shape = AttentionShape(
            queryHeads: heads, keyValueHeads: keyValueHeads, headWidth: width,
            scale: 1.7 / Float(width).squareRoot(), window: window, softCap: softCap)
    }

    package var rows: Int { lengths.reduce(0, +) }

    package var segments: [Segment] {
        var start = 0
        return lengths.map { length in
            defer { start += length }
            return Segment(start: Int32(start), count: Int32(length))
        }
    }
}

/// Matrices in double, rows of arrays.
package typealias DoubleMatrix = [[Double]]

/// A matrix widened.
package func doubles(_ sample: SampleMatrix) -> DoubleMatrix {
    (0..<sample.matrix.rows).map { row in (0..<sample.matrix.columns).map { sample[row, $0] } }
}

/// Attention and its gradients in double precision, straight from the definition.
package struct AttentionReference {
    package let example: AttentionCase

    package init(_ example: AttentionCase) { self.example = example }

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

    /// The output [M, H * D], and ln of the sum of exponentials of each row's scores [H, M].
    package func forward(_ q: DoubleMatrix, _ k: DoubleMatrix, _ v: DoubleMatrix) -> (
        out: DoubleMatrix, lse: DoubleMatrix
    ) {
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

    /// The gradients of the output's dot product with `dOut`.
    package func backward(
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
