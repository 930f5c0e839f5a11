import Adapters
import DecoderModels
import Kernels
import ModelFiles
import System
import Tensors
import TestSupport
import Testing

/// A fixture model in our own code: loaded, with its adapter, ready for passes.
final class ModelBench {
    let fixture: GoldenModel
    let model: DecoderModel
    let context: ComputeContext
    let sequences: [SequenceInput]
    private(set) var adapters = AdapterSet(sites: [])
    private var gradients = AlignedMemory(byteCount: 0)

    init(_ name: String, set: InstructionSet, threads: Int = 2, computeType: ComputeType = .float32) throws {
        fixture = try GoldenModel(name)
        model = try DecoderModel.load(try ModelDirectory("\(Fixtures.modelsDirectory)/\(name)"))
        context = ComputeContext(
            kernels: KernelTable(set), pool: WorkerPool(threadCount: threads), computeType: computeType)
        sequences = fixture.rows.enumerated().map {
            SequenceInput(ids: $1.ids, labels: $1.labels, rowIdentifier: Int32($0))
        }
    }

    /// Attaches PEFT's adapter of the fixture, read by our own reader.
    func attachAdapter(_ name: String = "adapter", gradients wanted: Bool, dropout: Float = 0) throws {
        let loaded = try AdapterDirectory.read(
            "\(fixture.directory)/\(name)", sites: model.sites, outputHead: model.head.site.path
        ).parameters
        adapters = AdapterSet(
            sites: loaded.entries.map { ($0.site, $0.rank, $0.scaling) }, dropout: dropout)
        guard let source = loaded.parameters.baseAddress else { return }
        adapters.parameters.baseAddress?.update(from: source, count: loaded.parameterCount)
        gradients = AlignedMemory(byteCount: wanted ? adapters.parameterCount * 4 : 0)
        model.attach(adapters, gradients: wanted ? gradients.floats : nil)
    }

    /// One optimizer step's gradients over micro-batches; returns the mean loss.
    func runStep(
        _ batches: [[SequenceInput]], recompute: TrainingPass.Recompute, dropout: DropoutStream? = nil,
        balance: RouterBalance? = nil
    ) -> Double {
        gradients.floats.update(repeating: 0, count: adapters.parameterCount)
        let all = batches.flatMap { $0 }
        let supervised = all.reduce(0) { $0 + $1.supervisedCount }
        let pass = TrainingPass(
            model, capacity: all.reduce(0) { $0 + $1.ids.count }, largestSequence: all.map(\.ids.count).max() ?? 1,
            recompute: recompute, context: context)
        var loss = 0.0
        if let balance, batches.count > 1 {
            for batch in batches { pass.count(TokenBatch(batch), dropout: dropout, into: balance) }
            balance.complete()
        }
        for batch in batches {
            for sequence in pass.run(
                TokenBatch(batch), gradientScale: 1 / Float(supervised), dropout: dropout, balance: balance)
            {
                loss += sequence.loss
            }
        }
        return loss / Double(supervised)
    }

    /// All gradients, as laid out in the parameters.
    var allGradients: [Float] {
        Array(UnsafeBufferPointer(start: gradients.floats, count: adapters.parameterCount))
    }

    /// The gradient of A or B of an entry, row-major.
    func gradient(_ entry: Int, _ part: ReferenceAdapter.Part) -> [Float] {
        let matrix =
            part == .A
            ? adapters.matrixA(entry, in: gradients.floats) : adapters.matrixB(entry, in: gradients.floats)
        return Array(UnsafeBufferPointer(start: matrix.base, count: matrix.count))
    }

    /// The gradients of an entry under the names and in the order of elements that PEFT gives them: experts of a stack as
    /// parameters of PEFT's module have them.
    func storedGradients(_ entry: Int) -> [(name: String, values: [Float])] {
        let site = adapters.entries[entry].site, rank = adapters.entries[entry].rank
        guard let module = site.stackModule else {
            return ReferenceAdapter.Part.allCases.map { ("\(site.path).\($0.rawValue)", gradient(entry, $0)) }
        }
        // The last parameter of a module is PEFT's outer one.
        let isInner = adapters.entries.contains {
            $0.site.stackModule == module && site.path.hasSuffix("gate_up_proj") && $0.site.path != site.path
        }
        let path = module + (isInner ? ".base_layer" : ""), b = gradient(entry, .B), columns = rank * site.copies
        let mixed = (0..<b.count).map { index in
            let output = index / columns, component = index % columns / site.copies, copy = index % site.copies
            return b[(copy * site.outputs + output) * rank + component]
        }
        return [("\(path).A", gradient(entry, .A)), ("\(path).B", mixed)]
    }

    /// Compares the gradients of all entries with those of PEFT under a prefix, and returns how many matrices that were.
    func expectGradients(_ prefix: String, tolerance: Double) throws -> Int {
        var count = 0
        for index in adapters.entries.indices {
            for (name, found) in storedGradients(index) {
                let expected = try #require(fixture.expected["\(prefix).\(name)"], "\(name)")
                #expect(expected.values.count == found.count)
                let difference = Self.relativeDifference(found, expected.values)
                #expect(difference < tolerance, "\(fixture.name) \(prefix).\(name): \(difference)")
                count += 1
            }
        }
        return count
    }

    /// Relative Frobenius norm of a difference.
    static func relativeDifference(_ found: [Float], _ expected: [Float]) -> Double {
        func square(_ value: Double) -> Double { value * value }
        let difference = zip(found, expected).reduce(0.0) { $0 + square(Double($1.0) - Double($1.1)) }
        let size = expected.reduce(0.0) { $0 + square(Double($1)) }
        return (difference / max(size, 1e-60)).squareRoot()
    }

    /// Compares the logits of every row with those of transformers, relative to the largest of them.
    func expectLogits(prefix: String, tolerance: Double) throws {
        let pass = ScoringPass(model, capacity: 64, context: context)
        for (index, sequence) in sequences.enumerated() {
            let expected = try #require(fixture.expected["\(prefix)row.\(index).logits"])
            var everywhere = sequence
            everywhere.targets = sequence.targets.map { max($0, 0) }
            var found: [Float] = []
            _ = pass.run(TokenBatch([everywhere])) { logits, _ in
                for row in 0..<logits.rows {
                    found += UnsafeBufferPointer(start: logits.row(row), count: logits.columns)
                }
            }
            #expect(found.count == expected.values.count)
            let largest = expected.values.reduce(0) { max($0, $1.magnitude) }
            let difference = zip(found, expected.values).reduce(Float(0)) { max($0, ($1.0 - $1.1).magnitude) }
            #expect(Double(difference) <= tolerance * Double(largest), "\(fixture.name) \(prefix)row \(index)")
        }
    }
}
