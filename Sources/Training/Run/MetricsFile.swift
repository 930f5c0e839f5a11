internal import Glibc
package import System

/// `metrics.jsonl`: a line for each step and each evaluation, in order, each step once.
package final class MetricsFile {
    package static let name = "metrics.jsonl"

    /// The events that the file held when it was opened, up to the position it was cut back to.
    package let kept: [TrainingEvent]
    private let path: String
    private var descriptor: Int32
    /// Bytes of the file that are on the disk for certain, and the lines behind them.
    private var durableByteCount = 0
    private var pending: [UInt8]
    /// Whether lines may be lost, because they could not be made durable.
    private var isInDoubt = false

    /// Opens the file of a run for appending, cut back to a position.
    ///
    /// - Parameter position: where the run goes on; later lines are removed, and so are lines that are no whole records.
    /// - Throws: `cannotCreate` or `inputOutput`; the file then holds what it held, or the cut-back lines.
    package init(directory: String, position: TrainingPosition) throws(Failure) {
        path = FileSystem.join(directory, Self.name)
        let exists = FileSystem.status(path) != nil
        let found = exists ? try FileReader.read(path, limit: Self.byteLimit) : []
        let lines = found.split(separator: 0x0A)
        var kept: [TrainingEvent] = [], text: [UInt8] = []
        for line in lines {
            guard let value = try? JSONParser.parse(Array(line)), let event = TrainingEvent(value),
                Self.belongs(event, upTo: position, after: kept)
            else { continue }
            kept.append(event)
            text += line + [0x0A]
        }
        self.kept = kept
        // Written even if it is empty: its name must be durable before a checkpoint counts on its lines.
        if text != found || !exists { try AtomicFile.write(text, to: path) }
        pending = text
        descriptor = try Self.open(path)
    }

    deinit { close(descriptor) }

    private static func open(_ path: String) throws(Failure) -> Int32 {
        let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            throw Failure(
                .cannotCreate, "the file cannot be written: \(String(cString: strerror(errno)))", at: .init(file: path),
                remedy: "Make the directory writable")
        }
        return descriptor
    }

    private static let byteLimit = 1 << 32

    /// Whether a line stays: no later than the position, and each step once.
    private static func belongs(
        _ event: TrainingEvent, upTo position: TrainingPosition, after kept: [TrainingEvent]
    ) -> Bool {
        switch event {
        case .step(let record): record.step <= position.steps && record.step > (kept.last?.step ?? 0)
        case .evaluation(let record):
            record.step < position.steps || record.step == position.steps && position.isEvaluated
        }
    }

    /// The steps up to a position that have no line: none, unless the file was damaged or removed.
    package func missingSteps(upTo position: TrainingPosition) -> Int {
        position.steps - kept.count { if case .step = $0 { true } else { false } }
    }

    /// Appends the line of an event.
    package func append(_ event: TrainingEvent) throws(Failure) {
        let line = JSONWriter.compact.bytes(event.json) + [0x0A]
        pending += line
        do throws(SystemError) {
            try writeAll(line, to: descriptor)
        } catch { throw failure("cannot be written", error.text, remedy: "Make room on the disk") }
    }

    /// Makes all lines durable. To be called before a checkpoint that counts on them.
    ///
    /// What the disk once failed to take may be lost although the next attempt succeeds (the system forgets it): after a
    /// failure the file is written anew, from memory where it was not durable before.
    package func synchronize() throws(Failure) {
        if isInDoubt {
            try AtomicFile.write(
                try FileReader.read(path, limit: Self.byteLimit).prefix(durableByteCount) + pending, to: path)
            let opened = try Self.open(path)
            close(descriptor)
            descriptor = opened
        } else if fsync(descriptor) != 0 {
            isInDoubt = true
            throw failure("cannot be made durable", String(cString: strerror(errno)), remedy: "Check the disk")
        }
        isInDoubt = false
        durableByteCount += pending.count
        pending = []
    }

    private func failure(_ what: String, _ reason: String, remedy: String) -> Failure {
        Failure(.inputOutput, "metrics \(what): \(reason)", at: .init(file: path), remedy: remedy)
    }
}
