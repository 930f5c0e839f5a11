import Diagnostics
import Kernels
import Tensors
import Testing

/// What products take along gives the bits of the same done one after the other.
@Suite("Companions of products")
struct ProductCompanionsTests {
    /// With one thread these rows are packed by whole tiles of every instruction set, with two and with three by parts of
    /// AVX-512's; the last part is short.
    private let rows = 130
    private let inner = 420, outputs = 70, rank = 5

    private struct Data {
        let gate, up, other, weights, factor, unturned, right: SampleMatrix

        init(rows: Int, columns: Int, rank: Int, outputs: Int) {
            var numbers = SampleNumbers(seed: 77)
            func matrix(_ rows: Int, _ columns: Int, gap: Int = 3) -> SampleMatrix {
                SampleMatrix(rows: rows, columns: columns, gap: gap) { _, _ in numbers.float() }
            }
            gate = matrix(rows, columns)
            up = matrix(rows, columns)
            other = matrix(rows, columns)
            weights = matrix(1, columns)
            factor = matrix(columns, rank, gap: 16 - rank)
            unturned = matrix(rank, columns)
            right = matrix(outputs, rank, gap: 0)
        }
    }

    private func contexts(threads: Int) -> [ComputeContext] {
        InstructionSet.supported.flatMap { set in
            ComputeType.allCases.filter { $0 == .float32 || set.hasBFloat16Products }.map { type in
                ComputeContext(
                    kernels: KernelTable(set), pool: WorkerPool(threadCount: threads), computeType: type)
            }
        }
    }

    /// The pass that fills an input, in two steps, the second in place; and one that fills another matrix.
    private func passes(_ context: ComputeContext, _ data: Data, _ x: SampleMatrix, _ z: SampleMatrix) -> (
        filling: [RowPass], beside: RowPass
    ) {
        let weight = UnsafePointer(data.weights.matrix.base)
        let activated = context.activate(
            .silu, gate: .float32(data.gate.matrix), up: .float32(data.up.matrix), into: x.matrix)
        let normed = context.rmsNorm(x.matrix, weight: weight, epsilon: 1e-6, into: x.matrix, reciprocals: nil)
        let beside = context.rmsNorm(
            data.other.matrix, weight: weight, epsilon: 1e-5, into: z.matrix, reciprocals: nil)
        return ([activated, normed], beside)
    }

    @Test("forward", arguments: [1, 2, 3])
    func forward(threads: Int) {
        let data = Data(rows: rows, columns: inner, rank: rank, outputs: outputs)
        let weight = SampleWeight(.table4Nested64, rows: outputs, columns: inner, seed: 5)
        for context in contexts(threads: threads) {
            let scratch = ProductScratch(context, rows: rows, dimension: inner)
            func run(
                _ body: (SampleMatrix, SampleMatrix, ForwardProduct, Transposition, ThinProduct) -> Void
            ) -> [[UInt32]] {
                let x = SampleMatrix(rows: rows, columns: inner), z = SampleMatrix(rows: rows, columns: inner)
                let left = SampleMatrix(rows: rows, columns: rank), y = SampleMatrix(rows: rows, columns: outputs)
                let product = ForwardProduct(
                    weight.matrix, into: .float32(y.matrix),
                    lowRank: LowRankTerm(left: left.matrix, right: data.right.matrix))
                let factor = SampleMatrix(rows: inner, columns: rank, gap: 16 - rank)
                body(
                    x, z, product, Transposition(data.unturned.matrix, into: factor.matrix),
                    ThinProduct(x.matrix, by: factor.matrix, scale: 2, into: left.matrix))
                return [x, z, left, y].map(\.bits)
            }
            let together = run { x, z, product, factor, thin in
                let (filling, beside) = passes(context, data, x, z)
                var companions = ProductCompanions(filling: filling, beside: [beside], thin: [thin])
                companions.factors = [factor]
                context.forward(x.matrix, [product], with: companions, scratch: scratch.buffer)
            }
            let apart = run { x, z, product, factor, thin in
                let (filling, beside) = passes(context, data, x, z)
                for pass in filling + [beside] { context.run(pass) }
                context.transpose(factor)
                context.multiply([thin])
                context.forward(x.matrix, [product], scratch: scratch.buffer)
            }
            let isEqual = together == apart
            #expect(isEqual, "\(context.kernels.instructionSet) \(context.computeType)")

            func normed(_ x: SampleMatrix) -> RowPass {
                context.rmsNorm(
                    data.gate.matrix, weight: UnsafePointer(data.weights.matrix.base), epsilon: 1e-6, into: x.matrix,
                    reciprocals: nil)
            }
            let passing = run { x, _, product, factor, thin in
                var companions = ProductCompanions(filling: [normed(x)], keepsInputs: false, thin: [thin])
                companions.factors = [factor]
                context.forward(x.matrix, [product], with: companions, scratch: scratch.buffer)
            }
            let kept = run { x, _, product, factor, thin in
                context.run(normed(x))
                context.transpose(factor)
                context.multiply([thin])
                context.forward(x.matrix, [product], scratch: scratch.buffer)
            }
            let isSame = passing[2...] == kept[2...]
            #expect(isSame, "\(context.kernels.instructionSet) \(context.computeType), inputs that are not kept")
        }
    }

    @Test("input gradient", arguments: [1, 2, 3])
    func inputGradient(threads: Int) {
        let data = Data(rows: rows, columns: inner, rank: rank, outputs: outputs)
        let weight = SampleWeight(.table4Nested64, rows: inner, columns: outputs, seed: 6)
        for context in contexts(threads: threads) {
            let scratch = ProductScratch(context, rows: rows, dimension: inner)
            func run(_ body: (SampleMatrix, SampleMatrix, FloatMatrix, ThinProduct, OuterProduct) -> Void) -> [[UInt32]]
            {
                let dY = SampleMatrix(rows: rows, columns: inner), z = SampleMatrix(rows: rows, columns: inner)
                let left = SampleMatrix(rows: rows, columns: rank), dX = SampleMatrix(rows: rows, columns: outputs)
                let gradient = SampleMatrix(rows: rank, columns: inner) { Float($0 - $1) }
                body(
                    dY, z, dX.matrix, ThinProduct(dY.matrix, by: data.factor.matrix, scale: 2, into: left.matrix),
                    OuterProduct(left.matrix, z.matrix, into: gradient.matrix))
                return [dY, z, left, dX, gradient].map(\.bits)
            }
            let together = run { dY, z, dX, thin, outer in
                let (filling, beside) = passes(context, data, dY, z)
                context.inputGradient(
                    [GradientProduct(dY.matrix, weight.matrix)],
                    with: ProductCompanions(filling: filling, beside: [beside], thin: [thin], outer: [outer]), into: dX,
                    adding: false, scratch: scratch.buffer)
            }
            let apart = run { dY, z, dX, thin, outer in
                let (filling, beside) = passes(context, data, dY, z)
                context.run(ProductCompanions(filling: filling, beside: [beside], thin: [thin], outer: [outer]))
                context.inputGradient(
                    [GradientProduct(dY.matrix, weight.matrix)], into: dX, adding: false, scratch: scratch.buffer)
            }
            let isEqual = together == apart
            #expect(isEqual, "\(context.kernels.instructionSet) \(context.computeType)")
        }
    }
}
