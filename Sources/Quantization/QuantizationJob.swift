internal import Kernels
internal import ModelFiles
internal import QuantFormats
internal import System

/// What the bytes of a quantized directory depend on: a quantization goes on only where all of it is the same.
struct QuantizationJob {
    private let options: JSONObject
    private let source: JSONObject
    private let machine: JSONObject

    private static let kind = "quantization"

    /// Reads config.json, and of the weight files sizes, times and headers.
    init(_ model: ModelDirectory, options: QuantizationOptions, kernels: KernelTable) throws(Failure) {
        self.options = JSONObject([
            ("format", .string(options.format?.name ?? "none")), ("block_size", .integer(options.blockSize)),
            ("double_quant", .bool(options.isDoubleQuantized)), ("keep", .array(options.keep.map { .string($0) })),
            ("embeddings", .string(options.embeddingFormat?.name ?? "none")),
            // Slices are as large as it allows, and sums of errors are taken slice by slice.
            ("memory_limit", options.memoryLimit.map { .integer($0) } ?? .null),
            ("shard_size", .integer(options.shardByteCount)),
        ])
        var source = JSONObject([("config.json", .string(try FileDigest.hex(model.configurationFile)))])
        for file in model.checkpoint.files {
            let header = UnsafeRawBufferPointer(rebasing: file.file.bytes[..<file.header.dataOffset])
            let time = FileSystem.status(file.path).map { status in
                let fraction = String(status.modificationNanoseconds)
                return "\(status.modificationSeconds)." + String(repeating: "0", count: 9 - fraction.count) + fraction
            }
            source.set(
                FileSystem.lastComponent(file.path),
                .string(
                    "\(file.file.byteCount) bytes of time \(time ?? "unknown") with the header "
                        + SHA256.hexadecimalDigest(of: header)))
        }
        self.source = source
        machine = JSONObject([("instruction_set", .string(kernels.instructionSet.rawValue))])
    }

    /// Reads what `json` wrote; nil for anything else.
    init?(_ json: JSONValue) {
        guard json["kind"]?.string == Self.kind, let options = json["options"]?.object,
            let source = json["source"]?.object, let machine = json["machine"]?.object
        else { return nil }
        self.options = options
        self.source = source
        self.machine = machine
    }

    var json: JSONObject {
        JSONObject([
            ("kind", .string(Self.kind)), ("options", .object(options)), ("source", .object(source)),
            ("machine", .object(machine)),
        ])
    }

    /// - Throws: `usage` naming everything that is otherwise than in a former job.
    func checkSame(as former: QuantizationJob, place: String) throws(Failure) {
        let changes =
            options.changes(since: former.options) { "--" + $0.replacing("_", with: "-") }
            + source.changes(since: former.source) { "the source's \($0)" }
            + machine.changes(since: former.machine) { "the \($0.replacing("_", with: " "))" }
        guard changes.isEmpty else {
            throw Failure(
                .usage,
                "an interrupted run to the same directory was started otherwise: "
                    + changes.joined(separator: "; "), at: .init(file: place),
                remedy: "Give what it was started with to go on, or --overwrite to start anew")
        }
    }
}
