public import System

/// What `quantization_config` of a config.json says.
public enum QuantizationConfiguration: Sendable, Equatable {
    /// There is none: every weight is plain.
    case none
    /// 4-bit weights of bitsandbytes, `nf4` or `fp4`.
    case bitsandbytes(format: String)
    /// Our own layout; see `BlockwiseLayout`.
    case blockwise(format: String, blockSize: Int)

    /// Whether any weights are quantized.
    public var isQuantized: Bool { self != .none }

    /// Reads a configuration.
    ///
    /// - Throws: `Failure`: 69 for a method that is not read, with the way out; 65 for one that is malformed.
    public init(_ configuration: JSONObject, file: String) throws(Failure) {
        guard let value = configuration["quantization_config"], !value.isNull else {
            self = .none
            return
        }
        let field = "quantization_config"
        guard let object = value.object else {
            throw Failure(
                .badData, "holds \(value.kindName) where an object is expected", at: .init(file: file, field: field))
        }
        let loadsIn4Bit = object["load_in_4bit"]?.bool ?? object["_load_in_4bit"]?.bool ?? false
        let loadsIn8Bit = object["load_in_8bit"]?.bool ?? object["_load_in_8bit"]?.bool ?? false
        // Files of bitsandbytes' first versions do not name the method.
        let method = object["quant_method"]?.string ?? (loadsIn4Bit || loadsIn8Bit ? "bitsandbytes" : "")
        switch method {
        case "bitsandbytes", "bitsandbytes_4bit":
            guard loadsIn4Bit, !loadsIn8Bit else {
                throw Failure(
                    .unsupported,
                    "the weights are 8-bit weights of bitsandbytes (LLM.int8), which are not read; nf4 and fp4 are",
                    at: .init(file: file, field: field), remedy: Self.wayOut)
            }
            let format = object["bnb_4bit_quant_type"]?.string ?? "fp4"
            guard format == "nf4" || format == "fp4" else {
                throw Failure(
                    .unsupported, "the 4-bit type \"\(format)\" is not read; nf4 and fp4 are",
                    at: .init(file: file, field: "\(field).bnb_4bit_quant_type"), remedy: Self.wayOut)
            }
            self = .bitsandbytes(format: format)
        case BlockwiseLayout.method:
            guard let version = object["version"]?.integer else {
                throw Failure(.badData, "is no integer", at: .init(file: file, field: "\(field).version"))
            }
            guard version == BlockwiseLayout.version else {
                throw Failure(
                    .unsupported, "is \(version); this program reads version \(BlockwiseLayout.version)",
                    at: .init(file: file, field: "\(field).version"), remedy: "Use a newer version of this program")
            }
            guard let format = object["format"]?.string else {
                throw Failure(.badData, "is no string", at: .init(file: file, field: "\(field).format"))
            }
            guard let blockSize = object["block_size"]?.integer, BlockwiseLayout.blockSizes.contains(blockSize) else {
                throw Failure(
                    .badData, "is none of the block sizes \(BlockwiseLayout.blockSizes)",
                    at: .init(file: file, field: "\(field).block_size"))
            }
            self = .blockwise(format: format, blockSize: blockSize)
        case "":
            throw Failure(.badData, "names no method", at: .init(file: file, field: "\(field).quant_method"))
        default:
            throw Failure(
                .unsupported,
                "the weights are quantized by \(Self.known[method] ?? "\"\(method)\""), which is not read",
                at: .init(file: file, field: "\(field).quant_method"), remedy: Self.wayOut)
        }
    }

    private static let wayOut =
        "Use the original checkpoint in float32, bfloat16 or float16 and quantize it with `qlora quantize`"

    /// How methods that are met are called outside configuration files.
    private static let known = [
        "gptq": "GPTQ", "awq": "AWQ", "fp8": "fp8", "fbgemm_fp8": "FBGEMM fp8",
        "compressed-tensors": "compressed-tensors",
        "mxfp4": "MXFP4", "hqq": "HQQ", "eetq": "EETQ", "quanto": "Quanto", "torchao": "TorchAO", "aqlm": "AQLM",
        "vptq": "VPTQ", "bitnet": "BitNet", "higgs": "HIGGS", "spqr": "SpQR", "auto-round": "AutoRound",
        "modelopt": "ModelOpt",
    ]
}
