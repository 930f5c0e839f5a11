internal import AdapterStore
internal import Adapters
internal import Kernels
internal import Optimizers
internal import System
internal import Training

/// A run in its directory: taken up from a checkpoint or begun, saved now and then, and ended with an adapter.
final class TrainingSession {
    private let verb: Train
    private let console: Console
    private let run: RunDirectory
    private let trainer: Trainer
    private let facts: RunFacts
    private let configuration: AdapterConfiguration
    private let cadence: SaveCadence
    private let checkpoints: CheckpointFolder
    private let metrics: MetricsFile
    private let start: Double
    /// Where this process began.
    private let origin: TrainingPosition
    /// Seconds that former processes of the run took.
    private let formerSeconds: Double
    /// The newest position that a checkpoint holds.
    private var saved: TrainingPosition?
    private var savedAt: Double
    private var limits: RunLimits
    private(set) var report: RunReport

    /// A run that is predicted to take longer asks on a terminal whether to go on.
    private static let longRunSeconds = 3600.0
    /// Steps after which the time of a run can be told.
    private static let timedSteps = 2

    /// Opens the records, and takes up the newest checkpoint where the run goes on.
    ///
    /// - Parameter start: when the process began, in seconds of the monotonic clock.
    /// - Throws: `usage` naming what changed since the checkpoint was made, unless that is accepted; `inputOutput` where
    ///   the disk has no room for two checkpoints.
    init(
        _ verb: Train, run: RunDirectory, trainer: Trainer, facts: RunFacts, quote: RunQuote,
        configuration: AdapterConfiguration, cadence: SaveCadence, limits: RunLimits, context: ComputeContext,
        start: Double, console: Console
    ) throws(Failure) {
        self.verb = verb
        self.console = console
        self.run = run
        self.trainer = trainer
        self.facts = facts
        self.configuration = configuration
        self.cadence = cadence
        self.limits = limits
        self.start = start
        checkpoints = CheckpointFolder(
            run.checkpoints, codec: CheckpointCodec(context))
        var position = TrainingPosition.start, seconds = 0.0
        if verb.saving.resume, let header = try Self.takeUp(verb, checkpoints, trainer, facts, console) {
            (position, seconds) = (header.position, header.seconds)
            saved = position
        }
        (origin, formerSeconds) = (position, seconds)
        metrics = try MetricsFile(directory: run.path, position: position)
        report = RunReport(facts: facts, quote: quote, start: start - seconds, total: trainer.plan.totalSteps)
        for event in metrics.kept {
            report.record(event)
            self.limits.record(event)
        }
        let missing = metrics.missingSteps(upTo: position)
        if missing > 0 { console.warn("\(MetricsFile.name) lacks the lines of \(missing) steps before the checkpoint") }
        savedAt = MonotonicClock.seconds
        try checkpoints.requireRoomForRun(trainer.stateStreams, header: header(position).json)
    }

    /// Restores the newest checkpoint that is whole; nil where there is none.
    private static func takeUp(
        _ verb: Train, _ checkpoints: CheckpointFolder, _ trainer: Trainer, _ facts: RunFacts, _ console: Console
    ) throws(Failure) -> CheckpointHeader? {
        guard let (file, rejected) = try checkpoints.newestValid() else {
            console.note("there is no checkpoint in \(verb.output): the run starts at step 1")
            return nil
        }
        for (_, failure) in rejected { console.warn("\(failure)") }
        let header = try CheckpointHeader(file.header, file: file.path)
        let changes = facts.identity.changes(since: header.identity, mayBeLonger: verb.saving.extend)
        if !changes.isEmpty {
            let list = changes.joined(separator: "; ")
            guard verb.saving.acceptChanges else {
                throw Failure(
                    .usage, "the run was started otherwise: \(list)", at: .init(file: file.path),
                    remedy: "Give what it was started with, or --accept-changes to go on all the same (--extend for "
                        + "another length alone)")
            }
            console.warn("the run goes on otherwise than it was started: \(list)")
        }
        guard header.position.steps <= trainer.plan.totalSteps else {
            throw Failure(
                .usage,
                "the run has done \(header.position.steps) steps, and the options ask for \(trainer.plan.totalSteps)",
                at: .init(file: file.path), remedy: "Give a larger --epochs or --max-steps")
        }
        try trainer.restore(file, position: header.position)
        console.note("resumed after step \(header.position.steps) of \(trainer.plan.totalSteps)")
        return header
    }

    /// Trains to the end and leaves the adapter; a run that stops early is saved first.
    ///
    /// - Returns: the document of `run.json`.
    func complete() throws(Failure) -> JSONValue {
        let progress = console.progress("step", total: trainer.plan.totalSteps)
        do throws(Failure) {
            try checkLimits()
            try trainer.run { (event) throws(Failure) in
                try self.metrics.append(event)
                self.report.record(event)
                self.limits.record(event)
                progress.update(to: self.report.stepsDone, detail: self.report.detail)
                if let note = self.report.note(on: event, since: self.origin.steps) { self.console.note(note) }
                if case .evaluation = event { try self.checkLimits() }
            } boundary: { (position) throws(Failure) in
                self.limits.endStep()
                try self.askWhereLong(position, progress)
                try self.saveWhereDue(position)
                // Where an evaluation follows, it counts, too.
                if position.isEvaluated { try self.checkLimits() }
            }
        } catch {
            progress.finish()
            throw try stop(error)
        }
        progress.finish()
        if let position = trainer.position, position != saved { try save(position) }
        try AdapterDirectory.write(trainer.adapters, configuration: configuration, to: run.path)
        let record = report.json
        try run.write(record)
        return record
    }

    // MARK: - Saving

    /// Saves where it is time to; a disk that fails costs the checkpoint, not the run.
    private func saveWhereDue(_ position: TrainingPosition) throws(Failure) {
        let seconds = MonotonicClock.seconds - savedAt
        guard position.steps < trainer.plan.totalSteps,
            cadence.isDue(afterSteps: position.steps, secondsSinceSave: seconds)
        else { return }
        do throws(Failure) {
            try save(position)
        } catch {
            guard error.kind == .inputOutput else { throw error }
            savedAt = MonotonicClock.seconds
            console.warn("the checkpoint of step \(position.steps) was not saved, and training goes on. \(error)")
        }
    }

    /// Saves the state between two steps: the lines it counts on first.
    private func save(_ position: TrainingPosition) throws(Failure) {
        try metrics.synchronize()
        let save = try checkpoints.save(
            trainer.stateStreams, header: header(position).json, step: position.steps, keep: verb.saving.keep)
        if let failure = save.removalFailure { console.warn("an older checkpoint was not removed. \(failure)") }
        saved = position
        savedAt = MonotonicClock.seconds
    }

    private func header(_ position: TrainingPosition) -> CheckpointHeader {
        CheckpointHeader(
            position: position, seconds: formerSeconds + MonotonicClock.seconds - start, identity: facts.identity,
            notes: notes(position))
    }

    /// The cursor spelled out, and what makes an adapter directory of the arrays.
    private func notes(_ position: TrainingPosition) -> JSONObject {
        let plan = trainer.plan, settings = trainer.settings
        let next = position.steps
        return JSONObject([
            ("program", .string("qlora \(QLoRA.version)")),
            (
                "schedule",
                .object(
                    JSONObject([
                        ("name", .string(settings.schedule)),
                        ("warmup_steps", .integer(settings.warmUp.steps(of: plan.totalSteps))),
                        ("total_steps", .integer(plan.totalSteps)),
                    ]))
            ),
            (
                "data_cursor",
                .object(
                    JSONObject([
                        ("epoch", .integer(plan.epoch(ofStep: next))),
                        ("row", .integer(plan.positions(ofStep: next).lowerBound)),
                    ]))
            ),
            (
                "random_streams",
                .object(
                    JSONObject([
                        ("seed", .number(JSONNumber(text: String(settings.seed)))),
                        ("data_order_epoch", .integer(plan.epoch(ofStep: next))), ("dropout_step", .integer(next)),
                    ]))
            ),
            ("machine", .object(facts.machine)), ("base", .object(facts.base)), ("data", facts.data),
            ("adapter_config", configuration.json),
        ])
    }

    // MARK: - Stopping

    /// Stops at a limit, unless all steps are done.
    private func checkLimits() throws(Failure) {
        if report.stepsDone < trainer.plan.totalSteps { try limits.check() }
    }

    /// Saves what whole steps have learned, and says how to go on.
    ///
    /// - Returns: the failure to end with.
    private func stop(_ failure: Failure) throws(Failure) -> Failure {
        guard let position = trainer.position, position.steps > 0 else { return failure }
        var ending = failure
        do throws(Failure) {
            if position != saved { try save(position) }
            try AdapterDirectory.write(trainer.adapters, configuration: configuration, to: run.path)
            report.status = "stopped after step \(position.steps): \(failure.what)"
            try run.write(report.json)
        } catch {
            guard failure.isPause else { return failure }
            return error
        }
        guard failure.isPause else { return failure }
        ending.what += "; the run is saved after step \(position.steps) of \(trainer.plan.totalSteps)"
        ending.remedy = failure.remedy ?? "Give the same command with --resume to go on"
        return ending
    }

    /// Asks on a terminal whether to go on with a run that will take long, as soon as its time is known.
    private func askWhereLong(_ position: TrainingPosition, _ progress: ProgressBar) throws(Failure) {
        guard position.steps - origin.steps == Self.timedSteps else { return }
        let left = report.secondsLeft(since: origin.steps)
        guard left > Self.longRunSeconds else { return }
        progress.finish()
        guard console.confirm("The run will take about \(DurationText.text(left)) more. Go on?") else {
            throw Failure(.stoppedEarly, "stopped as you asked")
        }
    }
}

extension Failure {
    /// Whether the run only pauses: by a signal, a limit or a request.
    fileprivate var isPause: Bool {
        switch kind {
        case .interrupted, .stoppedEarly: true
        default: false
        }
    }
}
