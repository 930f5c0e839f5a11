internal import Adapters
internal import Kernels
internal import Layers
internal import Tensors

/// Queries, keys and values of a layer before they are rotated, with their gradient.
extension DecoderBlock {
    /// Fills query, key and value of `memory` from x [M, C].
    func project(
        _ x: BranchInput, _ memory: BlockMemory, _ shared: SharedMemory, _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let query = memory.heads?.query ?? memory.query, key = memory.heads?.key ?? memory.key
        if let place = places.queryKeyValue, let fused = memory.fused ?? shared.fused {
            apply([(place, .float32(fused))], x, memory, tokens, run)
            if design.copiesFused {
                run.context.copyColumns(fused, into: query, design.fusedRuns.query)
                run.context.copyColumns(fused, into: key, design.fusedRuns.key)
                run.context.copyColumns(fused, into: memory.value, design.fusedRuns.value)
            }
        } else if let queryPlace = places.query, let keyPlace = places.key, let valuePlace = places.value {
            apply(
                [(queryPlace, .float32(query)), (keyPlace, .float32(key)), (valuePlace, .float32(memory.value))], x,
                memory, tokens, run)
        }
        guard let heads = memory.heads else { return }
        run.context.run(
            [
                norms.query?.forward(
                    heads.query, into: memory.query, reciprocals: heads.queryReciprocals, run.context),
                norms.key?.forward(heads.key, into: memory.key, reciprocals: heads.keyReciprocals, run.context),
            ].compactMap(\.self))
    }

    /// From the gradients of queries, keys and values, rotated and used up, to that of x, where it is wanted.
    func projectBackward(
        _ x: BranchInput, into dX: FloatMatrix?, adding: Bool, _ memory: BlockMemory, _ gradients: GradientMemory,
        _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let context = run.context
        var filling = rotations(
            gradients.query, gradients.key, tokens, lengths: { Int($0.count) }, inverse: true, context)
        if let heads = memory.heads {
            filling += [
                norms.query?.backward(
                    gradients.query, x: heads.query, reciprocals: heads.queryReciprocals, into: gradients.query,
                    adding: false, context),
                norms.key?.backward(
                    gradients.key, x: heads.key, reciprocals: heads.keyReciprocals, into: gradients.key, adding: false,
                    context),
            ].compactMap(\.self)
        }
        if let place = places.queryKeyValue, let fused = gradients.fused {
            if design.copiesFused {
                context.run(filling)
                filling = []
                context.copyColumns(gradients.query, into: fused, design.fusedRuns.query.map(\.reversed))
                context.copyColumns(gradients.key, into: fused, design.fusedRuns.key.map(\.reversed))
                context.copyColumns(gradients.value, into: fused, design.fusedRuns.value.map(\.reversed))
            }
            applyBackward([(place, fused)], filling: filling, x: x, into: dX, adding: adding, memory, tokens, run)
        } else if let queryPlace = places.query, let keyPlace = places.key, let valuePlace = places.value {
            applyBackward(
                [(queryPlace, gradients.query), (keyPlace, gradients.key), (valuePlace, gradients.value)],
                filling: filling, x: x, into: dX, adding: adding, memory, tokens, run)
        }
    }
}
