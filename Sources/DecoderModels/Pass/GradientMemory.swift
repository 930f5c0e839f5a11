package import Tensors

/// Gradients that hold nothing from one layer to the next.
package struct GradientMemory {
    /// [M, C]
    package var normed: FloatMatrix
    /// [M, F]
    package var activated: FloatMatrix
    /// [M, H·D]
    package var attended: FloatMatrix
    /// [M, H·D], [M, K·D], [M, K·D]; columns of `fused`, where those lie as they are used.
    package var query: FloatMatrix
    package var key: FloatMatrix
    package var value: FloatMatrix
    /// [M, (H + 2K)·D], with respect to the result of one projection for all three.
    package var fused: FloatMatrix?
    /// [M, C], with respect to a branch that is scaled or normalised before it is added to the residual stream.
    package var branch: FloatMatrix?
}

/// Places of the gradients of a pass in an arena, for up to `tokens` tokens.
struct GradientSlots {
    private let hidden, normed, activated, attended: ArenaSlot
    private let projections: ProjectionSlots
    private let branch: ArenaSlot?

    init(_ plan: inout ArenaPlan, tokens: Int, shape: DecoderConfiguration) {
        func reserve(_ width: Int) -> ArenaSlot {
            plan.reserve("gradients", Float.self, count: tokens * width)
        }
        hidden = reserve(shape.width)
        normed = reserve(shape.width)
        activated = reserve(shape.widestFeedForward)
        attended = reserve(shape.queryWidth)
        projections = ProjectionSlots(
            &plan, name: "gradients: ", tokens: tokens, shape: shape, holdsFused: shape.fusedHeads != nil)
        let names = shape.names
        let changesBranches =
            names.attentionOutputNorm != nil || names.feedForwardOutputNorm != nil || shape.residualScale != 1
        branch = changesBranches ? reserve(shape.width) : nil
    }

    /// The gradient of the residual stream [M, C], and those of a layer.
    func memory(_ arena: Arena, count: Int, shape: DecoderConfiguration, layer: Int) -> (
        hidden: FloatMatrix, layer: GradientMemory
    ) {
        func matrix(_ slot: ArenaSlot, _ columns: Int) -> FloatMatrix {
            arena.matrix(slot, rows: count, columns: columns)
        }
        let (query, key, value, fused) = projections.matrices(arena, count: count, shape: shape)
        return (
            matrix(hidden, shape.width),
            GradientMemory(
                normed: matrix(normed, shape.width), activated: matrix(activated, shape.feedForwardWidth(of: layer)),
                attended: matrix(attended, shape.queryWidth), query: query, key: key, value: value, fused: fused,
                branch: branch.map { matrix($0, shape.width) })
        )
    }
}
