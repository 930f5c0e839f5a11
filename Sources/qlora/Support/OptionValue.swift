internal import System

/// Checks of the values that options were given.
enum OptionValue {
    /// - Throws: `usage` naming the option, its value and what is expected, where that is not so.
    static func require(
        _ isValid: Bool, _ option: String, _ value: some CustomStringConvertible, _ expected: String
    ) throws(Failure) {
        guard isValid else {
            throw Failure(.usage, "\(option) is \(value): \(expected) is expected", remedy: "Change \(option)")
        }
    }

    /// Checks `--max-length`: a row needs a token to predict and one before it.
    static func requireLength(_ length: Int) throws(Failure) {
        try require(length >= 2, "--max-length", length, "2 or more")
    }
}
