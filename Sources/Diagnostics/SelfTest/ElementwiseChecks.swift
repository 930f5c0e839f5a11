internal import Glibc
internal import Kernels
internal import Tensors

extension SelfTest {
    /// A length that fills no vector, and several.
    static let columns = 203
    static let rows = 4

    /// RMSNorm, LayerNorm and their gradients.
    mutating func checkNorms() {
        let epsilon = 1e-5
        let x = SampleMatrix.random(Self.rows, Self.columns, seed: 4, range: 3)
        let dY = SampleMatrix.random(Self.rows, Self.columns, seed: 5)
        let weight = SampleMatrix.random(1, Self.columns, seed: 6)
        let (inputs, upstream, weights) = (doubles(x), doubles(dY), doubles(weight)[0])
        let y = x.copy
        let reciprocals = SampleBuffer<Float>(repeating: 0, count: Self.rows)
        context.run(
            context.rmsNorm(
                x.matrix, weight: weight.matrix.base, epsilon: Float(epsilon), into: y.matrix,
                reciprocals: reciprocals.base))
        let exact = inputs.map { ElementwiseReference.rmsNorm($0, weight: weights, epsilon: epsilon) }
        record("RMSNorm", y.error { exact[$0][$1] }, within: Tolerance.norm)
        let dX = x.copy
        context.run(
            context.rmsNormBackward(
                dY.matrix, x: x.matrix, weight: weight.matrix.base, reciprocals: reciprocals.base, into: dX.matrix,
                adding: false))
        let gradients = zip(upstream, inputs).map {
            ElementwiseReference.rmsNormGradient($0, x: $1, weight: weights, epsilon: epsilon)
        }
        record("gradient of RMSNorm", dX.error { gradients[$0][$1] }, within: Tolerance.normGradient)
        checkLayerNorm(x, dY, weight)
        let squares = inputs.joined().reduce(0) { $0 + $1 * $1 }
        let flat = SampleBuffer(inputs.joined().map { Float($0) })
        record(
            "sum of squares", abs(context.sumOfSquares(flat.base, count: flat.count) / squares - 1),
            within: Tolerance.elementwise)
    }

    private mutating func checkLayerNorm(_ x: SampleMatrix, _ dY: SampleMatrix, _ weight: SampleMatrix) {
        let epsilon = 1e-5
        let bias = SampleMatrix.random(1, Self.columns, seed: 18)
        let (inputs, upstream, weights, biases) = (doubles(x), doubles(dY), doubles(weight)[0], doubles(bias)[0])
        let y = x.copy
        let reciprocals = SampleBuffer<Float>(repeating: 0, count: Self.rows)
        context.run(
            context.layerNorm(
                x.matrix, weight: weight.matrix.base, bias: bias.matrix.base, epsilon: Float(epsilon), into: y.matrix,
                reciprocals: reciprocals.base))
        let exact = inputs.map {
            ElementwiseReference.layerNorm($0, weight: weights, bias: biases, epsilon: epsilon)
        }
        record("LayerNorm", y.error { exact[$0][$1] }, within: Tolerance.norm)
        let dX = x.copy
        context.run(
            context.layerNormBackward(
                dY.matrix, x: x.matrix, weight: weight.matrix.base, reciprocals: reciprocals.base, into: dX.matrix,
                adding: false))
        let gradients = zip(upstream, inputs).map {
            ElementwiseReference.layerNormGradient($0, x: $1, weight: weights, epsilon: epsilon)
        }
        record("gradient of LayerNorm", dX.error { gradients[$0][$1] }, within: Tolerance.normGradient)
    }

    /// The rotation of positions.
    mutating func checkRotation() {
        let (heads, width) = (3, 22)
        let half = width / 2
        let x = SampleMatrix.random(Self.rows, heads * width, seed: 10)
        let positions = SampleBuffer((0..<Self.rows).map { Int32($0) })
        // Turns by a fixed pair of a Pythagorean triple in every place but the first.
        let cosines = SampleBuffer((0..<Self.rows * half).map { Float($0 < half ? 1 : 0.6) })
        let sines = SampleBuffer((0..<Self.rows * half).map { Float($0 < half ? 0 : 0.8) })
        for (name, pairing) in [
            ("rotation of positions", RotaryPairing.halves), ("rotation of neighbours", .neighbours),
        ] {
            let turned = x.copy
            context.run(
                context.rotate(
                    turned.matrix, heads: heads, headWidth: width, pairing: pairing, positions: positions.base,
                    cosines: cosines.base, sines: sines.base, inverse: false))
            let distance = pairing == .halves ? half : 1
            let error = turned.error { row, column in
                let channel = column % width
                let isFirst = pairing == .halves ? channel < half : channel.isMultiple(of: 2)
                let angle = row * half + (pairing == .halves ? channel % half : channel / 2)
                let (cosine, sine) = (Double(cosines.base[angle]), Double(sines.base[angle]))
                return isFirst
                    ? x[row, column] * cosine - x[row, column + distance] * sine
                    : x[row, column] * cosine + x[row, column - distance] * sine
            }
            record(name, error, within: Tolerance.elementwise)
        }
    }

    /// Cross entropy and its gradient.
    mutating func checkLosses() {
        let logits = SampleMatrix.random(Self.rows, Self.columns, seed: 11, range: 12)
        let labels = SampleBuffer((0..<Self.rows).map { Int32($0 * 61 + 3) })
        let exact = doubles(logits)
        let sums = exact.map(ElementwiseReference.logSumExp)
        let losses = SampleBuffer<Float>(repeating: 0, count: Self.rows)
        let gradients = logits.copy
        context.crossEntropy(logits: gradients.matrix, labels: labels.base, losses: losses.base, gradientScale: 0.5)
        let error = (0..<Self.rows).map { row in
            let expected = sums[row] - exact[row][Int(labels.base[row])]
            return abs(Double(losses.base[row]) - expected) / max(1, expected)
        }
        record("cross entropy", error.contains(where: \.isNaN) ? .nan : error.max() ?? 0, within: Tolerance.norm)
        let gradientError = gradients.error { row, column in
            let probability = ElementwiseReference.probability(exact[row][column], logSumExp: sums[row])
            return 0.5 * (probability - (column == Int(labels.base[row]) ? 1 : 0))
        }
        record("gradient of cross entropy", gradientError, within: Tolerance.normGradient)
        checkCappedLosses(logits, labels)
    }

    /// Logits bounded by cap * tanh(x / cap), and the gradient by what was bounded.
    private mutating func checkCappedLosses(_ raw: SampleMatrix, _ labels: SampleBuffer<Int32>) {
        let cap = 5.0
        func share(_ row: Int, _ column: Int) -> Double { tanh(raw[row, column] / cap) }
        let sums = (0..<Self.rows).map { row in
            ElementwiseReference.logSumExp((0..<Self.columns).map { cap * share(row, $0) })
        }
        let logits = raw.copy
        context.softCap(logits.matrix, at: Float(cap))
        record("cap of logits", logits.error { cap * share($0, $1) }, within: Tolerance.norm)
        let losses = SampleBuffer<Float>(repeating: 0, count: Self.rows)
        context.crossEntropy(
            logits: logits.matrix, labels: labels.base, losses: losses.base, gradientScale: 0.5, softCap: Float(cap))
        let error = logits.error { row, column in
            let probability = ElementwiseReference.probability(cap * share(row, column), logSumExp: sums[row])
            let own = probability - (column == Int(labels.base[row]) ? 1 : 0)
            return 0.5 * own * (1 - share(row, column) * share(row, column))
        }
        record("gradient of cross entropy, capped", error, within: Tolerance.normGradient)
    }

    /// A step of AdamW from moments that are not zero.
    mutating func checkOptimizer() {
        let (p, g) = (SampleMatrix.random(1, Self.columns, seed: 12), SampleMatrix.random(1, Self.columns, seed: 13))
        let m = SampleMatrix.random(1, Self.columns, seed: 14)
        let root = SampleMatrix.random(1, Self.columns, seed: 15)
        let v = SampleMatrix(rows: 1, columns: Self.columns) { Float(root[$0, $1] * root[$0, $1]) }
        let step = AdamWStep(learningRate: 0.01, weightDecay: 0.1, step: 2, gradientScale: 0.5)
        let (parameters, first, second) = (p.copy, m.copy, v.copy)
        context.adamW(
            parameters: parameters.matrix.base, gradients: g.matrix.base, firstMoments: first.matrix.base,
            secondMoments: second.matrix.base, count: Self.columns, step: step)
        func moments(_ column: Int) -> (first: Double, second: Double) {
            let gradient = g[0, column] * Double(step.gradientScale)
            return (
                step.beta1 * m[0, column] + (1 - step.beta1) * gradient,
                step.beta2 * v[0, column] + (1 - step.beta2) * gradient * gradient
            )
        }
        record("first moments of AdamW", first.error { moments($1).first }, within: Tolerance.norm)
        record("second moments of AdamW", second.error { moments($1).second }, within: Tolerance.norm)
        let corrections = (1 - step.beta1 * step.beta1, 1 - step.beta2 * step.beta2)
        let error = parameters.error { _, column in
            let (first, second) = moments(column)
            let denominator = (second / corrections.1).squareRoot() + step.epsilon
            return p[0, column] * (1 - step.learningRate * step.weightDecay)
                - step.learningRate / corrections.0 * first / denominator
        }
        record("parameters of AdamW", error, within: Tolerance.norm)
    }
}
