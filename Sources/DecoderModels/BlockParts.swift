internal import Kernels
package import Layers

/// The norms of a layer; one that is nil is not applied.
package struct BlockNorms: Sendable {
    /// Of what attention reads.
    package var input: Norm?
    /// Of what the feed-forward layer reads.
    package var feedForward: Norm?
    /// Of what attention gives, and what the feed-forward layer gives.
    package var attentionOutput: Norm?
    package var feedForwardOutput: Norm?
    /// Of queries and keys.
    package var query: Norm?
    package var key: Norm?
}

/// Where each linear of a layer stands in the list of them; those a family lacks are nil.
struct LinearPlaces: Sendable {
    let query, key, value, queryKeyValue, router, sharedGate: Int?
    let output: Int
    /// What every token of the layer goes through; nil where there are experts alone.
    let feedForward: FeedForward?

    struct FeedForward: Sendable {
        /// The projection that the activation is applied to; unused where `gateUp` is there.
        let gate: Int
        let up, gateUp: Int?
        let down: Int
    }

    init(_ linears: [LayerLinear]) {
        func place(_ role: LayerLinear.Role) -> Int? { linears.firstIndex { $0.role == role } }
        guard let output = place(.output) else { fatalError("a layer has no output projection") }
        query = place(.query)
        key = place(.key)
        value = place(.value)
        queryKeyValue = place(.queryKeyValue)
        router = place(.router)
        sharedGate = place(.sharedGate)
        self.output = output
        feedForward =
            if let gate = place(.gate) ?? place(.gateUp), let down = place(.down) {
                FeedForward(gate: gate, up: place(.up), gateUp: place(.gateUp), down: down)
            } else {
                nil
            }
    }
}

/// What the arithmetic of a layer depends on beside its weights.
struct BlockDesign: Sendable {
    let activation: Activation
    let isParallel: Bool
    /// The feed-forward layer reads what attention reads.
    let sharesInput: Bool
    let residualScale: Float
    /// The runs of columns of one projection for queries, keys and values.
    let fusedRuns: (query: [ColumnRun], key: [ColumnRun], value: [ColumnRun])
    /// Queries, keys and values are copied out of the result of that projection: they do not lie in it as they are used.
    let copiesFused: Bool

    init(_ shape: DecoderConfiguration) {
        activation = shape.activation
        isParallel = shape.isParallel
        sharesInput = shape.isParallel && shape.names.feedForwardNorm == nil
        residualScale = shape.residualScale
        fusedRuns = shape.fusedRuns
        copiesFused = shape.fusedHeads == .interleaved
    }
}
