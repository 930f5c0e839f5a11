/// A tensor that a model of some configuration stores.
package struct ModelWeight: Sendable {
    /// What it does.
    package enum Role: Sendable {
        /// The table of token embeddings [V, C]; a tied head shares it.
        case embedding
        /// The table of learned positions [P, C].
        case positions
        /// The head [V, C] of a model that does not tie it.
        case head
        /// A projection inside a layer: what a base in few bits quantizes.
        case linear
        /// A projection of an expert, likewise.
        case expert
        /// The router of a layer's experts [E, C], which stays as it is.
        case router
        case bias
        case norm
    }

    /// The module; the tensor is `module.weight`, or `module.bias` of a bias.
    package let module: String
    package let role: Role
    /// Of a linear [outputs, inputs].
    package let shape: [Int]
    /// Whether a linear is stored [inputs, outputs] where it is not quantized.
    package var isTransposed = false

    /// The tensor's name.
    package var name: String { module + (role == .bias ? ".bias" : ".weight") }

    /// The shape of the tensor where it is not quantized.
    package var plainShape: [Int] { isTransposed ? shape.reversed() : shape }
}

extension DecoderConfiguration {
    /// The path of the module of the embedding's table.
    package var embeddingModule: String { "\(names.root).\(names.embedding)" }

    /// The path of the table of learned positions.
    package var positionsModule: String? { names.positions.map { "\(names.root).\($0)" } }

    /// The path of the last norm.
    package var finalNormModule: String { "\(names.root).\(names.finalNorm)" }

    /// The path of a layer.
    package func layerModule(_ layer: Int) -> String { "\(names.root).\(names.layers).\(layer)" }

    /// All tensors of the model, in the order of the reference's modules.
    package var weights: [ModelWeight] {
        var weights = [ModelWeight(module: embeddingModule, role: .embedding, shape: [vocabularySize, width])]
        func add(_ module: String, _ role: ModelWeight.Role, _ shape: [Int]) {
            weights.append(ModelWeight(module: module, role: role, shape: shape))
        }
        func add(_ norm: LayerNormWeights, in path: String?) {
            for module in norm.modules {
                let module = path.map { "\($0).\(module)" } ?? module
                add(module, .norm, norm.shape)
                if norm.design.hasBias { add(module, .bias, norm.shape) }
            }
        }
        if let positionsModule { add(positionsModule, .positions, [maximumPositions, width]) }
        for layer in 0..<layerCount {
            let path = layerModule(layer)
            for linear in linears(of: layer) {
                let module = "\(path).\(linear.name)"
                weights.append(
                    ModelWeight(
                        module: module, role: linear.role == .router ? .router : .linear,
                        shape: [linear.outputs, linear.inputs], isTransposed: storesTransposed))
                if linear.hasBias { add(module, .bias, [linear.outputs]) }
            }
            if let experts = experts(of: layer) {
                for expert in 0..<experts.count {
                    let module = "\(path).\(experts.names.oldExperts).\(expert)"
                    add("\(module).\(experts.names.gate)", .expert, [experts.width, width])
                    add("\(module).\(experts.names.up)", .expert, [experts.width, width])
                    add("\(module).\(experts.names.down)", .expert, [width, experts.width])
                }
            }
            for norm in layerNorms { add(norm, in: path) }
        }
        add(normWeights(finalNormModule), in: nil)
        if !tiesHead { add(names.head, .head, [vocabularySize, width]) }
        if names.headHasBias { add(names.head, .bias, [vocabularySize]) }
        return weights
    }
}
