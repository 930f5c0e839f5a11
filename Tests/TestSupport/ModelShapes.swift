/// The shape of a real decoder, from its published `config.json`.
package struct ModelShape: Sendable {
    package let name: String
    /// `model_type`.
    package let family: String
    package let width: Int
    package let layers: Int
    package let queryHeads: Int
    package let keyValueHeads: Int
    package let headWidth: Int
    package let feedForwardWidth: Int
    package let vocabulary: Int
    package let tiesHead: Bool
    package let positions: Int
    package let normEpsilon: Double
    package let rotaryBase: Double

    /// Whether queries, keys and values have biases.
    package var hasBiases: Bool { family == "qwen2" }

    package var queryWidth: Int { queryHeads * headWidth }
    package var keyWidth: Int { keyValueHeads * headWidth }

    /// The linears of a layer: name below the layer, outputs, inputs.
    package var linears: [(name: String, outputs: Int, inputs: Int)] {
        [
            ("self_attn.q_proj", queryWidth, width), ("self_attn.k_proj", keyWidth, width),
            ("self_attn.v_proj", keyWidth, width), ("self_attn.o_proj", width, queryWidth),
            ("mlp.gate_proj", feedForwardWidth, width), ("mlp.up_proj", feedForwardWidth, width),
            ("mlp.down_proj", width, feedForwardWidth),
        ]
    }

    /// Parameters of the matrices that a token is multiplied with, the head included.
    package var matrixParameterCount: Int {
        layers * linears.reduce(0) { $0 + $1.outputs * $1.inputs } + vocabulary * width
    }
}

/// The models that benchmarks and tests take shapes from.
package enum ModelShapes {
    package static let smolLM135M = ModelShape(
        name: "smollm2-135m", family: "llama", width: 576, layers: 30, queryHeads: 9, keyValueHeads: 3, headWidth: 64,
        feedForwardWidth: 1536, vocabulary: 49152, tiesHead: true, positions: 8192, normEpsilon: 1e-5,
        rotaryBase: 100_000)
    package static let qwen05B = ModelShape(
        name: "qwen2.5-0.5b", family: "qwen2", width: 896, layers: 24, queryHeads: 14, keyValueHeads: 2, headWidth: 64,
        feedForwardWidth: 4864, vocabulary: 151_936, tiesHead: true, positions: 32768, normEpsilon: 1e-6,
        rotaryBase: 1_000_000)
    package static let llama1B = ModelShape(
        name: "llama-1b", family: "llama", width: 2048, layers: 16, queryHeads: 32, keyValueHeads: 8, headWidth: 64,
        feedForwardWidth: 8192, vocabulary: 128_256, tiesHead: true, positions: 131_072, normEpsilon: 1e-5,
        rotaryBase: 500_000)
    package static let llama7B = ModelShape(
        name: "llama-7b", family: "llama", width: 4096, layers: 32, queryHeads: 32, keyValueHeads: 32, headWidth: 128,
        feedForwardWidth: 11008, vocabulary: 32000, tiesHead: false, positions: 2048, normEpsilon: 1e-6,
        rotaryBase: 10_000)

    package static let all = [smolLM135M, qwen05B, llama1B, llama7B]

    package static func named(_ name: String) -> ModelShape? { all.first { $0.name == name } }
}
