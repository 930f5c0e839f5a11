package import System

/// Typed access to the fields of a config.json; every refusal names file and field.
package struct ConfigurationReader: Sendable {
    package let fields: JSONObject
    package let file: String

    package init(fields: JSONObject, file: String) {
        self.fields = fields
        self.file = file
    }

    package func place(_ key: String) -> Failure.Place { Failure.Place(file: file, field: key) }

    /// The value of a key; nil where it is absent or null.
    package func value(_ key: String) -> JSONValue? {
        guard let value = fields[key], !value.isNull else { return nil }
        return value
    }

    /// An integer from a range, or the default where the key is absent; no default makes the key required.
    package func integer(_ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil) throws(Failure) -> Int
    {
        guard let value = value(key) else {
            guard let fallback else { throw missing(key, "an integer") }
            return fallback
        }
        guard let number = value.integer else { throw wrongKind(key, value, "an integer") }
        guard range.contains(number) else {
            throw Failure(
                .badData, "\(key) is \(number), which is outside \(range.lowerBound) to \(range.upperBound)",
                at: place(key), remedy: "Restore config.json from the original model")
        }
        return number
    }

    /// A finite number above zero, or the default where the key is absent.
    package func positive(_ key: String, default fallback: Double) throws(Failure) -> Double {
        guard let value = value(key) else { return fallback }
        guard let number = value.double, number.isFinite, number > 0 else {
            throw wrongKind(key, value, "a positive number")
        }
        return number
    }

    /// A number of a range, or the default where the key is absent.
    package func number(_ key: String, in range: ClosedRange<Double>, default fallback: Double) throws(Failure)
        -> Double
    {
        guard let value = value(key) else { return fallback }
        guard let number = value.double, range.contains(number) else {
            throw wrongKind(key, value, "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A boolean, or the default where the key is absent.
    package func bool(_ key: String, default fallback: Bool) throws(Failure) -> Bool {
        guard let value = value(key) else { return fallback }
        guard let flag = value.bool else { throw wrongKind(key, value, "true or false") }
        return flag
    }

    /// A string, or the default where the key is absent.
    package func string(_ key: String, default fallback: String) throws(Failure) -> String {
        guard let value = value(key) else { return fallback }
        guard let text = value.string else { throw wrongKind(key, value, "a string") }
        return text
    }

    private func missing(_ key: String, _ expected: String) -> Failure {
        Failure(
            .badData, "the field \(key) is missing: \(expected) is expected", at: place(key),
            remedy: "Restore config.json from the original model")
    }

    private func wrongKind(_ key: String, _ value: JSONValue, _ expected: String) -> Failure {
        let found: String
        switch value {
        case .number(let number): found = number.text
        case .string(let text): found = "\"\(text)\""
        default: found = value.kindName
        }
        return Failure(
            .badData, "\(key) is \(found): \(expected) is expected", at: place(key),
            remedy: "Restore config.json from the original model")
    }
}
