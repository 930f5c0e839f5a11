package import System

extension AdapterConfiguration {
    /// The bytes of `adapter_config.json`, those that PEFT 0.21.2 writes for a plain LoRA: every key, sorted, indented
    /// by two, no line feed at the end. PEFT's own order of names in a list is arbitrary; here they stand sorted.
    package func encoded() -> [UInt8] {
        let writer = JSONWriter(indent: 2, itemSeparator: ",", sortsKeys: true)
        return writer.bytes(json)
    }

    /// The object of `adapter_config.json`.
    package var json: JSONValue { .object(JSONObject(members)) }

    private var members: [(String, JSONValue)] {
        Self.constants + [
            ("alpha_pattern", .object(JSONObject(ranks.alphaPattern.map { ($0.key, Self.number($0.alpha)) }))),
            ("base_model_name_or_path", Self.text(baseModel)),
            ("exclude_modules", Self.modules(exclude)),
            ("fan_in_fan_out", .bool(fanInFanOut)),
            ("layers_pattern", Self.layersPattern(layersPattern)),
            ("layers_to_transform", layers.map { .array($0.map(JSONValue.integer)) } ?? .null),
            ("lora_alpha", Self.number(ranks.alpha)),
            ("lora_dropout", .double(dropout)),
            ("r", .integer(ranks.rank)),
            ("rank_pattern", .object(JSONObject(ranks.rankPattern.map { ($0.key, .integer($0.rank)) }))),
            ("revision", Self.text(revision)),
            ("target_modules", Self.modules(targets)),
            (
                "target_parameters",
                targetParameters.isEmpty ? .null : .array(targetParameters.sorted().map(JSONValue.string))
            ),
            ("task_type", Self.text(taskType)),
            ("use_rslora", .bool(ranks.isRankStabilized)),
        ]
    }

    /// Keys with one value in every file that is written here.
    private static let constants: [(String, JSONValue)] = [
        ("alora_invocation_tokens", .null), ("arrow_config", .null), ("auto_mapping", .null), ("bias", .string("none")),
        ("corda_config", .null), ("ensure_weight_tying", .bool(false)), ("eva_config", .null),
        ("inference_mode", .bool(true)), ("init_lora_weights", .bool(true)),
        ("kasa_config", .null), ("layer_replication", .null), ("loftq_config", .object(JSONObject())),
        ("lora_bias", .bool(false)), ("lora_ga_config", .null), ("megatron_config", .null),
        ("megatron_core", .string("megatron.core")), ("modules_to_save", .null), ("monteclora_config", .null),
        ("peft_type", .string("LORA")), ("peft_version", .string(writtenVersion)), ("qalora_group_size", .integer(16)),
        ("trainable_token_indices", .null), ("use_bdlora", .null),
        ("use_dora", .bool(false)), ("use_qalora", .bool(false)), ("velora_config", .null),
    ]

    /// PEFT keeps an integer one, so a whole number is written without a fraction.
    private static func number(_ value: Double) -> JSONValue {
        Int(exactly: value).map(JSONValue.integer) ?? .double(value)
    }

    private static func text(_ text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }

    private static func modules(_ set: ModuleSet?) -> JSONValue {
        switch set {
        case nil: .null
        case .pattern(let pattern): .string(pattern)
        case .names(let names): .array(names.sorted().map(JSONValue.string))
        }
    }

    private static func layersPattern(_ patterns: [String]) -> JSONValue {
        patterns.isEmpty ? .null : .array(patterns.map(JSONValue.string))
    }
}
