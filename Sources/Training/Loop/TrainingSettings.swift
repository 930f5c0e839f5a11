package import Optimizers

/// What a training run is told, apart from model, adapter and data.
package struct TrainingSettings: Sendable {
    /// Passes over the data; a fraction stops inside one.
    package var epochs = 1.0
    /// Optimizer steps; where given it rules, and the data is gone over as often as that takes.
    package var maximumSteps: Int?
    /// Most rows in flight at once. Changes no result.
    package var batchSize = 1
    /// Micro-batches of a step: batchSize × gradientAccumulation rows make one optimizer step.
    package var gradientAccumulation = 16
    /// Short rows share a pass: as many as fit batchSize × maximumLength tokens. Changes no result.
    package var packing = true
    /// Most tokens of a row.
    package var maximumLength = 1024
    package var learningRate = 2e-4
    package var schedule = "cosine"
    package var warmUp = WarmUp.ratio(0.03)
    package var optimizer = "adamw"
    package var optimizerSettings = OptimizerSettings()
    /// Largest gradient norm; 0 switches clipping off.
    package var maximumGradientNorm = 1.0
    /// What the auxiliary loss of a mixture's routers is multiplied with; 0 switches it off.
    package var routerLossCoefficient = 0.0
    package var seed: UInt64 = 42
    /// Optimizer steps between evaluations; 0 evaluates only at the end.
    package var evaluateEvery = 0

    package init() {}

    /// Rows of an optimizer step.
    package var rowsPerStep: Int { batchSize * gradientAccumulation }
}
