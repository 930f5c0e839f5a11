public import System
package import Kernels

/// The constants of an optimizer over a whole run. A field that an optimizer does not have is ignored by it.
public struct OptimizerSettings: Sendable, Equatable {
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    /// Decoupled weight decay, a share of the learning rate.
    public var weightDecay: Double

    public init(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0) {
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
    }

    /// Checks the ranges.
    ///
    /// - Throws: `usage` naming the option and its value.
    public func validate() throws(Failure) {
        for (option, value) in [("--beta1", beta1), ("--beta2", beta2)] {
            guard value >= 0, value < 1 else {
                throw Failure(.usage, "\(option) is \(value): from 0 to below 1 is expected")
            }
        }
        guard epsilon > 0, epsilon.isFinite else {
            throw Failure(.usage, "--epsilon is \(epsilon): a number above 0 is expected")
        }
        guard weightDecay >= 0, weightDecay.isFinite else {
            throw Failure(.usage, "--weight-decay is \(weightDecay): 0 or more is expected")
        }
    }
}

/// What changes from step to step.
package struct OptimizerStep: Sendable {
    /// Steps counted from 1, this one included.
    package var number: Int
    /// The rate of this step: base rate times the schedule's factor.
    package var learningRate: Double
    /// Gradients are multiplied by it first: the clipping coefficient.
    package var gradientScale: Float

    package init(number: Int, learningRate: Double, gradientScale: Float) {
        self.number = number
        self.learningRate = learningRate
        self.gradientScale = gradientScale
    }
}

/// A rule that moves parameters along gradients. One file here and one line in `Optimizers.all`.
///
/// An optimizer holds no memory: its state lies in the caller's arena as `stateNames.count` arrays of the parameters'
/// length, zero before the first step.
package protocol Optimizer: Sendable {
    /// The value of `--optimizer`.
    static var name: String { get }
    /// The float32 arrays of state, by the names that torch gives them in a checkpoint.
    static var stateNames: [String] { get }

    init(_ settings: OptimizerSettings)

    /// Moves `count` parameters, each independently of the others; the result does not depend on threads.
    ///
    /// - Parameters:
    ///   - parameters: [count], changed in place.
    ///   - gradients: [count], not changed.
    ///   - states: one pointer [count] for each of `stateNames`, changed in place.
    func update(
        _ parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
        states: [UnsafeMutablePointer<Float>], count: Int, step: OptimizerStep, context: ComputeContext)
}

extension Optimizer {
    /// Floats of state for each parameter.
    package static var stateCountPerParameter: Int { stateNames.count }
}

/// The optimizers there are.
public enum Optimizers {
    package static let all: [any Optimizer.Type] = [
        AdamW.self
    ]

    /// The values of `--optimizer`.
    public static var names: [String] { all.map { $0.name } }

    /// The type of a name.
    ///
    /// - Throws: `usage` naming the optimizers there are.
    package static func named(_ name: String) throws(Failure) -> any Optimizer.Type {
        guard let optimizer = all.first(where: { $0.name == name }) else {
            throw Failure(
                .usage, "there is no optimizer \"\(name)\"", remedy: "Give one of \(names.joined(separator: ", "))")
        }
        return optimizer
    }
}
