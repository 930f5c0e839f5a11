/// The file names of checkpoints: `step-000000123.qckpt`, at least nine digits.
package enum CheckpointName {
    package static let suffix = ".qckpt"
    /// What a file that turned out to be damaged gets behind its name.
    package static let corruptSuffix = ".corrupt"

    package static func name(step: Int) -> String {
        let digits = String(step)
        return "step-" + String(repeating: "0", count: max(0, 9 - digits.count)) + digits + suffix
    }

    /// The step of a checkpoint's name; nil for any other name.
    package static func step(of name: String) -> Int? {
        guard name.hasPrefix("step-"), name.hasSuffix(suffix) else { return nil }
        guard let step = Int(name.dropFirst(5).dropLast(suffix.utf8.count)), step >= 0, self.name(step: step) == name
        else { return nil }
        return step
    }
}
