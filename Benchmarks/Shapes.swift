/// A projection of a model: W [outputs, inputs].
struct LayerShape: Sendable {
    let model: String
    let layer: String
    let outputs: Int
    let inputs: Int
}

/// The projections of real models, each distinct shape once.
enum LayerShapes {
    static let all: [LayerShape] = [
        LayerShape(model: "Llama-1B", layer: "q, o", outputs: 2048, inputs: 2048),
        LayerShape(model: "Llama-1B", layer: "k, v", outputs: 512, inputs: 2048),
        LayerShape(model: "Llama-1B", layer: "gate, up", outputs: 8192, inputs: 2048),
        LayerShape(model: "Llama-1B", layer: "down", outputs: 2048, inputs: 8192),
        LayerShape(model: "Llama-7B", layer: "q, k, v, o", outputs: 4096, inputs: 4096),
        LayerShape(model: "Llama-7B", layer: "gate, up", outputs: 11008, inputs: 4096),
        LayerShape(model: "Llama-7B", layer: "down", outputs: 4096, inputs: 11008),
        LayerShape(model: "Qwen-0.5B", layer: "q, o", outputs: 896, inputs: 896),
        LayerShape(model: "Qwen-0.5B", layer: "k, v", outputs: 128, inputs: 896),
        LayerShape(model: "Qwen-0.5B", layer: "gate, up", outputs: 4864, inputs: 896),
        LayerShape(model: "Qwen-0.5B", layer: "down", outputs: 896, inputs: 4864),
        LayerShape(model: "SmolLM-135M", layer: "q, o", outputs: 576, inputs: 576),
        LayerShape(model: "SmolLM-135M", layer: "k, v", outputs: 192, inputs: 576),
        LayerShape(model: "SmolLM-135M", layer: "gate, up", outputs: 1536, inputs: 576),
        LayerShape(model: "SmolLM-135M", layer: "down", outputs: 576, inputs: 1536),
    ]

    /// The shapes in which most of the time of training goes.
    static let few: [LayerShape] = all.filter {
        $0.model == "Llama-1B" || ($0.model == "Qwen-0.5B" && $0.layer != "q, o")
    }
}
