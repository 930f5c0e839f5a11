internal import Glibc

/// The equations of `ReferenceModel` over one kind of number. Matrices are row-major arrays of rows.
struct ReferenceDecoder<Number: ReferenceNumber> {
    /// Makes an adapter's number from site, part, row-major index and value; the place where derivatives are seeded.
    typealias Seed = (String, ReferenceAdapter.Part, Int, Double) -> Number

    private struct LowRank {
        var A: [[Number]]
        var B: [[Number]]
        var scaling: Double
    }

    private let configuration: ReferenceConfiguration
    private let weights: [String: ReferenceTensor]
    private let adapters: [String: LowRank]

    init(_ model: ReferenceModel, seed: Seed?) {
        configuration = model.configuration
        weights = model.weights
        var adapters: [String: LowRank] = [:]
        for (site, adapter) in model.adapters {
            func matrix(_ part: ReferenceAdapter.Part) -> [[Number]] {
                let tensor = adapter[part], columns = tensor.shape[1]
                return (0..<tensor.shape[0]).map { row in
                    (row * columns..<(row + 1) * columns).map { index in
                        let value = Double(tensor.values[index])
                        return seed?(site, part, index, value) ?? Number(value)
                    }
                }
            }
            adapters[site] = LowRank(A: matrix(.A), B: matrix(.B), scaling: adapter.scaling)
        }
        self.adapters = adapters
    }

    // MARK: Loss

    /// Token mean over all rows of `−log softmax(logits[t])[labels[t + 1]]` where the label is not −100.
    func loss(_ rows: [ReferenceRow]) -> Number {
        var sum = Number(0), count = 0
        for row in rows {
            let logits = logits(row.ids)
            for position in 0..<max(row.ids.count - 1, 0) where row.labels[position + 1] != -100 {
                sum += negativeLogLikelihood(logits, position: position, label: row.labels[position + 1])
                count += 1
            }
        }
        return sum / Number(Double(count))
    }

    /// `log Σ exp(logits[t]) − logits[t][label]`, shifted by the largest logit.
    func negativeLogLikelihood(_ logits: [Number], position: Int, label: Int32) -> Number {
        let vocabulary = configuration.vocabularySize
        let row = logits[position * vocabulary..<(position + 1) * vocabulary]
        let largest = Number(row.map(\.value).max() ?? 0)
        var sum = Number(0)
        for logit in row { sum += Number.exponential(logit - largest) }
        return Number.logarithm(sum) + largest - row[row.startIndex + Int(label)]
    }

    // MARK: Decoder

    /// Logits `[T, V]` of one row.
    func logits(_ ids: [Int32]) -> [Number] {
        // A head that is tied may be stored under either name.
        let embeddingName = "model.embed_tokens.weight", headName = "lm_head.weight"
        let tied = configuration.tiedHead
        let embedding = tensor(tied && weights[embeddingName] == nil ? headName : embeddingName)
        let width = configuration.width
        var hidden: [[Number]] = ids.map { id in
            (0..<width).map { Number(Double(embedding.values[Int(id) * width + $0])) }
        }
        for layer in 0..<configuration.layerCount {
            let prefix = "model.layers.\(layer)."
            let attended = attention(
                normalized(hidden, "\(prefix)input_layernorm"), module: "\(prefix)self_attn")
            hidden = sum(hidden, attended)
            let fed = feedForward(
                normalized(hidden, "\(prefix)post_attention_layernorm"), module: "\(prefix)mlp")
            hidden = sum(hidden, fed)
        }
        hidden = normalized(hidden, "model.norm")
        let head = tied ? embedding : tensor(headName)
        return hidden.flatMap { product(head, $0) }
    }

    /// `w · x / √(mean(x²) + ε)`, row by row.
    private func normalized(_ x: [[Number]], _ module: String) -> [[Number]] {
        let weight = tensor("\(module).weight").values
        return x.map { row in
            var squares = Number(0)
            for element in row { squares += element * element }
            let mean = squares / Number(Double(row.count))
            let root = Number.squareRoot(mean + Number(configuration.normEpsilon))
            return row.indices.map { Number(Double(weight[$0])) * (row[$0] / root) }
        }
    }

    /// Causal attention; query head h reads key/value head `h / (H / K)`.
    private func attention(_ x: [[Number]], module: String) -> [[Number]] {
        let headWidth = configuration.headWidth, heads = configuration.queryHeadCount
        let group = heads / configuration.keyValueHeadCount
        let q = rotated(linear(x, "\(module).q_proj"))
        let k = rotated(linear(x, "\(module).k_proj"))
        let v = linear(x, "\(module).v_proj")
        let scale = Number(1 / Double(headWidth).squareRoot())
        let output: [[Number]] = x.indices.map { position in
            var row: [Number] = []
            for head in 0..<heads {
                let queryStart = head * headWidth, keyStart = head / group * headWidth
                let scores: [Number] = (0...position).map { earlier in
                    var score = Number(0)
                    for channel in 0..<headWidth {
                        score += q[position][queryStart + channel] * k[earlier][keyStart + channel]
                    }
                    return score * scale
                }
                let largest = Number(scores.map(\.value).max() ?? 0)
                let powers = scores.map { Number.exponential($0 - largest) }
                var total = Number(0)
                for power in powers { total += power }
                for channel in 0..<headWidth {
                    var mixed = Number(0)
                    for earlier in 0...position { mixed += powers[earlier] * v[earlier][keyStart + channel] }
                    row.append(mixed / total)
                }
            }
            return row
        }
        return linear(output, "\(module).o_proj")
    }

    /// The two halves of each head turned by position times frequency: `x cos + [−x₂, x₁] sin`.
    private func rotated(_ x: [[Number]]) -> [[Number]] {
        let headWidth = configuration.headWidth, half = headWidth / 2
        let frequencies = configuration.reciprocalFrequencies(rowLength: x.count)
        return x.indices.map { position in
            var row = x[position]
            for start in stride(from: 0, to: row.count, by: headWidth) {
                for pair in 0..<half {
                    let angle = Double(position) * frequencies[pair]
                    let cosine = Number(cos(angle)), sine = Number(sin(angle))
                    let first = row[start + pair], second = row[start + half + pair]
                    row[start + pair] = first * cosine - second * sine
                    row[start + half + pair] = second * cosine + first * sine
                }
            }
            return row
        }
    }

    /// `down(silu(gate(x)) · up(x))`.
    private func feedForward(_ x: [[Number]], module: String) -> [[Number]] {
        let gate = linear(x, "\(module).gate_proj"), up = linear(x, "\(module).up_proj")
        let product: [[Number]] = x.indices.map { row in
            gate[row].indices.map { column in
                let value = gate[row][column]
                let activation = value / (Number(1) + Number.exponential(Number(0) - value))
                return activation * up[row][column]
            }
        }
        return linear(product, "\(module).down_proj")
    }

    // MARK: Linears

    /// `W x + b + scaling · B (A x)` for each row, with the parts that exist.
    private func linear(_ x: [[Number]], _ module: String) -> [[Number]] {
        let weight = tensor("\(module).weight"), bias = weights["\(module).bias"]
        let adapter = adapters[module]
        return x.map { row in
            var y = product(weight, row)
            if let bias { for index in y.indices { y[index] += Number(Double(bias.values[index])) } }
            if let adapter {
                let down = adapter.A.map { dot($0, row) }
                let scaling = Number(adapter.scaling)
                for index in y.indices { y[index] += scaling * dot(adapter.B[index], down) }
            }
            return y
        }
    }

    /// `W x`, W `[out, in]`.
    private func product(_ weight: ReferenceTensor, _ x: [Number]) -> [Number] {
        let columns = weight.shape[1]
        guard columns == x.count else { fatalError("A reference linear takes \(columns) numbers, not \(x.count).") }
        return (0..<weight.shape[0]).map { row in
            var sum = Number(0)
            for column in 0..<columns {
                sum += Number(Double(weight.values[row * columns + column])) * x[column]
            }
            return sum
        }
    }

    private func dot(_ left: [Number], _ right: [Number]) -> Number {
        var sum = Number(0)
        for index in left.indices { sum += left[index] * right[index] }
        return sum
    }

    private func sum(_ left: [[Number]], _ right: [[Number]]) -> [[Number]] {
        left.indices.map { row in left[row].indices.map { left[row][$0] + right[row][$0] } }
    }

    private func tensor(_ name: String) -> ReferenceTensor {
        guard let tensor = weights[name] else { fatalError("The reference model has no tensor \(name).") }
        return tensor
    }
}
