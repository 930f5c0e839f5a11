internal import TestSupport

/// A projection of a model: W [outputs, inputs].
struct LayerShape: Sendable {
    let model: String
    let layer: String
    let outputs: Int
    let inputs: Int
}

/// The projections of real models, each distinct shape of a model once.
enum LayerShapes {
    static let all: [LayerShape] = ModelShapes.all.flatMap { model in
        var shapes: [LayerShape] = []
        for linear in model.linears
        where !shapes.contains(where: { $0.outputs == linear.outputs && $0.inputs == linear.inputs }) {
            let layer = linear.name.split(separator: ".").last.map { String($0.dropLast("_proj".count)) }
            shapes.append(
                LayerShape(
                    model: model.name, layer: layer ?? linear.name, outputs: linear.outputs, inputs: linear.inputs))
        }
        return shapes
    }

    /// The shapes that the figures of the 1B and 7B models are medians over.
    static let large: [LayerShape] = all.filter { $0.model == "llama-1b" || $0.model == "llama-7b" }

    /// The shapes in which most of the time of training goes.
    static let few: [LayerShape] = all.filter {
        $0.model == "llama-1b" || ($0.model == "qwen2.5-0.5b" && $0.layer != "q")
    }
}
