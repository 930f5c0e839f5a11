package import Datasets
package import System

/// What the numbers of a run depend on: its options, its inputs by their hashes, and the arithmetic of the machine. A
/// run goes on bit for bit only where all of it is the same.
package struct RunIdentity: Sendable {
    /// The three parts, each a flat object of names and values.
    package var options: JSONObject
    package var inputs: JSONObject
    package var machine: JSONObject

    /// Options that only say how long the run is.
    private static let lengthOptions: Set<String> = ["epochs", "max_steps"]

    package init(options: JSONObject, inputs: JSONObject, machine: JSONObject) {
        self.options = options
        self.inputs = inputs
        self.machine = machine
    }

    /// Reads what `json` wrote; nil where a part is missing.
    package init?(_ json: JSONValue?) {
        guard let options = json?["options"]?.object, let inputs = json?["inputs"]?.object,
            let machine = json?["machine"]?.object
        else { return nil }
        self.init(options: options, inputs: inputs, machine: machine)
    }

    package var json: JSONValue {
        .object(
            JSONObject([("options", .object(options)), ("inputs", .object(inputs)), ("machine", .object(machine))]))
    }

    /// What is otherwise than it was, each as `name was X and is Y`.
    ///
    /// - Parameter mayBeLonger: whether the run may have another length.
    package func changes(since saved: RunIdentity, mayBeLonger: Bool) -> [String] {
        let ignored = mayBeLonger ? Self.lengthOptions : []
        return options.changes(since: saved.options, ignored: ignored) { "--" + $0.replacing("_", with: "-") }
            + inputs.changes(since: saved.inputs) { "the SHA-256 of the \($0)" }
            + machine.changes(since: saved.machine) { "the \($0.replacing("_", with: " "))" }
    }

    /// The SHA-256 of rows as the model sees them: ids and labels of each, in order.
    package static func digest(of rows: [[TrainingRow]]) -> String {
        var hash = SHA256()
        for set in rows {
            hash.update([0xFF])
            for row in set {
                withUnsafeBytes(of: UInt64(row.ids.count).littleEndian) { hash.update($0) }
                row.ids.withUnsafeBytes { hash.update($0) }
                row.labels.withUnsafeBytes { hash.update($0) }
            }
        }
        return hash.hexadecimalDigest()
    }
}
