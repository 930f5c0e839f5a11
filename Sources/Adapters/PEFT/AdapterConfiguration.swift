package import System

/// `adapter_config.json` of a PEFT LoRA adapter, of any age.
///
/// Reading keeps what a plain LoRA needs and notes everything else that the file asks for, so that a tool can show any
/// configuration; `requireSupported` refuses to compute with one that is more than a plain LoRA on a causal model.
package struct AdapterConfiguration: Sendable {
    /// The version that files are written as; readers use it to know which keys to expect.
    package static let writtenVersion = "0.21.2"
    package static let fileName = "adapter_config.json"

    /// A label for the base model, never opened as a path.
    package var baseModel: String?
    package var ranks: RankRule
    /// Probability that an input of the low-rank path is dropped in training.
    package var dropout: Double
    /// nil where the file names none: then the adapter's tensors tell.
    package var targets: ModuleSet?
    package var exclude: ModuleSet?
    /// Parameters that are adapted beside the targets, as stacked experts are: whole paths or ends of paths.
    package var targetParameters: [String] = []
    package var layers: [Int]?
    package var layersPattern: [String]
    /// Whether the adapted weights are stored [inputs, outputs], as GPT-2 has them; the adapter's matrices are the same.
    package var fanInFanOut = false
    /// `CAUSAL_LM` or nil for adapters of language models.
    package var taskType: String?
    package var revision: String?
    /// The version of PEFT that wrote the file, where it says.
    package var version: String?
    /// What the file asks for that is not supported, each as `key = value`.
    package private(set) var unsupported: [String] = []

    /// A configuration to be written.
    package init(
        baseModel: String?, ranks: RankRule, dropout: Double, targets: ModuleSet, exclude: ModuleSet? = nil,
        layers: [Int]? = nil, layersPattern: [String] = []
    ) {
        self.baseModel = baseModel
        self.ranks = ranks
        self.dropout = dropout
        self.targets = targets
        self.exclude = exclude
        self.layers = layers
        self.layersPattern = layersPattern
        taskType = "CAUSAL_LM"
        version = Self.writtenVersion
    }

    /// Reads a configuration.
    ///
    /// - Throws: `badData` naming the field for something that is no LoRA configuration or has a value of a wrong kind or
    ///   outside its range; `unsupported` for another type of adapter.
    package init(_ object: JSONObject, file: String) throws(Failure) {
        let fields = ConfigurationFields(object: object, file: file)
        guard let type = try fields.string("peft_type") else {
            throw fields.failure("there is no peft_type: this is no configuration of an adapter", nil)
        }
        guard type.uppercased() == "LORA" else {
            throw Failure(
                .unsupported, "the adapter is of type \(type), which is not supported; LORA is",
                at: .init(file: file, field: "peft_type"))
        }
        ranks = RankRule(
            rank: try fields.integer("r") ?? 8, alpha: try fields.number("lora_alpha") ?? 8,
            isRankStabilized: try fields.bool("use_rslora") ?? false,
            rankPattern: try fields.integers(ofObject: "rank_pattern").map { (key: $0.key, rank: $0.value) },
            alphaPattern: try fields.numbers(ofObject: "alpha_pattern").map { (key: $0.key, alpha: $0.value) })
        do throws(Failure) { try ranks.validate(.badData) } catch { throw error.inFile(file) }
        dropout = try fields.number("lora_dropout") ?? 0
        guard dropout >= 0, dropout < 1 else {
            throw fields.failure("the dropout is \(dropout): 0 to below 1 is expected", "lora_dropout")
        }
        targets = try fields.modules("target_modules")
        exclude = try fields.modules("exclude_modules")
        targetParameters = try fields.strings("target_parameters")
        layers = try fields.layers("layers_to_transform")
        layersPattern = try fields.strings("layers_pattern")
        if case .pattern = targets, layers != nil {
            throw fields.failure("layers_to_transform stands beside a pattern as target_modules", "layers_to_transform")
        }
        baseModel = try fields.string("base_model_name_or_path")
        fanInFanOut = try fields.bool("fan_in_fan_out") ?? false
        taskType = try fields.string("task_type")
        revision = try fields.string("revision")
        version = try fields.string("peft_version")
        if let taskType, taskType != "CAUSAL_LM" { unsupported.append("task_type = \"\(taskType)\"") }
        for member in object.members where !Self.isSupported(member) {
            unsupported.append("\(member.key) = \(Self.shortened(JSONWriter.compact.string(member.value)))")
        }
    }

    /// Refuses a configuration that is more than a plain LoRA on a causal language model.
    ///
    /// - Throws: `unsupported` naming every such setting.
    package func requireSupported(file: String) throws(Failure) {
        guard !unsupported.isEmpty else { return }
        throw Failure(
            .unsupported, "the adapter asks for what is not supported: \(unsupported.joined(separator: ", "))",
            at: .init(file: file), remedy: "Use a plain LoRA adapter of a causal language model")
    }

    /// The selection that the configuration describes, nil where it names no targets.
    package var selection: TargetSelection? {
        guard targets != nil || !targetParameters.isEmpty else { return nil }
        let isAllLinear = targets == .pattern("all-linear")
        return TargetSelection(
            targets: isAllLinear ? .allLinear : .modules(targets ?? .names([])), parameters: targetParameters,
            exclude: exclude, layers: layers, layersPattern: layersPattern)
    }

    // MARK: - Keys

    /// Keys whose values are read above, or are labels that nothing depends on.
    private static let readKeys: Set<String> = [
        "peft_type", "r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern", "lora_dropout", "target_modules",
        "exclude_modules", "layers_to_transform", "layers_pattern", "base_model_name_or_path", "task_type", "revision",
        "peft_version", "inference_mode", "auto_mapping", "megatron_core", "fan_in_fan_out", "target_parameters",
    ]

    /// Initialisations that leave the base weights as they are, so that the file is a plain LoRA.
    private static let plainInitializations: Set<String> = ["gaussian", "orthogonal", "eva"]

    /// Whether a member is read, inert, or PEFT's default.
    private static func isSupported(_ member: JSONObject.Member) -> Bool {
        if readKeys.contains(member.key) || isInert(member.value) { return true }
        switch member.key {
        case "bias": return member.value.string == "none"
        case "qalora_group_size": return member.value.integer == 16
        case "init_lora_weights":
            return member.value.bool == true || member.value.string.map(plainInitializations.contains) == true
        default: return false
        }
    }

    /// Null, false, 0, an empty string, array or object, or an object of such values.
    private static func isInert(_ value: JSONValue) -> Bool {
        switch value {
        case .null: true
        case .bool(let value): !value
        case .number(let number): number.double == 0
        case .string(let text): text.isEmpty
        case .array(let elements): elements.isEmpty
        case .object(let object): object.members.allSatisfy { isInert($0.value) }
        }
    }

    private static func shortened(_ text: String) -> String {
        text.unicodeScalars.count > 80 ? String(String.UnicodeScalarView(text.unicodeScalars.prefix(80))) + "…" : text
    }
}

/// Typed access to the members of a configuration, with errors that name file, field and value.
private struct ConfigurationFields {
    let object: JSONObject
    let file: String

    func failure(_ what: String, _ field: String?) -> Failure {
        Failure(.badData, what, at: .init(file: file, field: field))
    }

    private func mismatch(_ value: JSONValue, _ expected: String, _ field: String) -> Failure {
        failure("\(value.kindName) was found where \(expected) is expected", field)
    }

    private func value(_ key: String) -> JSONValue? { object[key].flatMap { $0.isNull ? nil : $0 } }

    func string(_ key: String) throws(Failure) -> String? {
        guard let value = value(key) else { return nil }
        guard let string = value.string else { throw mismatch(value, "a string", key) }
        return string
    }

    func bool(_ key: String) throws(Failure) -> Bool? {
        guard let value = value(key) else { return nil }
        guard let bool = value.bool else { throw mismatch(value, "true or false", key) }
        return bool
    }

    func integer(_ key: String) throws(Failure) -> Int? {
        guard let value = value(key) else { return nil }
        guard let integer = value.integer else { throw mismatch(value, "an integer", key) }
        return integer
    }

    func number(_ key: String) throws(Failure) -> Double? {
        guard let value = value(key) else { return nil }
        guard let number = value.double else { throw mismatch(value, "a number", key) }
        return number
    }

    /// A string or a list of strings, as a list.
    func strings(_ key: String) throws(Failure) -> [String] {
        guard let value = value(key) else { return [] }
        if let string = value.string { return [string] }
        guard let array = value.array else { throw mismatch(value, "a string or a list of strings", key) }
        var result: [String] = []
        for element in array {
            guard let string = element.string, !string.isEmpty else { throw mismatch(element, "a module name", key) }
            result.append(string)
        }
        return result
    }

    /// A string is a pattern, a list holds names; an empty list counts as absent.
    func modules(_ key: String) throws(Failure) -> ModuleSet? {
        let strings = try strings(key)
        guard value(key)?.string == nil else {
            if strings[0] != "all-linear" {
                do throws(Failure) { _ = try ModulePattern(strings[0]) } catch {
                    throw Failure(error.kind, error.what, at: .init(file: file, field: key), remedy: error.remedy)
                }
            }
            return .pattern(strings[0])
        }
        return strings.isEmpty ? nil : .names(strings)
    }

    /// An index or a list of indices; an empty list counts as absent.
    func layers(_ key: String) throws(Failure) -> [Int]? {
        guard let value = value(key) else { return nil }
        var result: [Int] = []
        for element in value.array ?? [value] {
            guard let index = element.integer, index >= 0 else { throw mismatch(element, "the index of a layer", key) }
            result.append(index)
        }
        return result.isEmpty ? nil : result
    }

    func integers(ofObject key: String) throws(Failure) -> [(key: String, value: Int)] {
        var result: [(key: String, value: Int)] = []
        for member in try members(key) {
            guard let integer = member.value.integer else {
                throw mismatch(member.value, "a rank", "\(key).\(member.key)")
            }
            result.append((member.key, integer))
        }
        return result
    }

    func numbers(ofObject key: String) throws(Failure) -> [(key: String, value: Double)] {
        var result: [(key: String, value: Double)] = []
        for member in try members(key) {
            guard let number = member.value.double else {
                throw mismatch(member.value, "a number", "\(key).\(member.key)")
            }
            result.append((member.key, number))
        }
        return result
    }

    private func members(_ key: String) throws(Failure) -> [JSONObject.Member] {
        guard let value = value(key) else { return [] }
        guard let object = value.object else { throw mismatch(value, "an object", key) }
        return object.members
    }
}
