internal import ModelFiles
internal import QuantFormats
internal import System

/// The config.json of a quantized directory.
enum QuantizedConfiguration {
    /// The text: that of the source with `quantization_config`, as transformers 5 writes it.
    static func bytes(_ model: ModelDirectory, plan: QuantizationPlan, options: QuantizationOptions) -> [UInt8] {
        var configuration = model.configuration
        // Another directory forgets what the cache folder said.
        if let name = model.originalName { configuration.set("_name_or_path", .string(name)) }
        if let value = quantization(model, plan: plan, options: options) {
            configuration.set("quantization_config", value)
        }
        let writer = JSONWriter(indent: 2, itemSeparator: ",", sortsKeys: true, escapesNonASCII: true)
        return writer.bytes(.object(configuration)) + [0x0A]
    }

    private static func quantization(
        _ model: ModelDirectory, plan: QuantizationPlan, options: QuantizationOptions
    ) -> JSONValue? {
        guard plan.hasTargets else { return nil }
        guard plan.isReadByTransformers, let format = options.format else {
            return .object(
                JSONObject([
                    ("quant_method", .string(BlockwiseLayout.method)), ("version", .integer(BlockwiseLayout.version)),
                    ("format", .string(options.format?.name ?? "none")), ("block_size", .integer(options.blockSize)),
                    ("embeddings", .string(options.embeddingFormat?.name ?? "none")),
                ]))
        }
        // The fields of transformers' BitsAndBytesConfig. The block size has none: it lies beside each weight.
        return .object(
            JSONObject([
                ("_load_in_4bit", .bool(true)), ("_load_in_8bit", .bool(false)),
                ("bnb_4bit_compute_dtype", .string(computeType(plan))), ("bnb_4bit_quant_storage", .string("uint8")),
                ("bnb_4bit_quant_type", .string(format.name)),
                ("bnb_4bit_use_double_quant", .bool(options.isDoubleQuantized)),
                ("llm_int8_enable_fp32_cpu_offload", .bool(false)), ("llm_int8_has_fp16_weight", .bool(false)),
                (
                    "llm_int8_skip_modules",
                    options.keep.isEmpty ? .null : .array(plan.keptLinears.map(JSONValue.string))
                ),
                ("llm_int8_threshold", .double(6)), ("load_in_4bit", .bool(true)), ("load_in_8bit", .bool(false)),
                ("quant_method", .string("bitsandbytes")),
            ]))
    }

    /// The type that other programs compute in: that of the weights before.
    private static func computeType(_ plan: QuantizationPlan) -> String {
        plan.items.compactMap(\.target).first?.sourceType.rawValue ?? "float32"
    }
}
