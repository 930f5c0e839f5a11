package import Adapters
package import Kernels
package import Layers
internal import ModelFiles
package import System

/// A decoder with its frozen weights mapped and, perhaps, an adapter attached.
package final class DecoderModel {
    package let configuration: DecoderConfiguration
    /// The table of token embeddings [V, C].
    package let embedding: StoredMatrix
    package private(set) var blocks: [DecoderBlock]
    package let finalNorm: RMSNorm
    package private(set) var head: AdaptedLinear
    /// The adapter whose deltas the linears carry.
    package private(set) var adapters: AdapterSet?
    /// The formats the weights are stored in and their bytes, for reports.
    package let storage: StorageSummary
    private let owners: [AnyObject]

    init(
        configuration: DecoderConfiguration, embedding: StoredMatrix, blocks: [DecoderBlock], finalNorm: RMSNorm,
        head: AdaptedLinear, storage: StorageSummary, owners: [AnyObject]
    ) {
        self.configuration = configuration
        self.embedding = embedding
        self.blocks = blocks
        self.finalNorm = finalNorm
        self.head = head
        self.storage = storage
        self.owners = owners
    }

    /// The linears an adapter may be attached to, in the order of the reference's modules; the head comes last.
    package var sites: [AdapterSite] { blocks.flatMap { $0.linears.map(\.site) } + [head.site] }

    /// Attaches an adapter; with `gradients`, an array laid out as its parameters, passes may train it.
    package func attach(_ adapters: AdapterSet, gradients: UnsafeMutablePointer<Float>?) {
        func adapted(_ linear: AdaptedLinear) -> AdaptedLinear {
            var copy = linear
            copy.delta = adapters.index(of: linear.site.path).map {
                LowRankDelta(adapters, entry: $0, gradients: gradients)
            }
            return copy
        }
        for index in blocks.indices { blocks[index].updateLinears(adapted) }
        head = adapted(head)
        self.adapters = adapters
    }

    /// Attaches a PEFT adapter directory, to compute with it.
    ///
    /// - Throws: as `AdapterDirectory.read`.
    package func attach(adapterDirectory path: String) throws(Failure) {
        let loaded = try AdapterDirectory.read(path, sites: sites, outputHead: head.site.path)
        attach(loaded.parameters, gradients: nil)
    }

    /// The lowest layer with an adapter; the layer count where only the head has one, nil without any.
    package var lowestAdaptedLayer: Int? {
        blocks.firstIndex(where: \.isAdapted) ?? (head.delta == nil ? nil : blocks.count)
    }

    /// The widest input or output of the layers' linears, which sizes the scratch of their products.
    package var largestBlockDimension: Int {
        (blocks.first?.linears ?? []).reduce(configuration.width) {
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
