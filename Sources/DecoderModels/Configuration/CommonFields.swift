package import Kernels
internal import Layers
package import System

extension DecoderConfiguration {
    /// Reads the fields that all families have.
    init(_ architecture: Architecture, _ reader: ConfigurationReader) throws(Failure) {
        let fields = architecture.fields
        let width = try reader.integer(fields.width, in: 1...1 << 20)
        let queryHeads = try reader.integer(fields.queryHeads, in: 1...1 << 14)
        let layerCount = try reader.integer(fields.layers, in: 1...1 << 12)
        if reader.value(fields.headWidth) == nil, architecture.defaultHeadWidth == nil,
            !width.isMultiple(of: queryHeads)
        {
            throw Failure(
                .badData,
                "\(fields.width) \(width) is no multiple of \(fields.queryHeads) \(queryHeads) and no head_dim is given",
                at: reader.place(fields.queryHeads), remedy: "Restore config.json from the original model")
        }
        let headWidth = try reader.integer(
            fields.headWidth, in: 2...1 << 12, default: architecture.defaultHeadWidth ?? max(2, width / queryHeads))
        let maximumPositions = try reader.integer(
            fields.maximumPositions, in: 1...1 << 30, default: architecture.defaultMaximumPositions)
        let vocabularySize = try reader.integer("vocab_size", in: 1...1 << 24)
        self.init(
            modelType: architecture.modelType, names: architecture.names, vocabularySize: vocabularySize, width: width,
            layerCount: layerCount, queryHeads: queryHeads,
            keyValueHeads: try reader.integer(fields.keyValueHeads, in: 1...1 << 14, default: queryHeads),
            headWidth: headWidth,
            feedForwardWidth: try reader.integer(
                fields.feedForwardWidth, in: 1...1 << 22, default: architecture.feedForwardMultiple.map { $0 * width }),
            activation: try reader.activation(fields.activation, default: architecture.defaultActivation),
            norm: architecture.norm,
            normEpsilon: Float(
                try reader.positive(fields.normEpsilon, default: architecture.defaultNormEpsilon)),
            maximumPositions: maximumPositions,
            tiesHead: try reader.bool("tie_word_embeddings", default: architecture.tiesHeadByDefault),
            endTokens: try reader.tokens("eos_token_id", vocabularySize: vocabularySize),
            beginToken: try reader.tokens("bos_token_id", vocabularySize: vocabularySize).first)
        if let defaults = architecture.rotary {
            try setRotary(try reader.rotary(headWidth: headWidth, maximumPositions: maximumPositions, defaults))
        }
    }

    /// One rotary embedding for all layers.
    mutating func setRotary(_ parameters: RotaryParameters) throws(Failure) {
        rotaries = [RotaryChoice(parameters: parameters, scheme: try RotarySchemes.scheme(for: parameters))]
        rotaryOfLayer = Array(repeating: 0, count: layerCount)
    }

    /// Refuses heads that cannot share keys and values.
    func checkHeads(_ reader: ConfigurationReader, _ fields: Architecture.FieldNames) throws(Failure) {
        guard queryHeads.isMultiple(of: keyValueHeads) else {
            throw Failure(
                .badData,
                "\(fields.queryHeads) \(queryHeads) is no multiple of \(fields.keyValueHeads) \(keyValueHeads)",
                at: reader.place(fields.keyValueHeads), remedy: "Restore config.json from the original model")
        }
    }
}

extension ConfigurationReader {
    /// An activation by transformers' name for it.
    package func activation(_ key: String, default fallback: String) throws(Failure) -> Activation {
        let name = try string(key, default: fallback)
        switch name {
        case "silu", "swish": return .silu
        case "gelu", "gelu_python": return .gelu
        case "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate", "gelu_python_tanh": return .geluTanh
        default:
            throw Failure(
                .unsupported, "the activation \"\(name)\" is not supported", at: place(key),
                remedy: "Supported are silu, gelu, gelu_new, gelu_pytorch_tanh and gelu_fast")
        }
    }

    /// A token id or a list of them; absent and null give none.
    package func tokens(_ key: String, vocabularySize: Int) throws(Failure) -> [Int] {
        guard let value = value(key) else { return [] }
        let ids = (value.array ?? [value]).map(\.integer)
        var tokens: [Int] = []
        for id in ids {
            // -1 stands for "none" in some files.
            guard let id, id >= -1, id < vocabularySize else {
                throw Failure(
                    .badData, "\(key) is not a token id below vocab_size \(vocabularySize)", at: place(key),
                    remedy: "Restore the file from the original model")
            }
            if id >= 0 { tokens.append(id) }
        }
        return tokens
    }

    /// Refuses a field that asks for what is not computed.
    package func refuse(_ key: String, unless allowed: Bool, because reason: String) throws(Failure) {
        guard try bool(key, default: allowed) != allowed else { return }
        throw Failure(
            .unsupported, "\(key) is \(!allowed): \(reason) is not supported", at: place(key),
            remedy: "Use a model of this type without it")
    }
}
