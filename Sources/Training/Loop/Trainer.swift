internal import AdapterStore
package import Adapters
package import Datasets
package import DecoderModels
package import Kernels
internal import ModelFiles
internal import Optimizers
package import System
internal import Tensors

/// The loop: micro-batches to gradients, gradients to a step, steps to an adapter.
///
/// Losses, gradients and the final adapter do not depend on threads, on how a step's rows are cut into micro-batches or
/// on recomputation: everything that is summed over rows is summed row after row in data order.
package final class Trainer {
    package let model: DecoderModel
    package let adapters: AdapterSet
    package let settings: TrainingSettings
    package let plan: StepPlan
    /// Tokens of the largest micro-batch.
    package let capacity: Int
    /// What the passes hold in memory.
    package let memory: TrainingMemory
    /// Where the run stands. nil while a step has changed the parameters and is not yet reported: such a state must not
    /// be saved, because the records lack the step.
    package internal(set) var position: TrainingPosition? = .start

    private let rows: [TrainingRow]
    private let evaluationRows: [TrainingRow]
    private let order: DataOrder
    private let schedule: any LearningRateSchedule
    private let optimizer: any Optimizer
    private let context: ComputeContext
    private let gradients: AlignedMemory
    /// The optimizer's arrays, one behind the other.
    private let optimizerState: AlignedMemory
    private let pass: TrainingPass
    /// nil where routers have no auxiliary loss.
    private let balance: RouterBalance?
    private let interruption: () throws(Failure) -> Void
    /// The order of the epoch that was asked for last.
    private var epochOrder: (epoch: Int, indices: [Int])?

    /// Takes the memory of the whole run.
    ///
    /// - Parameters:
    ///   - adapters: initialised; they are attached to the model and trained in place.
    ///   - rows: the training rows, none longer than `settings.maximumLength`.
    ///   - evaluationRows: held-out rows, or none.
    ///   - interruption: called often; throws where the run must stop (a signal, a base that changed).
    package init(
        model: DecoderModel, adapters: AdapterSet, rows: [TrainingRow], evaluationRows: [TrainingRow],
        settings: TrainingSettings, order: DataOrder, recompute: TrainingPass.Recompute, context: ComputeContext,
        interruption: @escaping () throws(Failure) -> Void
    ) throws(Failure) {
        guard !rows.isEmpty else { throw Failure(.badData, "there are no rows to train on") }
        self.model = model
        self.adapters = adapters
        self.rows = rows
        self.evaluationRows = evaluationRows
        self.settings = settings
        self.order = order
        self.context = context
        self.interruption = interruption
        schedule = try Schedules.named(settings.schedule)
        let kind = try Optimizers.named(settings.optimizer)
        try settings.optimizerSettings.validate()
        optimizer = kind.init(settings.optimizerSettings)
        optimizerState = AlignedMemory(
            byteCount: kind.stateCountPerParameter * adapters.parameterCount * MemoryLayout<Float>.stride)
        plan = StepPlan(rowCount: rows.count, settings: settings)
        let lengths = rows.map(\.ids.count)
        capacity = MicroBatches.capacity(lengths: lengths, settings: settings)
        gradients = AlignedMemory(byteCount: adapters.parameterCount * MemoryLayout<Float>.stride)
        model.attach(adapters, gradients: gradients.floats)
        balance =
            settings.routerLossCoefficient > 0
            ? RouterBalance(model.configuration, coefficient: settings.routerLossCoefficient) : nil
        pass = TrainingPass(
            model, capacity: capacity, largestSequence: lengths.max() ?? 1, recompute: recompute, context: context)
        memory = TrainingMemory(
            passByteCount: pass.plan.byteCount, parameterCount: adapters.parameterCount,
            optimizerByteCount: optimizerState.byteCount)
    }

    /// Runs the steps that are left and reports each, with evaluations between and at the end.
    ///
    /// - Parameters:
    ///   - observer: called with each event.
    ///   - boundary: called after each step, before an evaluation; the state may be saved here.
    /// - Throws: what `interruption`, `observer` and `boundary` throw, and `badData` where the loss or a gradient is no
    ///   longer finite; the state is then that of `position`, the last whole step.
    package func run(
        _ observer: (TrainingEvent) throws(Failure) -> Void,
        boundary: (TrainingPosition) throws(Failure) -> Void = { _ in }
    ) throws(Failure) {
        guard var position else { fatalError("a run cannot go on from inside a step") }
        while position.steps < plan.totalSteps || !position.isEvaluated {
            if position.isEvaluated {
                let record = try step(position.steps)
                try observer(.step(record))
                position = TrainingPosition(steps: record.step, isEvaluated: !isEvaluationDue(afterSteps: record.step))
                self.position = position
                try boundary(position)
            } else {
                try observer(.evaluation(try evaluate(afterSteps: position.steps)))
                position.isEvaluated = true
                self.position = position
            }
        }
    }

    /// Whether held-out rows are scored after a number of steps.
    private func isEvaluationDue(afterSteps steps: Int) -> Bool {
        guard !evaluationRows.isEmpty else { return false }
        return steps == plan.totalSteps
            || settings.evaluateEvery > 0 && steps.isMultiple(of: settings.evaluateEvery)
    }

    /// Parameters, then each array of the optimizer's state, by the role that a checkpoint gives them.
    var stateArrays: [(role: StreamRole, start: UnsafeMutablePointer<Float>)] {
        guard let parameters = adapters.parameters.baseAddress else { fatalError("the adapter has no parameters") }
        let names = type(of: optimizer).stateNames
        return [(.parameters, parameters)]
            + names.indices.map { (StreamRole.state(names[$0]), optimizerState.floats + $0 * adapters.parameterCount) }
    }

    /// One optimizer step, counted from 0.
    private func step(_ step: Int) throws(Failure) -> StepRecord {
        let start = MonotonicClock.seconds
        let stepRows = rowsOfStep(step)
        let supervised = stepRows.reduce(0) { $0 + $1.supervisedTokenCount }
        context.clear(gradients.floats, count: adapters.parameterCount)
        let scale = 1 / Float(supervised)
        let dropout = adapters.dropout > 0 ? DropoutStream(seed: settings.seed, step: step) : nil
        var loss = 0.0
        let cuts = MicroBatches.cut(
            lengths: stepRows.map(\.ids.count), rows: settings.batchSize, tokens: settings.packing ? capacity : nil)
        func batch(_ range: Range<Int>) -> TokenBatch {
            TokenBatch(
                range.map {
                    SequenceInput(ids: stepRows[$0].ids, labels: stepRows[$0].labels, rowIdentifier: Int32($0))
                })
        }
        balance?.reset()
        if let balance, cuts.count > 1 {
            // What one token adds to the routers' loss depends on where all others of the step go.
            for range in cuts {
                try interruption()
                pass.count(batch(range), dropout: dropout, into: balance)
            }
            balance.complete()
        }
        for range in cuts {
            try interruption()
            for sequence in pass.run(batch(range), gradientScale: scale, dropout: dropout, balance: balance) {
                loss += sequence.loss
            }
        }
        try interruption()
        loss /= Double(supervised)
        let norm = context.sumOfSquares(gradients.floats, count: adapters.parameterCount).squareRoot()
        guard loss.isFinite, norm.isFinite else {
            throw Failure(
                .badData,
                "the \(loss.isFinite ? "gradient" : "loss") of step \(step + 1) is no longer a finite number; "
                    + "the adapter of step \(step) is kept",
                remedy: "Lower --learning-rate, or set --max-grad-norm")
        }
        let rate =
            settings.learningRate
            * schedule.factor(
                step: step, warmUpSteps: settings.warmUp.steps(of: plan.totalSteps), totalSteps: plan.totalSteps)
        let coefficient = GradientClipping.coefficient(norm: Float(norm), limit: settings.maximumGradientNorm)
        position = nil
        let arrays = stateArrays
        optimizer.update(
            arrays[0].start, gradients: gradients.floats, states: arrays.dropFirst().map(\.start),
            count: adapters.parameterCount,
            step: OptimizerStep(number: step + 1, learningRate: rate, gradientScale: coefficient), context: context)
        let tokens = stepRows.reduce(0) { $0 + $1.ids.count }
        var record = StepRecord(
            step: step + 1, epoch: plan.epochsDone(afterStep: step), loss: loss, gradientNorm: norm, learningRate: rate,
            tokens: tokens, supervisedTokens: supervised,
            tokensPerSecond: Double(tokens) / max(MonotonicClock.seconds - start, 1e-9),
            residentByteCount: MemoryProbe.usage().resident)
        record.routerLoss = balance?.loss
        return record
    }

    /// The mean loss of the held-out rows.
    package func evaluate(afterSteps step: Int) throws(Failure) -> EvaluationRecord {
        let scorer = RowScorer(model, rows: evaluationRows, limit: settings.maximumLength, context: context)
        var summary = EvaluationSummary()
        try scorer.run(interruption: interruption) { (row, losses) throws(Failure) in
            summary.add(losses, textByteCount: evaluationRows[row].textByteCount)
        }
        return EvaluationRecord(
            step: step, loss: summary.loss, perplexity: summary.perplexity, tokens: summary.tokenCount)
    }

    private func rowsOfStep(_ step: Int) -> [TrainingRow] {
        let epoch = plan.epoch(ofStep: step)
        if epochOrder?.epoch != epoch {
            epochOrder = (epoch, order.indices(rowCount: rows.count, epoch: epoch, seed: settings.seed))
        }
        guard let indices = epochOrder?.indices else { fatalError("an epoch has no order") }
        return plan.positions(ofStep: step).map { rows[indices[$0]] }
    }
}

/// Bytes that a run takes besides the mapped base.
package struct TrainingMemory: Sendable {
    /// Activations and scratch.
    package let passByteCount: Int
    /// Parameters and gradients.
    package let adapterByteCount: Int
    /// Moments.
    package let optimizerByteCount: Int

    package init(passByteCount: Int, parameterCount: Int, optimizerByteCount: Int) {
        self.passByteCount = passByteCount
        adapterByteCount = 2 * parameterCount * MemoryLayout<Float>.stride
        self.optimizerByteCount = optimizerByteCount
    }

    package var byteCount: Int { passByteCount + adapterByteCount + optimizerByteCount }
}
