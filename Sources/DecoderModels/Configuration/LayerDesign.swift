internal import Kernels
internal import Layers

/// The paths of a family's modules. Those of a layer are relative to it; one that is nil says that layers have no such part.
package struct WeightNames: Sendable {
    /// What the paths of all modules but the head begin with. Old files of some families leave it out.
    package var root = "model"
    package var embedding = "embed_tokens"
    /// A table of learned positions.
    package var positions: String?
    package var layers = "layers"
    package var finalNorm = "norm"
    /// Outside of the root.
    package var head = "lm_head"
    package var headHasBias = false

    /// Before attention; nil where attention reads the residual stream itself.
    package var inputNorm: String? = "input_layernorm"
    /// Of what attention gives, before it is added to the residual stream.
    package var attentionOutputNorm: String?
    /// Before the feed-forward layer. nil: it reads the residual stream itself or, in a parallel block, what attention reads.
    package var feedForwardNorm: String? = "post_attention_layernorm"
    /// Of what the feed-forward layer gives, before it is added to the residual stream.
    package var feedForwardOutputNorm: String?
    package var queryNorm: String?
    package var keyNorm: String?

    package var query = "self_attn.q_proj"
    package var key = "self_attn.k_proj"
    package var value = "self_attn.v_proj"
    /// One projection in place of the three.
    package var queryKeyValue: String?
    package var output = "self_attn.o_proj"
    /// The output projection stands before the others among the reference's modules.
    package var listsOutputFirst = false
    /// The projection that the activation is applied to.
    package var gate = "mlp.gate_proj"
    /// What the activation is multiplied with; nil where it is not.
    package var up: String? = "mlp.up_proj"
    /// One projection in place of the two, the gate's rows first.
    package var gateUp: String?
    package var down = "mlp.down_proj"

    /// Tensors of a layer that old files carry and nobody needs.
    package var buffers: [String] = []
}

/// A kind of norm as a family has it.
package enum NormDesign: Sendable {
    case rootMeanSquare
    /// The stored weight is what is added to 1 (Gemma).
    case rootMeanSquareAroundOne
    case layer(hasBias: Bool)

    var kind: Norm.Kind {
        switch self {
        case .rootMeanSquare, .rootMeanSquareAroundOne: .rootMeanSquare
        case .layer: .layer
        }
    }

    var hasBias: Bool {
        if case .layer(hasBias: true) = self { true } else { false }
    }
}

/// How queries and keys are normalised.
package struct HeadNorm: Sendable {
    package enum Span: Sendable {
        /// Each head on its own, with a weight [D] for all.
        case head
        /// Each head on its own, with a weight [heads, D].
        case ownHead
        /// The same, stored as a module for each head: `name.norms.0`, ….
        case modulePerHead
        /// All heads together, with a weight [heads·D].
        case allHeads
    }

    package var design: NormDesign
    package var span: Span

    package init(_ design: NormDesign, _ span: Span) {
        self.design = design
        self.span = span
    }
}

/// How queries, keys and values lie in the columns of one projection's result.
package enum FusedLayout: Sendable {
    /// All queries, all keys, all values.
    case grouped
    /// For each key/value head its queries, its key, its value.
    case interleaved
}

extension DecoderConfiguration {
    /// The runs of columns of a fused result, for the queries, the keys and the values, from the fused matrix to theirs.
    var fusedRuns: (query: [ColumnRun], key: [ColumnRun], value: [ColumnRun]) {
        guard fusedHeads == .interleaved else {
            return (
                [ColumnRun(source: 0, target: 0, count: queryWidth)],
                [ColumnRun(source: queryWidth, target: 0, count: keyValueWidth)],
                [ColumnRun(source: queryWidth + keyValueWidth, target: 0, count: keyValueWidth)]
            )
        }
        let group = queryHeads / keyValueHeads * headWidth, span = group + 2 * headWidth
        func runs(_ offset: Int, _ count: Int) -> [ColumnRun] {
            (0..<keyValueHeads).map { ColumnRun(source: $0 * span + offset, target: $0 * count, count: count) }
        }
        return (runs(0, group), runs(group, headWidth), runs(group + headWidth, headWidth))
    }
}

/// A linear of a layer.
package struct LayerLinear: Sendable {
    package enum Role: Sendable {
        case query, key, value, queryKeyValue, output, gate, up, gateUp, down, router, sharedGate
    }

    package let role: Role
    /// Relative to the layer.
    package let name: String
    package let inputs: Int
    package let outputs: Int
    package let hasBias: Bool
}

/// A norm of a layer: the modules that hold its weight, one or one for each head, and the shape of each weight.
package struct LayerNormWeights: Sendable {
    package let modules: [String]
    package let shape: [Int]
    package let design: NormDesign
    /// What is normalised together.
    package let width: Int

    /// Rows of the weights of all modules together.
    var rows: Int { modules.count * shape.reduce(1, *) / width }
}

extension DecoderConfiguration {
    /// The linears of a layer that every token goes through, in the order of the reference's modules.
    package func linears(of layer: Int) -> [LayerLinear] {
        var linears: [LayerLinear] = []
        func add(_ role: LayerLinear.Role, _ name: String, _ inputs: Int, _ outputs: Int, bias: Bool) {
            linears.append(LayerLinear(role: role, name: name, inputs: inputs, outputs: outputs, hasBias: bias))
        }
        if names.listsOutputFirst { add(.output, names.output, queryWidth, width, bias: biases.output) }
        if let fused = names.queryKeyValue {
            add(.queryKeyValue, fused, width, fusedWidth, bias: biases.query)
        } else {
            add(.query, names.query, width, queryWidth, bias: biases.query)
            add(.key, names.key, width, keyValueWidth, bias: biases.key)
            add(.value, names.value, width, keyValueWidth, bias: biases.value)
        }
        if !names.listsOutputFirst { add(.output, names.output, queryWidth, width, bias: biases.output) }
        if let experts = experts(of: layer) {
            add(.router, experts.names.oldRouter, width, experts.count, bias: false)
            if let shared = experts.names.shared, let gate = experts.names.sharedGate {
                add(.gate, "\(shared).gate_proj", width, experts.sharedWidth, bias: false)
                add(.up, "\(shared).up_proj", width, experts.sharedWidth, bias: false)
                add(.down, "\(shared).down_proj", experts.sharedWidth, width, bias: false)
                add(.sharedGate, gate, width, 1, bias: false)
            }
            return linears
        }
        if let fused = names.gateUp {
            add(.gateUp, fused, width, 2 * feedForwardWidth, bias: biases.feedForward)
        } else {
            add(.gate, names.gate, width, feedForwardWidth, bias: biases.feedForward)
            if let up = names.up { add(.up, up, width, feedForwardWidth, bias: biases.feedForward) }
        }
        add(.down, names.down, feedForwardWidth, width, bias: biases.feedForward)
        return linears
    }

    /// A norm of the residual stream.
    func normWeights(_ module: String) -> LayerNormWeights {
        LayerNormWeights(modules: [module], shape: [width], design: norm, width: width)
    }

    /// The norm of the queries or keys of a layer.
    func headNormWeights(_ module: String, heads: Int) -> LayerNormWeights? {
        guard let headNorm else { return nil }
        func weights(_ modules: [String], _ shape: [Int], _ width: Int) -> LayerNormWeights {
            LayerNormWeights(modules: modules, shape: shape, design: headNorm.design, width: width)
        }
        switch headNorm.span {
        case .head: return weights([module], [headWidth], headWidth)
        case .ownHead: return weights([module], [heads, headWidth], headWidth)
        case .modulePerHead:
            return weights((0..<heads).map { "\(module).norms.\($0)" }, [headWidth], headWidth)
        case .allHeads: return weights([module], [heads * headWidth], heads * headWidth)
        }
    }

    /// All norms of a layer.
    var layerNorms: [LayerNormWeights] {
        let residual = [
            names.inputNorm, names.attentionOutputNorm, names.feedForwardNorm, names.feedForwardOutputNorm,
        ].compactMap { $0.map(normWeights) }
        let heads = [
            names.queryNorm.flatMap { headNormWeights($0, heads: queryHeads) },
            names.keyNorm.flatMap { headNormWeights($0, heads: keyValueHeads) },
        ]
        return residual + heads.compactMap { $0 }
    }
}
