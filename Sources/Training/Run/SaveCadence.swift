package import System

/// How often a run saves: `--save-every STEPS|10m`.
package enum SaveCadence: Sendable, Equatable {
    /// Only at the end and when it is interrupted.
    case atEnd
    /// Every so many optimizer steps, counted from the first.
    case steps(Int)
    /// After the step during which so many seconds have passed since the last save.
    case seconds(Double)

    /// - Parameter option: a number of steps, or a number and `s`, `m` or `h`; 0 of anything is `atEnd`.
    /// - Throws: `usage` for anything else.
    package init(option: String) throws(Failure) {
        if let seconds = Self.seconds(option) {
            self = seconds == 0 ? .atEnd : .seconds(seconds)
        } else if let steps = Int(option), steps >= 0 {
            self = steps == 0 ? .atEnd : .steps(steps)
        } else {
            throw Failure(
                .usage, "--save-every is \(option): a number of steps, or a time such as 90s, 10m or 2h is expected",
                remedy: "Change --save-every")
        }
    }

    /// The seconds of a time such as 90s, 10m or 2h; nil for anything else, and beyond 1e9.
    package static func seconds(_ text: String) -> Double? {
        let units: [(Character, Double)] = [("s", 1), ("m", 60), ("h", 3600)]
        guard let unit = units.first(where: { text.last == $0.0 })?.1, let number = Double(text.dropLast()),
            number >= 0, number * unit <= 1e9
        else { return nil }
        return number * unit
    }

    /// Whether to save after a step.
    ///
    /// - Parameters:
    ///   - steps: optimizer steps done.
    ///   - seconds: time since the last save, or since the run began.
    package func isDue(afterSteps steps: Int, secondsSinceSave seconds: Double) -> Bool {
        switch self {
        case .atEnd: false
        case .steps(let count): steps.isMultiple(of: count)
        case .seconds(let limit): seconds >= limit
        }
    }
}
