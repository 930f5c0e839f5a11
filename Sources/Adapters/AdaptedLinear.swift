internal import Kernels
package import Layers
package import Tensors

/// A frozen linear with whatever an adapter adds to it. The model sees only this and never learns what the delta is.
package struct AdaptedLinear: Sendable {
    package let site: AdapterSite
    package let base: FrozenLinear
    package var delta: (any AdapterDelta)?

    package init(path: String, base: FrozenLinear) {
        site = AdapterSite(path: path, inputs: base.inputs, outputs: base.outputs)
        self.base = base
    }

    /// Floats for each token that forward keeps for backward.
    package var savedWidth: Int { delta?.savedWidth ?? 0 }

    /// y [M, N] = base(x) + delta(x).
    package func forward(
        _ x: FloatMatrix, into y: FloatMatrix, saved: FloatMatrix, _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        if run.fewRows {
            base.forwardFewRows(x, into: y, run.context, run.scratch)
        } else {
            base.forward(x, into: y, run.context, run.scratch)
        }
        delta?.forward(x, addingTo: y, saved: saved, tokens, run)
    }

    /// Adds parameter gradients; writes (or adds) the gradient with respect to x to dX, where that is wanted.
    package func backward(
        _ dY: FloatMatrix, x: FloatMatrix, saved: FloatMatrix, into dX: FloatMatrix?, adding: Bool,
        _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        if let dX { base.backward(dY, into: dX, adding: adding, run.context, run.scratch) }
        delta?.backward(dY, x: x, saved: saved, addingTo: dX, tokens, run)
    }
}
