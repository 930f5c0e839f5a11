package import Adapters
package import Kernels
package import Layers
package import Tensors

/// One layer: h += o(attention(rotate(q, k), v)); h += down(silu(gate) · up), each on the normalised residual stream.
///
/// Forward and backward stand side by side; what passes between them is `BlockMemory`.
package struct DecoderBlock {
    package let inputNorm: RMSNorm
    package let postAttentionNorm: RMSNorm
    package var query: AdaptedLinear
    package var key: AdaptedLinear
    package var value: AdaptedLinear
    package var output: AdaptedLinear
    package var gate: AdaptedLinear
    package var up: AdaptedLinear
    package var down: AdaptedLinear
    package let attention: AttentionShape
    package let rotary: RotaryEmbedding

    /// The linears in the order of the reference's modules.
    package var linears: [AdaptedLinear] { [query, key, value, output, gate, up, down] }

    /// Whether any linear of the layer has an adapter.
    package var isAdapted: Bool { linears.contains { $0.delta != nil } }

    /// Replaces each linear by what `transform` makes of it.
    package mutating func updateLinears(_ transform: (AdaptedLinear) -> AdaptedLinear) {
        query = transform(query)
        key = transform(key)
        value = transform(value)
        output = transform(output)
        gate = transform(gate)
        up = transform(up)
        down = transform(down)
    }

    /// `result` [M, C] from `input` [M, C], which stays as it is unless `result` is the same memory.
    package func forward(
        _ input: FloatMatrix, into result: FloatMatrix, _ memory: BlockMemory, _ shared: SharedMemory,
        _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let context = run.context
        inputNorm.forward(input, into: shared.normed, reciprocals: memory.inputReciprocals, context)
        query.forward(shared.normed, into: memory.query, saved: memory.saved[0], tokens, run)
        key.forward(shared.normed, into: memory.key, saved: memory.saved[1], tokens, run)
        value.forward(shared.normed, into: memory.value, saved: memory.saved[2], tokens, run)
        rotate(memory.query, heads: attention.queryHeads, tokens, inverse: false, context)
        rotate(memory.key, heads: attention.keyValueHeads, tokens, inverse: false, context)
        context.attentionForward(
            q: memory.query, k: memory.key, v: memory.value, segments: tokens.segments, shape: attention,
            into: memory.attended, logSumExp: memory.logSumExp, scratch: run.scratch.bytes)
        output.forward(memory.attended, into: memory.middle, saved: memory.saved[3], tokens, run)
        context.add(input, into: memory.middle)
        feedForward(into: result, memory, shared, tokens, run)
    }

    /// `result` = middle + down(silu(gate) · up), of the normalised middle.
    package func feedForward(
        into result: FloatMatrix, _ memory: BlockMemory, _ shared: SharedMemory, _ tokens: TokenLayout,
        _ run: AdapterRun
    ) {
        let context = run.context
        postAttentionNorm.forward(memory.middle, into: shared.normed, reciprocals: memory.middleReciprocals, context)
        gate.forward(shared.normed, into: memory.gate, saved: memory.saved[4], tokens, run)
        up.forward(shared.normed, into: memory.up, saved: memory.saved[5], tokens, run)
        context.gatedSiLU(gate: memory.gate, up: memory.up, into: shared.activated)
        down.forward(shared.activated, into: result, saved: memory.saved[6], tokens, run)
        context.add(memory.middle, into: result)
    }

    /// Turns dH [M, C], the gradient with respect to the layer's result, into that with respect to `input`, and adds
    /// parameter gradients. `needsInputGradient` is false where nothing below is trained: then dH is left undefined.
    ///
    /// Gate, up, query, key and value of `memory` are used up.
    package func backward(
        _ dH: FloatMatrix, input: FloatMatrix, needsInputGradient: Bool, _ memory: BlockMemory, _ shared: SharedMemory,
        _ gradients: GradientMemory, _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let context = run.context
        context.gatedSiLU(gate: memory.gate, up: memory.up, into: shared.activated)
        down.backward(
            dH, x: shared.activated, saved: memory.saved[6], into: gradients.activated, adding: false, tokens, run)
        context.gatedSiLUBackward(
            gradients.activated, gate: memory.gate, up: memory.up, into: memory.gate, memory.up)
        postAttentionNorm.forward(memory.middle, into: shared.normed, reciprocals: memory.middleReciprocals, context)
        gate.backward(
            memory.gate, x: shared.normed, saved: memory.saved[4], into: gradients.normed, adding: false, tokens, run)
        up.backward(
            memory.up, x: shared.normed, saved: memory.saved[5], into: gradients.normed, adding: true, tokens, run)
        postAttentionNorm.backward(
            gradients.normed, x: memory.middle, reciprocals: memory.middleReciprocals, addingTo: dH, context)

        output.backward(
            dH, x: memory.attended, saved: memory.saved[3], into: gradients.attended, adding: false, tokens, run)
        context.attentionBackward(
            gradients.attended, q: memory.query, k: memory.key, v: memory.value, out: memory.attended,
            logSumExp: memory.logSumExp, segments: tokens.segments, shape: attention, into: gradients.query,
            gradients.key, gradients.value, scratch: run.scratch.bytes)
        rotate(gradients.query, heads: attention.queryHeads, tokens, inverse: true, context)
        rotate(gradients.key, heads: attention.keyValueHeads, tokens, inverse: true, context)
        inputNorm.forward(input, into: shared.normed, reciprocals: memory.inputReciprocals, context)
        let dNormed = needsInputGradient ? gradients.normed : nil
        query.backward(
            gradients.query, x: shared.normed, saved: memory.saved[0], into: dNormed, adding: false, tokens, run)
        key.backward(gradients.key, x: shared.normed, saved: memory.saved[1], into: dNormed, adding: true, tokens, run)
        value.backward(
            gradients.value, x: shared.normed, saved: memory.saved[2], into: dNormed, adding: true, tokens, run)
        if let dNormed {
            inputNorm.backward(dNormed, x: input, reciprocals: memory.inputReciprocals, addingTo: dH, context)
        }
    }

    private func rotate(
        _ x: FloatMatrix, heads: Int, _ tokens: TokenLayout, inverse: Bool, _ context: ComputeContext
    ) {
        rotary.rotate(
            x, heads: heads, positions: tokens.positions, segments: tokens.segments, lengths: { Int($0.count) },
            inverse: inverse, context)
    }
}
