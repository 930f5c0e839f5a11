public import System

/// The schedules there are; a new one is a file beside this one and a line here.
public enum Schedules {
    package static let all: [any LearningRateSchedule.Type] = [
        ConstantSchedule.self,
        LinearSchedule.self,
        CosineSchedule.self,
    ]

    /// The values of `--schedule`.
    public static var names: [String] { all.map { $0.name } }

    /// The schedule of a name.
    ///
    /// - Throws: `usage` naming the schedules there are.
    package static func named(_ name: String) throws(Failure) -> any LearningRateSchedule {
        guard let schedule = all.first(where: { $0.name == name }) else {
            throw Failure(
                .usage, "there is no schedule \"\(name)\"", remedy: "Give one of \(names.joined(separator: ", "))")
        }
        return schedule.init()
    }
}

/// The length of the warm-up.
public enum WarmUp: Sendable, Equatable {
    /// Optimizer steps.
    case steps(Int)
    /// A share of the run's optimizer steps, rounded up as the Hugging Face trainer does.
    case ratio(Double)

    /// Checks the value.
    ///
    /// - Throws: `usage` for a negative number of steps or a ratio outside 0...1.
    public func validate() throws(Failure) {
        switch self {
        case .steps(let steps):
            guard steps >= 0 else {
                throw Failure(
                    .usage, "a warm-up of \(steps) steps: 0 or more is expected", remedy: "Change --warmup-steps")
            }
        case .ratio(let ratio):
            guard ratio >= 0, ratio <= 1 else {
                throw Failure(
                    .usage, "a warm-up ratio of \(ratio): a share from 0 to 1 is expected",
                    remedy: "Change --warmup-ratio")
            }
        }
    }

    /// The steps of the warm-up in a run of `totalSteps`; the value has been validated.
    public func steps(of totalSteps: Int) -> Int {
        switch self {
        case .steps(let steps): steps
        case .ratio(let ratio): Int((Double(totalSteps) * ratio).rounded(.up))
        }
    }
}
