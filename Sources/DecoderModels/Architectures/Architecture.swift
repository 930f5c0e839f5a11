internal import Layers
package import System

/// A family of decoders as data: what its config.json leaves unsaid and how it differs from Llama.
///
/// All families here share one block: h += attention(norm(h)); h += down(silu(gate(norm(h))) · up(norm(h))).
package struct Architecture: Sendable {
    /// The `model_type` of config.json.
    package let modelType: String
    /// `tie_word_embeddings` where it is absent.
    package let tiesHeadByDefault: Bool
    /// `max_position_embeddings` where it is absent.
    package let defaultMaximumPositions: Int
    package let biases: @Sendable (ConfigurationReader) throws(Failure) -> ProjectionBiases
    /// The window of each of `count` layers.
    package let windows: @Sendable (ConfigurationReader, _ count: Int) throws(Failure) -> [Int?]

    /// Module paths of the linears of a layer, in the order of the reference's modules.
    package static let layerLinears = [
        "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj",
        "mlp.down_proj",
    ]
}

/// The architectures this program knows: a file and a line for each.
package enum Architectures {
    package static let all: [Architecture] = [
        .llama,
        .qwen2,
    ]

    /// The architecture that a config.json names.
    package static func architecture(of reader: ConfigurationReader) throws(Failure) -> Architecture {
        let known = all.map(\.modelType).joined(separator: ", ")
        guard let value = reader.value("model_type"), let name = value.string else {
            throw Failure(
                .badData, "config.json names no model_type", at: reader.place("model_type"),
                remedy: "Supported model types are \(known)")
        }
        guard let architecture = all.first(where: { $0.modelType == name }) else {
            throw Failure(
                .unsupported, "the model type \"\(name)\" is not supported", at: reader.place("model_type"),
                remedy: "Supported model types are \(known)")
        }
        return architecture
    }

    /// Reads a config.json of any known architecture.
    package static func configuration(_ reader: ConfigurationReader) throws(Failure) -> DecoderConfiguration {
        let architecture = try architecture(of: reader)
        let activation = try reader.string("hidden_act", default: "silu")
        guard activation == "silu" || activation == "swish" else {
            throw Failure(
                .unsupported, "the activation \"\(activation)\" is not supported for \(architecture.modelType)",
                at: reader.place("hidden_act"), remedy: "Supported is silu")
        }
        let width = try reader.integer("hidden_size", in: 1...1 << 20)
        let queryHeads = try reader.integer("num_attention_heads", in: 1...1 << 14)
        let layerCount = try reader.integer("num_hidden_layers", in: 1...1 << 12)
        let keyValueHeads = try reader.integer("num_key_value_heads", in: 1...1 << 14, default: queryHeads)
        guard queryHeads.isMultiple(of: keyValueHeads) else {
            throw Failure(
                .badData, "num_attention_heads \(queryHeads) is no multiple of num_key_value_heads \(keyValueHeads)",
                at: reader.place("num_key_value_heads"), remedy: "Restore config.json from the original model")
        }
        if reader.value("head_dim") == nil, !width.isMultiple(of: queryHeads) {
            throw Failure(
                .badData,
                "hidden_size \(width) is no multiple of num_attention_heads \(queryHeads) and no head_dim is given",
                at: reader.place("num_attention_heads"), remedy: "Restore config.json from the original model")
        }
        let headWidth = try reader.integer("head_dim", in: 2...1 << 12, default: max(2, width / queryHeads))
        let maximumPositions = try reader.integer(
            "max_position_embeddings", in: 1...1 << 30, default: architecture.defaultMaximumPositions)
        let rotary = try reader.rotary(
            headWidth: headWidth, maximumPositions: maximumPositions, defaultBase: 10_000)
        let vocabularySize = try reader.integer("vocab_size", in: 1...1 << 24)
        return DecoderConfiguration(
            modelType: architecture.modelType, vocabularySize: vocabularySize, width: width, layerCount: layerCount,
            queryHeads: queryHeads, keyValueHeads: keyValueHeads, headWidth: headWidth,
            feedForwardWidth: try reader.integer("intermediate_size", in: 1...1 << 22),
            normEpsilon: Float(try reader.positive("rms_norm_eps", default: 1e-6)), maximumPositions: maximumPositions,
            tiesHead: try reader.bool("tie_word_embeddings", default: architecture.tiesHeadByDefault),
            biases: try architecture.biases(reader), windows: try architecture.windows(reader, layerCount),
            rotary: rotary, rotaryScheme: try RotarySchemes.scheme(for: rotary),
            endTokens: try reader.tokens("eos_token_id", vocabularySize: vocabularySize),
            beginToken: try reader.tokens("bos_token_id", vocabularySize: vocabularySize).first)
    }
}

extension ConfigurationReader {
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
}
