internal import CIntrinsics
internal import Kernels
internal import Tensors

/// Products that share an input or a result, with the low-rank terms of adapters and with what is added on the way.
private struct SampleGroup {
    static let (rows, columns) = (13, 330)
    /// The second weight is stored transposed.
    let outputs = [37, 16]
    let ranks = [5, 16]
    let weights: [SampleWeight]
    let x = SampleMatrix.random(rows, columns, seed: 50)
    let dY: [SampleMatrix]
    let addends: [SampleMatrix]
    let bias: SampleBuffer<Float>
    /// [M, R], [N, R] and [R, K] for each product.
    let left, right, back: [SampleMatrix]
    let type: ComputeType

    init(_ type: ComputeType) {
        self.type = type
        weights = [
            SampleWeight(.table4Nested64, rows: 37, columns: Self.columns, seed: 51),
            SampleWeight(.bfloat16, rows: Self.columns, columns: 16, seed: 52),
        ]
        dY = outputs.map { .random(Self.rows, $0, seed: 53 + UInt64($0)) }
        addends = outputs.map { .random(Self.rows, $0, seed: 54 + UInt64($0)) }
        left = ranks.map { .random(Self.rows, $0, seed: 55 + UInt64($0)) }
        right = zip(outputs, ranks).map { .random($0, $1, seed: 56 + UInt64($0)) }
        back = ranks.map { .random($0, Self.columns, seed: 57 + UInt64($0)) }
        var numbers = SampleNumbers(seed: 58)
        bias = SampleBuffer((0..<37).map { _ in numbers.float() })
    }

    func isTransposed(_ index: Int) -> Bool { index == 1 }

    func rounded(_ value: Double) -> Double {
        type == .bfloat16 ? Double(roundedToBFloat16(Float(value))) : value
    }

    /// W[output, input] of a product.
    private func value(_ index: Int, _ output: Int, _ input: Int) -> Double {
        let place = isTransposed(index) ? input * outputs[index] + output : output * Self.columns + input
        return rounded(Double(weights[index].values[place]))
    }

    /// X · Wᵀ + left · rightᵀ, with the bias of the first product and the addend of the second.
    func forward(_ index: Int, _ row: Int, _ output: Int) -> ReferenceSum {
        var sum = ReferenceSum(index == 0 ? Double(bias.base[output]) : addends[index][row, output])
        for k in 0..<Self.columns { sum.add(rounded(x[row, k]) * value(index, output, k)) }
        for r in 0..<ranks[index] { sum.add(left[index][row, r] * right[index][output, r]) }
        return sum
    }

    /// The sum of dY · W + left · back over the products.
    func gradient(_ row: Int, _ column: Int) -> ReferenceSum {
        var sum = ReferenceSum()
        for index in outputs.indices {
            for n in 0..<outputs[index] { sum.add(rounded(dY[index][row, n]) * value(index, n, column)) }
            for r in 0..<ranks[index] { sum.add(left[index][row, r] * back[index][r, column]) }
        }
        return sum
    }

    func products(into results: [ActivationMatrix]) -> [ForwardProduct] {
        outputs.indices.map { index in
            ForwardProduct(
                weights[index].matrix, isTransposed: isTransposed(index),
                bias: index == 0 ? UnsafePointer(bias.base) : nil, into: results[index],
                addend: index == 1 ? addends[index].matrix : nil,
                lowRank: LowRankTerm(left: left[index].matrix, right: right[index].matrix))
        }
    }
}

extension SelfTest {
    /// Groups of products in one type; under bfloat16 also results that are kept so.
    mutating func checkGroups(_ type: ComputeType) {
        let group = SampleGroup(type)
        let rows = SampleGroup.rows
        let results = group.outputs.map { SampleMatrix(rows: rows, columns: $0) }
        let scratch = ProductScratch(context, rows: rows, dimension: SampleGroup.columns)
        context.forward(
            group.x.matrix, group.products(into: results.map { .float32($0.matrix) }), computeType: type,
            scratch: scratch.buffer)
        let names = ["a bias", "an addend, stored transposed"]
        for (index, result) in results.enumerated() {
            record(
                "product with a low-rank term and \(names[index])",
                result.error(ofSums: { group.forward(index, $0, $1) }), within: Tolerance.product, type)
        }
        let dX = SampleMatrix(rows: rows, columns: SampleGroup.columns)
        let summed = ProductScratch(context, rows: rows, dimension: SampleGroup.columns + 384)
        context.inputGradient(
            group.outputs.indices.map { index in
                GradientProduct(
                    group.dY[index].matrix, group.weights[index].matrix, isTransposed: group.isTransposed(index),
                    lowRank: LowRankTerm(left: group.left[index].matrix, right: group.back[index].matrix))
            }, into: dX.matrix, adding: false, computeType: type, scratch: summed.buffer)
        record(
            "gradient of several products with low-rank terms", dX.error(ofSums: group.gradient),
            within: Tolerance.product, type)
        guard type == .bfloat16 else { return }

        let narrow = group.outputs.map { SampleBuffer<UInt16>(repeating: 0, count: rows * $0) }
        context.forward(
            group.x.matrix,
            group.products(
                into: zip(narrow, group.outputs).map {
                    .bfloat16(BFloat16Matrix(base: $0.base, rows: rows, columns: $1))
                }), computeType: type, scratch: scratch.buffer)
        var wrong = 0
        for (kept, result) in zip(narrow, results) {
            for (word, bits) in zip(kept.elements, result.bits)
            where word != UInt16(roundedToBFloat16(Float(bitPattern: bits)).bitPattern >> 16) {
                wrong += 1
            }
        }
        record("products kept in bfloat16", Double(wrong), within: Tolerance.exact, type)
    }

    /// Products with the factors of adapters, and the sums that are their gradients.
    mutating func checkThinProducts() {
        let (rows, length, rank) = (13, 203, 17)
        let x = SampleMatrix.random(rows, length, seed: 60)
        // Rows of whole vectors.
        let factor = SampleMatrix.random(rank, length, seed: 61)
        let turned = SampleMatrix(rows: length, columns: 32, gap: 0)
        let right = FloatMatrix(base: turned.matrix.base, rows: length, columns: rank, stride: 32)
        context.transpose(Transposition(factor.matrix, into: right))
        record(
            "transposed factor", turned.error { $1 < rank ? factor[$1, $0] : 0 }, within: Tolerance.exact)
        let thin = SampleMatrix(rows: rows, columns: rank)
        context.multiply([ThinProduct(x.matrix, by: right, scale: 0.75, into: thin.matrix)])
        let thinError = thin.error(ofSums: { row, column in
            var sum = ReferenceSum()
            for k in 0..<length { sum.add(0.75 * x[row, k] * factor[column, k]) }
            return sum
        })
        record("thin product", thinError, within: Tolerance.product)
        let left = SampleMatrix.random(rows, rank, seed: 62)
        let start = SampleMatrix.random(rank, length, seed: 63)
        let outer = start.copy
        context.accumulate([OuterProduct(left.matrix, x.matrix, into: outer.matrix)])
        let outerError = outer.error(ofSums: { row, column in
            var sum = ReferenceSum(start[row, column])
            for index in 0..<rows { sum.add(left[index, row] * x[index, column]) }
            return sum
        })
        record("outer product", outerError, within: Tolerance.product)
    }
}
