internal import Kernels
internal import Tensors

extension SelfTest {
    /// Two sequences whose heads share keys, with a window and a cap; one of several blocks of queries and keys.
    private static let cases = [
        AttentionCase([17, 70], heads: 4, keyValueHeads: 2, width: 20, window: 30, softCap: 4),
        AttentionCase([110], heads: 2, keyValueHeads: 1, width: 64),
    ]

    /// Attention over whole sequences with its gradients, and of the last row over a cache.
    mutating func checkAttention(_ type: ComputeType) {
        let context = ComputeContext(kernels: context.kernels, pool: context.pool, computeType: type)
        let tolerance = type == .bfloat16 ? Tolerance.narrowAttention : Tolerance.attention
        let ofGradients = type == .bfloat16 ? Tolerance.narrowAttention : Tolerance.attentionGradient
        for example in Self.cases {
            let title = example.shape.window == nil ? "whole" : "windowed and capped"
            let sample = AttentionSample(example)
            let reference = AttentionReference(example)
            let (q, k, v) = (doubles(sample.q), doubles(sample.k), doubles(sample.v))
            let exact = reference.forward(q, k, v)
            let gradients = reference.backward(doubles(sample.dOut), q, k, v)
            let results = sample.results(context)
            record("attention, \(title)", results.out.error { exact.out[$0][$1] }, within: tolerance, type)
            for (name, own, reference) in [
                ("queries", results.dQ, gradients.dQ), ("keys", results.dK, gradients.dK),
                ("values", results.dV, gradients.dV),
            ] {
                record(
                    "gradient of attention by \(name), \(title)", own.error { reference[$0][$1] },
                    within: ofGradients, type)
            }
            // Over a cache, products are float32 in either type.
            guard type == .float32 else { continue }
            let decoded = decode(sample)
            let start = Int(example.segments.last?.start ?? 0)
            record(
                "attention over a cache, \(title)",
                decoded.error { exact.out[start + example.lastLength - 1 + $0][$1] },
                within: Tolerance.attention)
        }
    }

    /// The last row of the last sequence against all keys of that sequence.
    private func decode(_ sample: AttentionSample) -> SampleMatrix {
        let example = sample.example
        let rows = example.rows - example.lastLength..<example.rows
        let out = SampleMatrix(rows: 1, columns: example.shape.queryColumns)
        let scratch = SampleBuffer<Float>(
            repeating: .nan,
            count: context.attentionDecodeScratchByteCount(example.shape, length: rows.count) / 4)
        context.attentionDecode(
            q: sample.q.matrix.row(example.rows - 1), keys: sample.k.matrix.rows(rows),
            values: sample.v.matrix.rows(rows), shape: example.shape, into: out.matrix.base, scratch: scratch.bytes)
        return out
    }
}

extension AttentionCase {
    fileprivate var lastLength: Int { lengths.last ?? 0 }
}
