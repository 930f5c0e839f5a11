package import System

/// What a checkpoint of a run says besides its arrays.
package struct CheckpointHeader: Sendable {
    package var position: TrainingPosition
    /// Seconds that the run has taken, over all its processes.
    package var seconds: Double
    package var identity: RunIdentity
    /// For people and for programs that make an adapter of a checkpoint: what position, options and data say, spelled
    /// out (`schedule`, `data_cursor`, `random_streams`, `adapter_config`, …). Not read on resuming.
    package var notes: JSONObject

    private static let kind = "training"

    package init(position: TrainingPosition, seconds: Double, identity: RunIdentity, notes: JSONObject) {
        self.position = position
        self.seconds = seconds
        self.identity = identity
        self.notes = notes
    }

    package var json: JSONObject {
        var object = JSONObject([
            ("kind", .string(Self.kind)), ("step", .integer(position.steps)),
            ("is_evaluated", .bool(position.isEvaluated)), ("seconds", .double(seconds)),
            ("identity", identity.json),
        ])
        for member in notes.members { object.set(member.key, member.value) }
        return object
    }

    /// - Parameter file: for messages.
    /// - Throws: `badData` where the header is not that of a training run.
    package init(_ json: JSONObject, file: String) throws(Failure) {
        guard json["kind"]?.string == Self.kind, let step = json["step"]?.integer, step >= 0,
            let isEvaluated = json["is_evaluated"]?.bool, let seconds = json["seconds"]?.double,
            let identity = RunIdentity(json["identity"])
        else {
            throw Failure(
                .badData, "the checkpoint's header is not that of a training run", at: .init(file: file),
                remedy: "Resume with the version of this program that wrote it, or give --overwrite to start anew")
        }
        self.init(
            position: TrainingPosition(steps: step, isEvaluated: isEvaluated), seconds: seconds, identity: identity,
            notes: JSONObject())
    }
}
