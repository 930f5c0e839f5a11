import AdapterStore
import System
import TestSupport
import Testing

/// Power is lost behind every call of a run that saves four times, with 202 fates each of what was not synchronized:
/// the newest checkpoint that opens is the last one or the one being saved, and the last one that was called saved is
/// never lost. Protocols that leave out or swap a call are caught by the same model.
@Suite struct PowerLossTests {
    private static let steps = [10, 20, 30, 40]

    /// What was found behind the losses.
    private struct Counts: CustomStringConvertible {
        var states = 0
        /// The checkpoint before the one being saved.
        var old = 0
        /// The one being saved.
        var new = 0
        /// A file under a checkpoint's name that is not whole, or content that was never saved.
        var corrupt = 0
        /// Something older than what was called saved, or nothing.
        var lost = 0

        var description: String { "\(states) states: \(old) old, \(new) new, \(corrupt) corrupt, \(lost) lost" }
    }

    private func tensors(_ step: Int) -> SampleTensors { .adapter(seed: UInt64(step), layers: 1) }

    /// The events of a run.
    private func record(keep: Int) throws -> [FileEvent] {
        let directory = TemporaryDirectory()
        let recorder = RecordingOperations()
        let folder = CheckpointFolder(directory.path, codec: testCodec(), operations: recorder)
        for step in Self.steps {
            let saved = try folder.save(tensors(step).streams, header: JSONObject(), step: step, keep: keep)
            #expect(saved.removalFailure == nil)
            recorder.markSaved(step: step)
        }
        return recorder.events
    }

    private static let recoveryCodec = testCodec(threads: 1)
    private static let wrongProtocolChoices = 20

    private enum Outcome {
        case step(Int?)
        case corrupt
    }

    /// - Parameter choices: the fates that are tried at each moment; a few show that a protocol is wrong.
    private func count(_ events: [FileEvent], choices: Int = PowerLossModel.choiceCount) throws -> Counts {
        let model = PowerLossModel(events: events)
        let expected = Dictionary(uniqueKeysWithValues: Self.steps.map { ($0, contents(tensors($0).streams)) })
        var known: [String: Outcome] = [:]
        var counts = Counts()
        for number in 0...events.count {
            var saved: Int?
            for case .saved(let step) in events.prefix(number) { saved = step }
            let moment = model.moment(behind: number)
            for choice in 0..<choices {
                let files = PowerLossModel.files(afterLosingPowerAt: moment, choice: choice)
                let key = Self.key(files)
                let outcome = try known[key] ?? self.outcome(of: files, expected: expected)
                known[key] = outcome
                counts.states += 1
                switch outcome {
                case .corrupt: counts.corrupt += 1
                case .step(let step) where (step ?? 0) < (saved ?? 0): counts.lost += 1
                case .step(let step) where step == saved: counts.old += 1
                case .step: counts.new += 1
                }
            }
        }
        return counts
    }

    /// Names and hashes of what is not a temporary file.
    private static func key(_ files: [String: [UInt8]]) -> String {
        let parts = files.filter { !$0.key.hasPrefix(".") }.map { name, content in
            "\(name) \(content.count) \(content.withUnsafeBytes { XXH64.hash($0) })"
        }
        return parts.sorted().joined(separator: "\n")
    }

    /// Starts again on what the loss left.
    private func outcome(
        of files: [String: [UInt8]], expected: [Int: [String: [UInt32]]]
    ) throws -> Outcome {
        let directory = TemporaryDirectory()
        for (name, content) in files { put(content, into: directory.file(name)) }
        let folder = CheckpointFolder(
            directory.path, codec: Self.recoveryCodec, operations: RecordingOperations())
        let found: (file: CheckpointFile, rejected: [(String, Failure)])?
        do { found = try folder.newestValid() } catch { return .corrupt }
        // Whatever was found, no temporary file is left over.
        #expect(try FileSystem.list(directory.path).allSatisfy { !$0.hasPrefix(".") })
        guard let found else { return .step(nil) }
        guard found.rejected.isEmpty, let step = found.file.header["step"]?.integer,
            try contents(found.file) == expected[step]
        else { return .corrupt }
        return .step(step)
    }

    @Test(arguments: [1, 2, 3]) func theProtocolSurvivesEveryLoss(_ keep: Int) throws {
        let counts = try count(try record(keep: keep))
        #expect(counts.corrupt == 0 && counts.lost == 0, "\(counts)")
        #expect(counts.old > 0 && counts.new > 0, "\(counts)")
        print("power loss, keep \(keep): \(counts)")
    }

    @Test func aProtocolThatNeverSynchronizesFilesIsCaught() throws {
        let counts = try count(
            try record(keep: 2).filter { if case .synchronize = $0 { false } else { true } },
            choices: Self.wrongProtocolChoices)
        #expect(counts.corrupt > 0, "\(counts)")
        print("power loss, without fsync: \(counts)")
    }

    @Test func aProtocolThatNeverSynchronizesTheDirectoryIsCaught() throws {
        let counts = try count(
            try record(keep: 2).filter { if case .synchronizeDirectory = $0 { false } else { true } },
            choices: Self.wrongProtocolChoices)
        #expect(counts.corrupt == 0 && counts.lost > 0, "\(counts)")
        print("power loss, without fsync of the directory: \(counts)")
    }

    /// Removing the old checkpoint before the new name.
    @Test func aProtocolThatRotatesTooEarlyIsCaught() throws {
        var events: [FileEvent] = []
        for event in try record(keep: 1) {
            if case .remove = event,
                let place = events.lastIndex(where: { if case .rename = $0 { true } else { false } })
            {
                events.insert(event, at: place)
            } else {
                events.append(event)
            }
        }
        let counts = try count(events, choices: Self.wrongProtocolChoices)
        #expect(counts.lost > 0, "\(counts)")
        print("power loss, old file removed first: \(counts)")
    }
}
