package import System

/// A family of decoders as data: what its config.json leaves unsaid and how it differs from Llama.
///
/// All families here share one block, `DecoderBlock`, in which experts may stand in the place of the feed-forward layer. Names and shapes are those of the family's modules in transformers.
package struct Architecture: Sendable {
    /// The `model_type` of config.json.
    package let modelType: String
    /// The names of config.json's fields.
    package var fields = FieldNames()
    /// The names of modules, which say at the same time what parts a layer has.
    package var names = WeightNames()
    /// `tie_word_embeddings` where it is absent.
    package var tiesHeadByDefault = false
    /// Positions where the field is absent.
    package var defaultMaximumPositions = 2048
    /// Width of a head where the field is absent; nil for hidden size over query heads.
    package var defaultHeadWidth: Int?
    /// Width of the feed-forward layer, as multiple of the hidden size, where the field is absent; nil makes it required.
    package var feedForwardMultiple: Int?
    /// The activation where the field is absent.
    package var defaultActivation = "silu"
    package var norm = NormDesign.rootMeanSquare
    package var defaultNormEpsilon = 1e-6
    /// nil for a family without rotary embedding.
    package var rotary: RotaryDefaults? = RotaryDefaults()
    /// Reads what only this family has into the configuration that the common fields gave.
    package var refine: @Sendable (ConfigurationReader, inout DecoderConfiguration) throws(Failure) -> Void = { _, _ in
    }

    /// Names of the fields that every family has under one name or another.
    package struct FieldNames: Sendable {
        package var width = "hidden_size"
        package var layers = "num_hidden_layers"
        package var queryHeads = "num_attention_heads"
        package var keyValueHeads = "num_key_value_heads"
        package var headWidth = "head_dim"
        package var feedForwardWidth = "intermediate_size"
        package var maximumPositions = "max_position_embeddings"
        package var activation = "hidden_act"
        package var normEpsilon = "rms_norm_eps"
    }

    /// What a family's rotary embedding is where config.json does not say.
    package struct RotaryDefaults: Sendable {
        package var baseField = "rope_theta"
        package var base = 10_000.0
        package var fractionField = "partial_rotary_factor"
        /// The share of a head's channels that are rotated.
        package var fraction = 1.0
        /// Kinds that the family's files call by another name.
        package var kindAliases: [String: String] = [:]
    }
}

/// The architectures this program knows: a file and a line for each.
package enum Architectures {
    package static let all: [Architecture] = [
        .llama,
        .mistral,
        .qwen2,
        .qwen3,
        .gemma2,
        .gemma3,
        .phi3,
        .smolLM3,
        .granite,
        .olmo2,
        .gpt2,
        .gptNeoX,
        .phi,
        .starcoder2,
        .stableLM,
        .cohere,
        .falcon,
        .mixtral,
        .qwen2MoE,
        .qwen3MoE,
        .olmoE,
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
        var configuration = try DecoderConfiguration(architecture, reader)
        try architecture.refine(reader, &configuration)
        try configuration.checkHeads(reader, architecture.fields)
        return configuration
    }
}
