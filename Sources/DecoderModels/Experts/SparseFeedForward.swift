internal import Adapters
internal import Kernels
internal import Tensors

/// The experts of a layer: y = Σ wₑ·downₑ(act(gateₑ(x)) · upₑ(x)) over the k experts that a token's router chooses.
///
/// Each expert runs once over the rows of all its tokens; the weights of experts without tokens are not read. A token's
/// terms are added in the order of the experts, and an expert's rows are those of its tokens in their order, so that
/// results depend neither on other tokens nor on how rows are batched. Cost for each token: 6·k·C·F forward, twice that
/// backward.
package struct SparseFeedForward {
    /// One expert: its projections as linears of their own, and as parts of stacks, which share their matrices with them.
    struct Expert {
        var gate, up, down: AdaptedLinear
        var stackedGateUp, stackedDown: AdaptedLinear

        /// The linears that fill gate and up, one behind the other.
        var inputs: [AdaptedLinear] { stackedGateUp.delta == nil ? [gate, up] : [stackedGateUp] }
        var output: AdaptedLinear { stackedDown.delta == nil ? down : stackedDown }
    }

    let design: ExpertsDesign
    let activation: Activation
    private(set) var experts: [Expert]

    init(design: ExpertsDesign, activation: Activation, experts: [Expert]) {
        self.design = design
        self.activation = activation
        self.experts = experts
    }

    /// The sites of the stacks, and those of single experts.
    var stackedSites: [AdapterSite] { experts.prefix(1).flatMap { [$0.stackedGateUp.site, $0.stackedDown.site] } }
    var singleSites: [AdapterSite] { experts.flatMap { [$0.gate.site, $0.up.site, $0.down.site] } }

    /// The linears that share an input.
    var groups: [[AdaptedLinear]] { experts.flatMap { [$0.inputs, [$0.output]] } }

    var isAdapted: Bool { experts.contains { ($0.inputs + [$0.output]).contains { $0.delta != nil } } }

    /// Floats for each row that adapters keep, of what goes into experts and of what comes out.
    var savedWidths: (input: Int, output: Int) {
        (
            experts.map { $0.inputs.reduce(0) { $0 + $1.savedWidth } }.max() ?? 0,
            experts.map(\.output.savedWidth).max() ?? 0
        )
    }

    /// Replaces each linear by what `transform` makes of it as the copy with that index.
    mutating func updateLinears(_ transform: (AdaptedLinear, _ copy: Int) -> AdaptedLinear) {
        for index in experts.indices {
            experts[index].gate = transform(experts[index].gate, 0)
            experts[index].up = transform(experts[index].up, 0)
            experts[index].down = transform(experts[index].down, 0)
            experts[index].stackedGateUp = transform(experts[index].stackedGateUp, index)
            experts[index].stackedDown = transform(experts[index].stackedDown, index)
        }
    }

    /// Adds to `result` [M, C] what the experts make of x [M, C], by the routing in `memory`.
    func forward(
        _ x: FloatMatrix, addingTo result: FloatMatrix, _ memory: ExpertsMemory, _ scratch: ExpertsScratch,
        _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        let context = run.context, routing = memory.routing
        context.gatherRows(of: x, at: routing.tokens, into: scratch.into)
        for (index, expert) in experts.enumerated() {
            let rows = routing.rows(of: index)
            guard !rows.isEmpty else { continue }
            let gateUp = memory.gateUp.rows(rows), activated = scratch.activated.rows(rows)
            let layout = layout(rows, tokens)
            AdaptedLinear.forward(
                scratch.into.rows(rows),
                inputs(expert, rows, memory).map { AdaptedOutput($0, .float32($1), saved: $2) },
                layout, run)
            let (gate, up) = halves(gateUp)
            let activation = context.activate(activation, gate: .float32(gate), up: .float32(up), into: activated)
            let output = AdaptedOutput(
                expert.output, .float32(scratch.out.rows(rows)), saved: memory.savedOutput.rows(rows))
            AdaptedLinear.forward(activated, [output], filling: [activation], keepsInput: false, layout, run)
        }
        context.sumRows(
            scratch.out, at: routing.places, perRow: design.perToken, factors: routing.weights, into: result,
            adding: true)
    }

    /// Writes to dX [M, C] the gradient with respect to x that goes through the experts, and to `scratch` what that of the
    /// routing's logits is made of, from that of the result, dY [M, C].
    ///
    /// With a = act(gate)·up of a row, the gradient of down(a) is w·dY, and w·dw = w·⟨dY, down(a)⟩ = ⟨downᵀ(w·dY), a⟩, adapters
    /// included. Gate and up of `memory` are used up.
    func backward(
        _ dY: FloatMatrix, x: FloatMatrix, into dX: FloatMatrix, _ memory: ExpertsMemory, _ scratch: ExpertsScratch,
        _ tokens: TokenLayout, _ run: AdapterRun
    ) {
        guard let gradients = scratch.gradients else { fatalError("experts without memory for gradients") }
        let context = run.context, routing = memory.routing
        context.gatherRows(of: x, at: routing.tokens, into: scratch.into)
        context.gatherRows(of: dY, at: routing.tokens, into: scratch.out)
        for (index, expert) in experts.enumerated() {
            let rows = routing.rows(of: index)
            guard !rows.isEmpty else { continue }
            let layout = layout(rows, tokens)
            let (gate, up) = halves(memory.gateUp.rows(rows)), activated = scratch.activated.rows(rows)
            let dActivated = gradients.activated.rows(rows), dOut = scratch.out.rows(rows)
            let recomputed = context.activate(activation, gate: .float32(gate), up: .float32(up), into: activated)
            context.scaleRows(dOut, by: routing.rowWeights + rows.lowerBound, into: dOut)
            AdaptedLinear.backward(
                [AdaptedGradient(expert.output, dOut, saved: memory.savedOutput.rows(rows))], x: activated,
                into: dActivated, adding: false, beside: [recomputed], layout, run)
            context.dotRows(dActivated, activated, into: gradients.products + rows.lowerBound)
            let differentiated = context.activateBackward(
                activation, dActivated, gate: .float32(gate), up: .float32(up), into: gate, up)
            AdaptedLinear.backward(
                inputs(expert, rows, memory).map { AdaptedGradient($0, $1, saved: $2) }, x: scratch.into.rows(rows),
                into: dOut, adding: false, filling: [differentiated], layout, run)
        }
        context.sumRows(
            scratch.out, at: routing.places, perRow: design.perToken, factors: nil, into: dX, adding: false)
    }

    private func halves(_ gateUp: FloatMatrix) -> (gate: FloatMatrix, up: FloatMatrix) {
        (gateUp.columns(0..<design.width), gateUp.columns(design.width..<2 * design.width))
    }

    /// The linears that an expert's rows go into, each with its columns of gate and up and of what adapters keep.
    private func inputs(_ expert: Expert, _ rows: Range<Int>, _ memory: ExpertsMemory) -> [(
        linear: AdaptedLinear, matrix: FloatMatrix, saved: FloatMatrix
    )] {
        let gateUp = memory.gateUp.rows(rows), saved = memory.savedInput.rows(rows)
        var column = 0, kept = 0
        return expert.inputs.map { linear in
            defer {
                column += linear.site.outputs
                kept += linear.savedWidth
            }
            return (
                linear, gateUp.columns(column..<column + linear.site.outputs),
                saved.columns(kept..<kept + linear.savedWidth)
            )
        }
    }

    /// The layout of an expert's rows. Adapters of experts have no dropout, so nobody asks for positions.
    private func layout(_ rows: Range<Int>, _ tokens: TokenLayout) -> TokenLayout {
        TokenLayout(
            count: rows.count, segments: tokens.segments, positions: tokens.positions,
            rowIdentifiers: tokens.rowIdentifiers, dropoutStream: nil)
    }
}
