public import QuantFormats

/// What to make of a checkpoint.
public struct QuantizationOptions: Sendable {
    /// The format of the linears; nil leaves them as they are.
    public var format: QuantFormat?
    /// Elements that share a scale, in linears and embeddings.
    public var blockSize: Int
    /// Whether scales are quantized again, in the formats that can.
    public var isDoubleQuantized: Bool
    /// Patterns of modules that stay as they are; see `ModuleFilter`.
    public var keep: [String]
    /// The format of the embedding table, which a tied head shares; nil leaves it as it is.
    public var embeddingFormat: QuantFormat?
    /// The most memory the process may take, in bytes; nil for what the work is fastest with.
    public var memoryLimit: Int?
    /// The most bytes of a weight file.
    public var shardByteCount: Int

    public init(
        format: QuantFormat? = .nf4, blockSize: Int = 64, isDoubleQuantized: Bool = true, keep: [String] = [],
        embeddingFormat: QuantFormat? = nil, memoryLimit: Int? = nil, shardByteCount: Int = 50_000_000_000
    ) {
        self.format = format
        self.blockSize = blockSize
        self.isDoubleQuantized = isDoubleQuantized
        self.keep = keep
        self.embeddingFormat = embeddingFormat
        self.memoryLimit = memoryLimit
        self.shardByteCount = shardByteCount
    }

    /// The formats of linears, by the names of the command line.
    public static let formats: [(name: String, format: QuantFormat?)] =
        QuantFormats.all.map { ($0.name, $0) } + [("none", nil)]

    /// The formats of embedding tables, by the names of the command line.
    public static let embeddingFormats: [(name: String, format: QuantFormat?)] = [
        ("none", nil), ("int8", .int8), ("nf4", .nf4),
    ]

    /// Whether transformers can load what is written, if it can load the family so: only formats of bitsandbytes, only in linears.
    var isReadByTransformers: Bool { embeddingFormat == nil && (format?.isBitsandbytes ?? true) }
}
