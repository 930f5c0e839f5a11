internal import ArgumentParser
internal import DecoderModels
internal import Optimizers
internal import System
internal import Training

/// `--recompute`: what backward finds and what it computes again.
enum RecomputeChoice: String, CaseIterable, ExpressibleByArgument {
    case auto, all, none
}

/// How it is trained: the options of `train` about the loop.
struct LoopOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Passes over the data.", valueName: "n"))
    var epochs = 1.0

    @Option(
        help: ArgumentHelp(
            "Optimizer steps; the data is gone over as often as that takes. (default: what --epochs gives)",
            valueName: "n"))
    var maxSteps: Int?

    @Option(help: ArgumentHelp("Most rows in flight at once; changes no result.", valueName: "rows"))
    var batchSize = 1

    @Option(
        help: ArgumentHelp(
            "batch-size times this many rows make an optimizer step.", valueName: "n"))
    var gradientAccumulation = 16

    @Flag(
        inversion: .prefixedNo, exclusivity: .chooseLast,
        help: "Let short rows share a pass, kept apart; changes no result.")
    var packing = true

    @Option(help: ArgumentHelp("Learning rate.", valueName: "rate"))
    var learningRate = 2e-4

    @Option(
        help: ArgumentHelp("Learning rate over the run: \(Schedules.names.joined(separator: ", ")).", valueName: "name")
    )
    var schedule = "cosine"

    @Option(help: ArgumentHelp("Steps of linear warm-up. (default: what --warmup-ratio gives)", valueName: "n"))
    var warmupSteps: Int?

    @Option(help: ArgumentHelp("Share of the steps that is warm-up. (default: 0.03)", valueName: "share"))
    var warmupRatio: Double?

    @Option(help: ArgumentHelp("Optimizer: \(Optimizers.names.joined(separator: ", ")).", valueName: "name"))
    var optimizer = "adamw"

    @Option(help: ArgumentHelp("Decoupled weight decay.", valueName: "rate"))
    var weightDecay = 0.0

    @Option(help: ArgumentHelp("Decay of the first moment.", valueName: "rate"))
    var beta1 = 0.9

    @Option(help: ArgumentHelp("Decay of the second moment.", valueName: "rate"))
    var beta2 = 0.999

    @Option(help: ArgumentHelp("Added to the root of the second moment.", valueName: "value"))
    var epsilon = 1e-8

    @Option(help: ArgumentHelp("Gradients are scaled down to this norm; 0 switches it off.", valueName: "norm"))
    var maxGradNorm = 1.0

    @Option(
        help: ArgumentHelp(
            "Weight of the routers' load-balancing loss, for mixtures of experts; 0 switches it off. (default: router_aux_loss_coef of config.json where its output_router_logits is true, else 0)",
            valueName: "weight"))
    var routerAuxLossCoef: Double?

    @Option(help: ArgumentHelp("Seed of data order, initialisation and dropout.", valueName: "n"))
    var seed: UInt64 = 42

    @Option(
        help:
            "Type of products with the frozen base and in attention: auto, float32 or bfloat16. auto is bfloat16 where the processor multiplies it."
    )
    var compute = ComputeChoice.auto

    @Option(
        help:
            "Compute activations again in the backward pass: all (less memory), none (faster), auto (none where it fits). Changes no result."
    )
    var recompute = RecomputeChoice.auto

    @Option(
        help: ArgumentHelp("Optimizer steps between evaluations; 0 evaluates only at the end.", valueName: "n"))
    var evalEvery = 0

    /// The settings, each value checked.
    func settings(maximumLength: Int) throws(Failure) -> TrainingSettings {
        try OptionValue.require(epochs.isFinite && epochs > 0 && epochs <= 1e6, "--epochs", epochs, "a number above 0")
        if let maxSteps { try OptionValue.require(1...1_000_000_000 ~= maxSteps, "--max-steps", maxSteps, "1 or more") }
        try OptionValue.require(1...65536 ~= batchSize, "--batch-size", batchSize, "a number from 1 to 65536")
        try OptionValue.require(
            1...65536 ~= gradientAccumulation, "--gradient-accumulation", gradientAccumulation,
            "a number from 1 to 65536")
        try OptionValue.require(
            learningRate.isFinite && learningRate >= 0, "--learning-rate", learningRate, "0 or more")
        try OptionValue.require(maxGradNorm.isFinite && maxGradNorm >= 0, "--max-grad-norm", maxGradNorm, "0 or more")
        try OptionValue.require(evalEvery >= 0, "--eval-every", evalEvery, "0 or more")
        guard warmupSteps == nil || warmupRatio == nil else {
            throw Failure(.usage, "--warmup-steps and --warmup-ratio are both given", remedy: "Leave one of them out")
        }
        _ = try Schedules.named(schedule)
        _ = try Optimizers.named(optimizer)
        var settings = TrainingSettings()
        settings.epochs = epochs
        settings.maximumSteps = maxSteps
        settings.batchSize = batchSize
        settings.gradientAccumulation = gradientAccumulation
        settings.packing = packing
        settings.maximumLength = maximumLength
        settings.learningRate = learningRate
        settings.schedule = schedule
        settings.warmUp = warmupSteps.map { .steps($0) } ?? .ratio(warmupRatio ?? 0.03)
        try settings.warmUp.validate()
        settings.optimizer = optimizer
        settings.optimizerSettings = OptimizerSettings(
            beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
        try settings.optimizerSettings.validate()
        settings.maximumGradientNorm = maxGradNorm
        settings.seed = seed
        settings.evaluateEvery = evalEvery
        return settings
    }

    /// The weight of the routers' auxiliary loss, of this option or of the model's configuration.
    func routerLossCoefficient(_ shape: DecoderConfiguration) throws(Failure) -> Double {
        guard let weight = routerAuxLossCoef else {
            return shape.experts.map { $0.hasAuxiliaryLoss ? $0.auxiliaryCoefficient : 0 } ?? 0
        }
        guard weight.isFinite, weight >= 0 else {
            throw Failure(
                .usage, "--router-aux-loss-coef is \(weight): 0 or more is expected",
                remedy: "Change --router-aux-loss-coef")
        }
        guard weight == 0 || shape.experts != nil else {
            throw Failure(
                .usage, "--router-aux-loss-coef is \(weight), and the model has no experts",
                remedy: "Leave --router-aux-loss-coef out")
        }
        return weight
    }
}
