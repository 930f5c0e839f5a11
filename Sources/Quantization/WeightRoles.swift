internal import DecoderModels
package import ModelFiles
package import System

/// Which stored weights of a model are linears that a base in few bits quantizes, and which is its embedding table.
package struct WeightRoles: Sendable {
    /// The weights, experts that are stored together apart.
    package let checkpoint: Checkpoint
    /// Stored modules of the linears inside the layers, those of experts included.
    package let linears: Set<String>
    /// Those of experts, each with the path of the experts of its layer.
    package let experts: [String: String]
    /// Whether linears are stored [inputs, outputs]; quantized they are [outputs, inputs] in every family.
    package let areTransposed: Bool
    /// Whether transformers + bitsandbytes hold these linears in 4 bits.
    package let areQuantizedByTransformers: Bool
    /// The module under which the embedding table is stored.
    package let embedding: String
    /// The module of the head.
    package let head: String
    /// Whether the head shares the embedding table.
    package let tiesHead: Bool

    /// Reads the configuration and checks that the stored tensors are exactly those it asks for, in their shapes.
    ///
    /// - Throws: `Failure`: 69 an architecture that is not supported, 65 tensors that are missing, unexpected or of
    ///   another shape.
    package init(_ model: ModelDirectory) throws(Failure) {
        let reader = ConfigurationReader(fields: model.configuration, file: model.configurationFile)
        let configuration = try Architectures.configuration(reader)
        checkpoint = try configuration.separatingExperts(model.checkpoint)
        let stored = StoredNames(configuration, checkpoint)
        embedding = stored.embedding
        head = configuration.names.head
        tiesHead = configuration.tiesHead
        areTransposed = configuration.storesTransposed
        areQuantizedByTransformers = configuration.isQuantizedByTransformers
        let weights = configuration.weights
        linears = Set(weights.filter { $0.role == .linear || $0.role == .expert }.map { stored.stored($0.module) })
        experts = Dictionary(
            uniqueKeysWithValues: weights.filter { $0.role == .expert }.map { weight in
                let module = stored.stored(weight.module)
                // An index and the name of a projection end the path.
                return (module, module.split(separator: ".").dropLast(2).joined(separator: "."))
            })
        let names = weights.map(stored.tensor)
        try checkpoint.check(expected: names, ignored: stored.ignored)
        for (weight, name) in zip(weights, names) {
            let tensor = try checkpoint.requiredTensor(named: name)
            guard tensor.shape == weight.plainShape else {
                throw Failure(
                    .badData, "the shape is \(tensor.shape) where \(weight.plainShape) is expected", at: tensor.place,
                    remedy: "Check that the weights and config.json belong together")
            }
        }
    }
}
