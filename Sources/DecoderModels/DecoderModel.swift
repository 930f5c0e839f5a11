package import Adapters
package import Kernels
package import Layers
internal import ModelFiles
package import System
internal import Tensors

/// A decoder with its frozen weights mapped and, perhaps, an adapter attached.
package final class DecoderModel {
    package let configuration: DecoderConfiguration
    /// The table of token embeddings [V, C].
    package let embedding: StoredMatrix
    /// The table of learned positions [P, C] in float32, nil for a model without.
    private let positions: FloatMatrix?
    package private(set) var blocks: [DecoderBlock]
    package let finalNorm: Norm
    package private(set) var head: AdaptedLinear
    /// The adapter whose deltas the linears carry.
    package private(set) var adapters: AdapterSet?
    /// The formats the weights are stored in and their bytes, for reports.
    package let storage: StorageSummary
    private let owners: [AnyObject]

    init(
        configuration: DecoderConfiguration, embedding: StoredMatrix, positions: FloatMatrix?, blocks: [DecoderBlock],
        finalNorm: Norm, head: AdaptedLinear, storage: StorageSummary, owners: [AnyObject]
    ) {
        self.configuration = configuration
        self.embedding = embedding
        self.positions = positions
        self.blocks = blocks
        self.finalNorm = finalNorm
        self.head = head
        self.storage = storage
        self.owners = owners
    }

    /// The linears an adapter may be attached to, in the order in which PEFT adapts them: modules as the reference has them,
    /// the head, parameters (routers and stacked experts); then the linears of single experts.
    package var sites: [AdapterSite] {
        let linears = blocks.flatMap { $0.linears.map(\.site) }
        let parameters = blocks.flatMap { block in
            block.linears.map(\.site).filter { $0.role != nil } + (block.experts?.stackedSites ?? [])
        }
        return linears.filter { $0.role == nil } + [head.site] + parameters
            + blocks.flatMap { $0.experts?.singleSites ?? [] }
    }

    /// The residual stream [M, C] that the first layer reads.
    ///
    /// Every id is below the size of the vocabulary and every position below `positionLimit`: another ends the process.
    func embed(_ ids: [Int32], _ tokens: TokenLayout, into hidden: FloatMatrix, _ context: ComputeContext) {
        ids.withUnsafeBufferPointer { ids in
            guard let base = ids.baseAddress else { return }
            context.gatherRows(embedding, ids: base, count: ids.count, into: hidden)
        }
        if configuration.embeddingScale != 1 {
            context.scale(hidden, by: configuration.embeddingScale, into: hidden)
        }
        if let positions { context.addRows(of: positions, at: tokens.positions, into: hidden) }
    }

    /// Attaches an adapter; with `gradients`, an array laid out as its parameters, passes may train it.
    package func attach(_ adapters: AdapterSet, gradients: UnsafeMutablePointer<Float>?) {
        func adapted(_ linear: AdaptedLinear, copy: Int) -> AdaptedLinear {
            var adapted = linear
            adapted.delta = adapters.index(of: linear.site.path).map {
                LowRankDelta(adapters, entry: $0, copy: copy, gradients: gradients)
            }
            return adapted
        }
        for index in blocks.indices { blocks[index].updateLinears(adapted) }
        head = adapted(head, copy: 0)
        self.adapters = adapters
    }

    /// Attaches a PEFT adapter directory, to compute with it.
    ///
    /// - Throws: as `AdapterDirectory.read`.
    package func attach(adapterDirectory path: String) throws(Failure) {
        let loaded = try AdapterDirectory.read(path, sites: sites, outputHead: head.site.path)
        attach(loaded.parameters, gradients: nil)
    }

    /// Whether linears of the layers are stored [inputs, outputs].
    package var storesTransposed: Bool { blocks.contains { $0.linears.contains(where: \.isTransposed) } }

    /// The lowest layer with an adapter; the layer count where only the head has one, nil without any.
    package var lowestAdaptedLayer: Int? {
        blocks.firstIndex(where: \.isAdapted) ?? (head.delta == nil ? nil : blocks.count)
    }

    /// The widest input or output of the layers' linears, which sizes the scratch of their products.
    package var largestBlockDimension: Int {
        blocks.flatMap(\.linears).reduce(max(configuration.width, configuration.experts?.width ?? 0)) {
            max($0, $1.site.inputs, $1.site.outputs)
        }
    }
}

/// Bytes of the base by stored format.
package struct StorageSummary: Sendable {
    /// Format name to bytes, in the order met.
    package private(set) var formats: [(name: String, byteCount: Int)] = []

    package mutating func add(_ name: String, _ byteCount: Int) {
        if let index = formats.firstIndex(where: { $0.name == name }) {
            formats[index].byteCount += byteCount
        } else {
            formats.append((name, byteCount))
        }
    }

    package var byteCount: Int { formats.reduce(0) { $0 + $1.byteCount } }
}
