internal import Kernels
internal import Tensors

extension SelfTest {
    /// M, N, K: odd everything; whole blocks; several reduction blocks.
    private static let shapes: [(m: Int, n: Int, k: Int)] = [(13, 37, 321), (5, 33, 192), (3, 18, 1091)]

    /// Products with every storage, in one type.
    mutating func checkProducts(_ type: ComputeType) {
        for storage in SampleStorage.allCases {
            var errors = (forward: 0.0, gradient: 0.0, fewRows: 0.0, gathered: 0.0)
            for (index, shape) in Self.shapes.enumerated() {
                let product = SampleProduct(
                    storage, type, m: shape.m, n: shape.n, k: storage.columns(shape.k), seed: UInt64(index) + 1)
                errors.forward = largest(errors.forward, product.forwardError(context))
                errors.gradient = largest(errors.gradient, product.gradientError(context))
                errors.fewRows = largest(errors.fewRows, product.fewRowsError(context))
                if type == .float32 { errors.gathered = largest(errors.gathered, product.gatheredError(context)) }
            }
            record("product, \(storage.title)", errors.forward, within: Tolerance.product, type)
            record("gradient of the product, \(storage.title)", errors.gradient, within: Tolerance.product, type)
            record("product of few rows, \(storage.title)", errors.fewRows, within: Tolerance.product, type)
            if type == .float32 { record("rows, \(storage.title)", errors.gathered, within: Tolerance.elementwise) }
        }
    }

    /// The larger error; NaN and infinity stay.
    private func largest(_ left: Double, _ right: Double) -> Double { left.isNaN || left > right ? left : right }
}

/// A weight of one storage with inputs for all its products.
private struct SampleProduct {
    let weight: SampleWeight
    let reference: ProductReference
    let x: SampleMatrix
    let dY: SampleMatrix
    let bias: [Float]

    init(_ storage: SampleStorage, _ type: ComputeType, m: Int, n: Int, k: Int, seed: UInt64) {
        weight = SampleWeight(storage, rows: n, columns: k, seed: seed)
        reference = ProductReference(weight, computeType: type)
        x = .random(m, k, seed: seed + 10)
        dY = .random(m, n, seed: seed + 20)
        var numbers = SampleNumbers(seed: seed + 30)
        bias = (0..<n).map { _ in numbers.float() }
    }

    private func scratch(_ context: ComputeContext) -> ProductScratch {
        ProductScratch(context, rows: x.matrix.rows, dimension: max(x.matrix.columns, dY.matrix.columns))
    }

    func forwardError(_ context: ComputeContext) -> Double {
        let y = SampleMatrix(rows: dY.matrix.rows, columns: dY.matrix.columns)
        let scratch = scratch(context)
        context.forward(
            x.matrix, weight.matrix, bias: bias, into: y.matrix, adding: false, computeType: reference.computeType,
            scratch: scratch.buffer)
        return y.error(ofSums: {
            reference.forward(x.matrix, row: $0, output: $1, from: Double(bias[$1]))
        })
    }

    func gradientError(_ context: ComputeContext) -> Double {
        let dX = SampleMatrix(rows: x.matrix.rows, columns: x.matrix.columns)
        let scratch = scratch(context)
        context.inputGradient(
            dY.matrix, weight.matrix, into: dX.matrix, adding: false, computeType: reference.computeType,
            scratch: scratch.buffer)
        return dX.error(ofSums: { reference.inputGradient(dY.matrix, row: $0, column: $1, from: 0) })
    }

    func fewRowsError(_ context: ComputeContext) -> Double {
        let rows = 0..<min(3, x.matrix.rows)
        let y = SampleMatrix(rows: rows.count, columns: dY.matrix.columns)
        let scratch = scratch(context)
        context.forwardFewRows(
            x.matrix.rows(rows), weight.matrix, bias: bias, into: y.matrix, adding: false,
            computeType: reference.computeType, scratch: scratch.buffer)
        return y.error(ofSums: {
            reference.forwardFewRows(x.matrix, row: $0, output: $1, from: Double(bias[$1]))
        })
    }

    func gatheredError(_ context: ComputeContext) -> Double {
        let columns = weight.matrix.columns
        let ids = SampleBuffer([weight.matrix.rows - 1, 0, weight.matrix.rows / 2].map { Int32($0) })
        let output = SampleMatrix(rows: ids.count, columns: columns)
        context.gatherRows(weight.matrix, ids: ids.base, count: ids.count, into: output.matrix)
        return output.error { Double(weight.values[Int(ids.base[$0]) * columns + $1]) }
    }
}
