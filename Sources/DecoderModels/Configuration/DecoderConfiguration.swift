package import Layers
internal import System

/// A decoder, resolved to numbers: what config.json says in one of its spellings, with the family's defaults filled in.
package struct DecoderConfiguration: Sendable {
    /// `model_type`.
    package var modelType: String
    /// V.
    package var vocabularySize: Int
    /// C, width of the residual stream.
    package var width: Int
    package var layerCount: Int
    /// H.
    package var queryHeads: Int
    /// K; H is a multiple of it.
    package var keyValueHeads: Int
    /// D.
    package var headWidth: Int
    /// F.
    package var feedForwardWidth: Int
    package var normEpsilon: Float
    /// `max_position_embeddings`.
    package var maximumPositions: Int
    /// The head shares the embedding's table.
    package var tiesHead: Bool
    package var biases: ProjectionBiases
    /// For each layer, how many tokens it sees, itself included; nil where it sees all before it.
    package var windows: [Int?]
    package var rotary: RotaryParameters
    package var rotaryScheme: any RotaryScheme
    /// End tokens: `eos_token_id`, one or several.
    package var endTokens: [Int]
    /// `bos_token_id`.
    package var beginToken: Int?

    /// Parameters in the linears of all layers (the head apart): what a token's products cost, divided by two.
    package var linearParameterCount: Int {
        let attention = width * headWidth * (2 * queryHeads + 2 * keyValueHeads)
        return layerCount * (attention + 3 * width * feedForwardWidth)
    }
}

/// Which projections of a layer have a bias.
package struct ProjectionBiases: Sendable, Equatable {
    package var query = false
    package var key = false
    package var value = false
    package var output = false
    package var feedForward = false

    package init(query: Bool, key: Bool, value: Bool, output: Bool, feedForward: Bool) {
        self.query = query
        self.key = key
        self.value = value
        self.output = output
        self.feedForward = feedForward
    }
}
