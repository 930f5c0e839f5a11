package import Kernels
package import Layers
package import System
package import Tensors

/// A decoder, resolved to numbers: what config.json says in one of its spellings, with the family's defaults filled in.
package struct DecoderConfiguration: Sendable {
    /// `model_type`.
    package let modelType: String
    /// Names of modules; which of them are there says what parts a layer has.
    package var names: WeightNames
    /// V.
    package let vocabularySize: Int
    /// C, width of the residual stream.
    package let width: Int
    package let layerCount: Int
    /// H.
    package let queryHeads: Int
    /// K; H is a multiple of it.
    package var keyValueHeads: Int
    /// D.
    package let headWidth: Int
    /// F of layers without experts.
    package let feedForwardWidth: Int
    package var activation: Activation
    package var norm: NormDesign
    package let normEpsilon: Float
    /// `max_position_embeddings`.
    package let maximumPositions: Int
    /// The head shares the embedding's table.
    package var tiesHead: Bool
    /// End tokens: `eos_token_id`, one or several.
    package let endTokens: [Int]
    /// `bos_token_id`.
    package let beginToken: Int?

    package var biases = ProjectionBiases()
    /// How queries and keys are normalised before they are rotated; nil where they are not.
    package var headNorm: HeadNorm?
    /// How queries, keys and values lie in the result of one projection; nil where each has its own.
    package var fusedHeads: FusedLayout?
    /// The experts that stand in the place of the feed-forward layer of some or all layers.
    package var experts: ExpertsDesign?
    /// Linears are stored [inputs, outputs] (GPT-2); not so where they are quantized.
    package var storesTransposed = false
    /// transformers + bitsandbytes hold the linears in 4 bits; not so where they are of a class of the family's own (Falcon).
    package var isQuantizedByTransformers = true
    /// Attention and feed-forward read the same residual stream: h + attention(norm(h)) + feedForward(norm′(h)).
    package var isParallel = false
    /// For each layer, how many tokens it sees, itself included; nil where it sees all before it.
    package var windows: [Int?]
    /// What scores of each layer are multiplied with.
    package var attentionScales: [Float]
    /// Scores become cap·tanh(score / cap).
    package var scoreCap: Float?
    /// What embeddings are multiplied with.
    package var embeddingScale: Float = 1
    /// What the results of attention and feed-forward are multiplied with before they are added to the residual stream.
    package var residualScale: Float = 1
    package var logits = LogitsRule()
    /// The rotary embeddings of the model, and which of them each layer uses; nil for none.
    package var rotaries: [RotaryChoice] = []
    package var rotaryOfLayer: [Int?]
    package var rotaryPairing = RotaryPairing.halves

    init(
        modelType: String, names: WeightNames, vocabularySize: Int, width: Int, layerCount: Int, queryHeads: Int,
        keyValueHeads: Int, headWidth: Int, feedForwardWidth: Int, activation: Activation, norm: NormDesign,
        normEpsilon: Float, maximumPositions: Int, tiesHead: Bool, endTokens: [Int], beginToken: Int?
    ) {
        self.modelType = modelType
        self.names = names
        self.vocabularySize = vocabularySize
        self.width = width
        self.layerCount = layerCount
        self.queryHeads = queryHeads
        self.keyValueHeads = keyValueHeads
        self.headWidth = headWidth
        self.feedForwardWidth = feedForwardWidth
        self.activation = activation
        self.norm = norm
        self.normEpsilon = normEpsilon
        self.maximumPositions = maximumPositions
        self.tiesHead = tiesHead
        self.endTokens = endTokens
        self.beginToken = beginToken
        windows = Array(repeating: nil, count: layerCount)
        attentionScales = Array(repeating: 1 / Float(headWidth).squareRoot(), count: layerCount)
        rotaryOfLayer = Array(repeating: nil, count: layerCount)
    }

    /// H·D.
    package var queryWidth: Int { queryHeads * headWidth }
    /// K·D.
    package var keyValueWidth: Int { keyValueHeads * headWidth }

    /// (H + 2K)·D, queries, keys and values together.
    package var fusedWidth: Int { queryWidth + 2 * keyValueWidth }

    /// Parameters in the linears of all layers that a token meets (the head apart): what its products cost, divided by
    /// two.
    package var linearParameterCount: Int {
        (0..<layerCount).reduce(0) { sum, layer in
            let chosen = experts(of: layer).map { 3 * $0.perToken * $0.width * width } ?? 0
            return sum + chosen + linears(of: layer).reduce(0) { $0 + $1.inputs * $1.outputs }
        }
    }

    /// The experts of a layer, nil where it has none.
    package func experts(of layer: Int) -> ExpertsDesign? {
        experts.flatMap { $0.layers[layer] ? $0 : nil }
    }

    /// F of what every token of a layer goes through: its feed-forward layer, or the expert for all tokens; 0 without.
    package func feedForwardWidth(of layer: Int) -> Int { experts(of: layer)?.sharedWidth ?? feedForwardWidth }

    /// The largest F of any layer.
    package var widestFeedForward: Int { (0..<layerCount).map(feedForwardWidth).max() ?? 0 }

    /// The most tokens a sequence can have: rows of the table of learned positions; nil for a model without.
    package var positionLimit: Int? { names.positions == nil ? nil : maximumPositions }

    /// Refuses sequences that are longer than the table of learned positions.
    ///
    /// - Parameter remedy: what to change, with the limit.
    package func requireLength(_ tokens: Int, remedy: (_ limit: Int) -> String) throws(Failure) {
        guard let limit = positionLimit, tokens > limit else { return }
        throw Failure(
            .usage, "sequences of \(tokens) tokens were asked for, and the model has positions for \(limit)",
            remedy: remedy(limit))
    }
}

/// A rotary embedding with its scheme.
package struct RotaryChoice: Sendable {
    package let parameters: RotaryParameters
    package let scheme: any RotaryScheme
}

/// Which projections of a layer have a bias.
package struct ProjectionBiases: Sendable, Equatable {
    package var query = false
    package var key = false
    package var value = false
    package var output = false
    package var feedForward = false

    package init(
        query: Bool = false, key: Bool = false, value: Bool = false, output: Bool = false, feedForward: Bool = false
    ) {
        self.query = query
        self.key = key
        self.value = value
        self.output = output
        self.feedForward = feedForward
    }

    /// The same for all projections of attention and for those of the feed-forward layer.
    package init(attention: Bool, feedForward: Bool) {
        self.init(query: attention, key: attention, value: attention, output: attention, feedForward: feedForward)
    }
}

/// What becomes of the head's results.
package struct LogitsRule: Sendable {
    /// Logits are multiplied with it.
    package var scale: Float = 1
    /// Then they become cap·tanh(logit / cap).
    package var cap: Float?

    package init() {}

    /// Makes logits of the head's results, in place.
    package func apply(_ logits: FloatMatrix, _ context: ComputeContext) {
        if scale != 1 { context.scale(logits, by: scale, into: logits) }
        if let cap { context.softCap(logits, at: cap) }
    }
}
