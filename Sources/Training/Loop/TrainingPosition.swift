/// Where a run stands between two optimizer steps: all that the loop needs besides the arrays of its state. Data order,
/// dropout and learning rate are functions of seed and step, so the step is the cursor of every one of them.
package struct TrainingPosition: Sendable, Equatable {
    /// Optimizer steps done.
    package var steps: Int
    /// Whether the evaluation due after the last of them has been made; true where none was due.
    package var isEvaluated: Bool

    package init(steps: Int, isEvaluated: Bool) {
        self.steps = steps
        self.isEvaluated = isEvaluated
    }

    /// Before the first step.
    package static let start = TrainingPosition(steps: 0, isEvaluated: true)
}
