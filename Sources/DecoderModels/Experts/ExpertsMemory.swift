internal import Tensors

/// What the experts of a layer leave for their backward, for M tokens and k experts each.
package struct ExpertsMemory {
    let routing: Routing
    /// [M·k, 2F], gate and up in the order of experts.
    let gateUp: FloatMatrix
    /// What adapters keep of what goes into experts and of what comes out, [M·k, R] each.
    let savedInput, savedOutput: FloatMatrix
    /// [M, 1] and [M, C]: the share of the expert for all tokens, and what that expert gives.
    let shared: (share: FloatMatrix, output: FloatMatrix)?
}

/// Rows that hold nothing from one layer to the next.
package struct ExpertsScratch {
    /// [M·k, C], what goes into the experts, and what comes out.
    let into: FloatMatrix
    let out: FloatMatrix
    /// [M·k, F]
    let activated: FloatMatrix
    /// For training only: the gradient of `activated`; [M·k], each row's weight times its gradient; the gradient of the
    /// router's logits [M, E]; what every token adds to the gradient of each probability [E], the auxiliary loss.
    let gradients:
        (
            activated: FloatMatrix, products: UnsafeMutablePointer<Float>, logits: FloatMatrix,
            balance: UnsafeMutablePointer<Float>
        )?
}

/// Places of an `ExpertsMemory` in an arena, for up to `tokens` tokens.
struct ExpertsSlots {
    private let design: ExpertsDesign
    private let width: Int
    private let savedWidths: (input: Int, output: Int)
    private let probabilities, experts, weights, places, tokens, rowWeights, starts, gateUp: ArenaSlot
    private let savedInput, savedOutput: ArenaSlot
    private let shared: (share: ArenaSlot, output: ArenaSlot)?

    /// - Parameter savedWidths: floats for each row that adapters keep, the most of any layer that uses the memory.
    init(
        _ plan: inout ArenaPlan, name: String, tokens count: Int, _ design: ExpertsDesign, width: Int,
        savedWidths: (input: Int, output: Int)
    ) {
        func reserve(_ what: String, _ elements: Int) -> ArenaSlot {
            plan.reserve("\(name): \(what)", Float.self, count: elements)
        }
        func reserveIndices(_ what: String, _ elements: Int) -> ArenaSlot {
            plan.reserve("\(name): \(what)", Int32.self, count: elements)
        }
        let rows = count * design.perToken
        self.design = design
        self.width = width
        self.savedWidths = savedWidths
        probabilities = reserve("probabilities of experts", count * design.count)
        experts = reserveIndices("chosen experts", rows)
        weights = reserve("weights of experts", rows)
        places = reserveIndices("rows of tokens", rows)
        tokens = reserveIndices("tokens of rows", rows)
        rowWeights = reserve("weights of rows", rows)
        starts = reserveIndices("rows of experts", design.count + 1)
        gateUp = reserve("gate and up of experts", rows * 2 * design.width)
        savedInput = reserve("low-rank products into experts", rows * savedWidths.input)
        savedOutput = reserve("low-rank products out of experts", rows * savedWidths.output)
        shared =
            design.sharedWidth == 0
            ? nil : (reserve("share of the shared expert", count), reserve("shared expert", count * width))
    }

    func memory(_ arena: Arena, count: Int) -> ExpertsMemory {
        func floats(_ slot: ArenaSlot) -> UnsafeMutablePointer<Float> {
            arena.matrix(slot, rows: 1, columns: 0).base
        }
        func indices(_ slot: ArenaSlot) -> UnsafeMutablePointer<Int32> {
            guard let base = arena.elements(slot, as: Int32.self).baseAddress else {
                fatalError("an arena slot has no memory")
            }
            return base
        }
        let rows = count * design.perToken
        return ExpertsMemory(
            routing: Routing(
                expertCount: design.count, perToken: design.perToken, tokenCount: count,
                probabilities: floats(probabilities), experts: indices(experts), weights: floats(weights),
                places: indices(places), tokens: indices(tokens), rowWeights: floats(rowWeights),
                starts: indices(starts)),
            gateUp: arena.matrix(gateUp, rows: rows, columns: 2 * design.width),
            savedInput: arena.matrix(savedInput, rows: rows, columns: savedWidths.input),
            savedOutput: arena.matrix(savedOutput, rows: rows, columns: savedWidths.output),
            shared: shared.map {
                (
                    arena.matrix($0.share, rows: count, columns: 1),
                    arena.matrix($0.output, rows: count, columns: width)
                )
            })
    }
}

/// Places of an `ExpertsScratch` in an arena.
struct ExpertsScratchSlots {
    private let design: ExpertsDesign
    private let width: Int
    private let into, out, activated: ArenaSlot
    private let gradients: (activated: ArenaSlot, products: ArenaSlot, logits: ArenaSlot, balance: ArenaSlot)?

    init(_ plan: inout ArenaPlan, tokens: Int, _ design: ExpertsDesign, width: Int, training: Bool) {
        func reserve(_ what: String, _ elements: Int) -> ArenaSlot {
            plan.reserve("experts: \(what)", Float.self, count: elements)
        }
        let rows = tokens * design.perToken
        self.design = design
        self.width = width
        into = reserve("rows", rows * width)
        out = reserve("results", rows * width)
        activated = reserve("gated activations", rows * design.width)
        gradients =
            training
            ? (
                reserve("gradients", rows * design.width), reserve("gradients of weights", rows),
                reserve("gradients of logits", tokens * design.count), reserve("balance", design.count)
            ) : nil
    }

    func scratch(_ arena: Arena, count: Int) -> ExpertsScratch {
        let rows = count * design.perToken
        return ExpertsScratch(
            into: arena.matrix(into, rows: rows, columns: width), out: arena.matrix(out, rows: rows, columns: width),
            activated: arena.matrix(activated, rows: rows, columns: design.width),
            gradients: gradients.map {
                (
                    arena.matrix($0.activated, rows: rows, columns: design.width),
                    arena.matrix($0.products, rows: rows, columns: 1).base,
                    arena.matrix($0.logits, rows: count, columns: design.count),
                    arena.matrix($0.balance, rows: 1, columns: design.count).base
                )
            })
    }
}
