internal import DecoderModels
package import ModelFiles
package import System

/// Which stored weights of a model are linears that a base in few bits quantizes, and which is its embedding table.
package struct WeightRoles: Sendable {
    /// Module paths of the linears inside the layers.
    package let linears: Set<String>
    /// The module path under which the embedding table is stored.
    package let embedding: String
    /// Whether the head shares the embedding table.
    package let tiesHead: Bool

    /// Reads the configuration and checks that the stored tensors are exactly those it asks for, in their shapes.
    ///
    /// - Throws: `Failure`: 69 an architecture that is not supported, 65 tensors that are missing, unexpected or of
    ///   another shape.
    package init(_ model: ModelDirectory) throws(Failure) {
        let reader = ConfigurationReader(fields: model.configuration, file: model.configurationFile)
        let configuration = try Architectures.configuration(reader)
        let checkpoint = model.checkpoint
        let table = "model.embed_tokens.weight", head = "lm_head.weight"
        // A tied table is stored once, under either name.
        let stored =
            checkpoint.tensor(named: table)
            ?? (configuration.tiesHead ? checkpoint.tensor(named: head) : nil)
        embedding = String((stored?.name ?? table).dropLast(".weight".count))
        tiesHead = configuration.tiesHead
        let weights = configuration.weights
        linears = Set(weights.filter { $0.role == .linear }.map(\.module))
        let names = weights.map { [embedding] in $0.role == .embedding ? embedding + ".weight" : $0.name }
        // Files of a model that ties its head may hold a copy all the same.
        let hasHeadCopy = configuration.tiesHead && checkpoint.tensor(named: head) != nil
        try checkpoint.check(expected: hasHeadCopy ? names + [head] : names)
        for (weight, name) in zip(weights, names) {
            let tensor = try checkpoint.requiredTensor(named: name)
            guard tensor.shape == weight.shape else {
                throw Failure(
                    .badData, "the shape is \(tensor.shape) where \(weight.shape) is expected", at: tensor.place,
                    remedy: "Check that the weights and config.json belong together")
            }
        }
    }
}
