/// A tensor that a model of some configuration stores.
package struct ModelWeight: Sendable {
    /// What it does.
    package enum Role: Sendable {
        /// The table of token embeddings [V, C]; a tied head shares it.
        case embedding
        /// The head [V, C] of a model that does not tie it.
        case head
        /// A projection inside a layer [outputs, inputs]: what a base in few bits quantizes.
        case linear
        case bias
        case norm
    }

    /// The module; the tensor is `module.weight`, or `module.bias` of a bias.
    package let module: String
    package let role: Role
    package let shape: [Int]

    /// The tensor's name.
    package var name: String { module + (role == .bias ? ".bias" : ".weight") }
}

extension DecoderConfiguration {
    /// All tensors of the model, in the order of the reference's modules.
    package var weights: [ModelWeight] {
        let queryWidth = queryHeads * headWidth, keyWidth = keyValueHeads * headWidth
        var weights = [ModelWeight(module: "model.embed_tokens", role: .embedding, shape: [vocabularySize, width])]
        for layer in 0..<layerCount {
            let path = "model.layers.\(layer)"
            func linear(_ name: String, _ outputs: Int, _ inputs: Int, bias: Bool) {
                weights.append(ModelWeight(module: "\(path).\(name)", role: .linear, shape: [outputs, inputs]))
                if bias { weights.append(ModelWeight(module: "\(path).\(name)", role: .bias, shape: [outputs])) }
            }
            linear("self_attn.q_proj", queryWidth, width, bias: biases.query)
            linear("self_attn.k_proj", keyWidth, width, bias: biases.key)
            linear("self_attn.v_proj", keyWidth, width, bias: biases.value)
            linear("self_attn.o_proj", width, queryWidth, bias: biases.output)
            linear("mlp.gate_proj", feedForwardWidth, width, bias: biases.feedForward)
            linear("mlp.up_proj", feedForwardWidth, width, bias: biases.feedForward)
            linear("mlp.down_proj", width, feedForwardWidth, bias: biases.feedForward)
            for norm in ["input_layernorm", "post_attention_layernorm"] {
                weights.append(ModelWeight(module: "\(path).\(norm)", role: .norm, shape: [width]))
            }
        }
        weights.append(ModelWeight(module: "model.norm", role: .norm, shape: [width]))
        if !tiesHead { weights.append(ModelWeight(module: "lm_head", role: .head, shape: [vocabularySize, width])) }
        return weights
    }
}
