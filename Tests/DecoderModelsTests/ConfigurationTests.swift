import DecoderModels
import Layers
import System
import Testing

@Suite("config.json")
struct ConfigurationTests {
    private static let base = """
        "model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2,
        "intermediate_size": 96, "vocab_size": 100
        """

    private func read(_ text: String) throws -> DecoderConfiguration {
        let value = try JSONParser.parse("{\(text)}")
        return try Architectures.configuration(ConfigurationReader(fields: value.object!, file: "config.json"))
    }

    @Test("Old and new spellings of the rotary fields give the same frequencies")
    func spellings() throws {
        let old = try read(
            Self.base + """
                , "rope_theta": 500000, "rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 1,
                "high_freq_factor": 4, "original_max_position_embeddings": 8192}
                """)
        let new = try read(
            Self.base + """
                , "rope_parameters": {"rope_type": "llama3", "rope_theta": 500000, "factor": 8, "low_freq_factor": 1,
                "high_freq_factor": 4, "original_max_position_embeddings": 8192}
                """)
        let frequencies = old.rotaries[0].scheme.inverseFrequencies(length: 1)
        #expect(frequencies == new.rotaries[0].scheme.inverseFrequencies(length: 1))
        // Golden values of transformers for a head of 16 channels.
        let golden: [Float] = [1, 0.19392, 0.037606, 0.0072927, 5.2485e-4, 3.4281e-5, 6.6479e-6, 1.2892e-6]
        for (found, expected) in zip(frequencies, golden) { #expect(abs(found - expected) < 1e-4 * expected) }
    }

    @Test("Defaults: heads share nothing, the head has its own table, a null head_dim is none")
    func defaults() throws {
        let configuration = try read(Self.base + #", "head_dim": null, "eos_token_id": [1, 2]"#)
        #expect(configuration.keyValueHeads == 4)
        #expect(configuration.headWidth == 16)
        #expect(!configuration.tiesHead)
        #expect(configuration.endTokens == [1, 2])
        #expect(configuration.windows == [nil, nil])
    }

    @Test(
        "A file that is silent about it rotates the family's share of a head's channels",
        arguments: [("llama", 16), ("phi", 8), ("gpt_neox", 4), ("stablelm", 4), ("phi3", 16)])
    func sharesOfChannels(family: String, width: Int) throws {
        let text = Self.base.replacing("llama", with: family)
        #expect(try read(text).rotaries[0].parameters.width == width)
    }

    @Test("Qwen2 slides only where it is told to")
    func windows() throws {
        let qwen = Self.base.replacing("llama", with: "qwen2")
        #expect(try read(qwen + #", "sliding_window": 8"#).windows == [nil, nil])
        #expect(
            try read(qwen + #", "use_sliding_window": true, "sliding_window": 8, "max_window_layers": 1"#).windows
                == [nil, 8])
        #expect(
            try read(
                qwen + """
                    , "use_sliding_window": true, "sliding_window": 8,
                    "layer_types": ["sliding_attention", "full_attention"]
                    """
            ).windows == [8, nil])
        #expect(
            try read(qwen).biases
                == ProjectionBiases(query: true, key: true, value: true, output: false, feedForward: false))
    }

    @Test("Windows: absent is the family's own, null is none; layers slide as their pattern says")
    func familyWindows() throws {
        func windows(_ type: String, _ more: String) throws -> [Int?] {
            try read(Self.base.replacing("llama", with: type) + more).windows
        }
        #expect(try windows("mistral", "") == [4096, 4096])
        #expect(try windows("mistral", #", "sliding_window": null"#) == [nil, nil])
        #expect(try windows("phi3", "") == [nil, nil])
        #expect(try windows("gemma2", #", "sliding_window": 9"#) == [9, nil])
        #expect(try windows("gemma3_text", #", "sliding_window": 9, "sliding_window_pattern": 2"#) == [9, nil])
        #expect(
            try windows(
                "gemma3_text", #", "sliding_window": 9, "layer_types": ["full_attention", "sliding_attention"]"#)
                == [nil, 9])
        #expect(
            try windows(
                "smollm3", #", "sliding_window": 5, "use_sliding_window": true, "no_rope_layers": [1, 0]"#) == [nil, 5])
        #expect(try read(Self.base.replacing("llama", with: "smollm3")).rotaryOfLayer == [0, 0])
        #expect(
            try read(Self.base.replacing("llama", with: "smollm3") + #", "no_rope_layer_interval": 2"#).rotaryOfLayer
                == [0, nil])
    }

    @Test("yarn and longrope give the frequencies and the scaling of transformers")
    func extendedContexts() throws {
        let yarn = try read(
            Self.base + """
                , "rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 2048}
                """
        ).rotaries[0].scheme
        func expectClose(_ found: [Float], _ golden: [Float]) {
            #expect(found.count == golden.count)
            for (number, expected) in zip(found, golden) { #expect(abs(number - expected) < 1e-4 * expected) }
        }
        expectClose(
            yarn.inverseFrequencies(length: 1), [1, 0.31623, 0.1, 0.025694, 0.00625, 0.0013835, 2.5e-4, 7.9057e-5])
        #expect(yarn.attentionScaling == 1.138629436111989)
        let open = try read(
            Self.base + """
                , "rope_parameters": {"rope_type": "yarn", "rope_theta": 150000, "factor": 32, "truncate": false,
                "original_max_position_embeddings": 4096}
                """
        ).rotaries[0].scheme
        expectClose(
            open.inverseFrequencies(length: 1),
            [1, 0.22542, 0.050813, 0.006795, 4.5648e-4, 1.8188e-5, 4.1e-6, 9.2421e-7])
        #expect(open.attentionScaling == 1.3465735902799727)
        let long = try read(
            Self.base.replacing("llama", with: "phi3") + """
                , "head_dim": 4, "max_position_embeddings": 64, "original_max_position_embeddings": 16,
                "rope_scaling": {"type": "su", "short_factor": [1, 2], "long_factor": [4, 8]}
                """
        ).rotaries[0].scheme
        expectClose(long.inverseFrequencies(length: 16), [1, 0.005])
        expectClose(long.inverseFrequencies(length: 17), [0.25, 0.00125])
        #expect(long.attentionScaling == Float(1.5.squareRoot()))
    }

    /// Each change of a good configuration, what the message must say, and the exit status.
    static let hostile: [(change: String, message: String, status: Int32)] = [
        (#""model_type": "mamba""#, "the model type \"mamba\" is not supported", 69),
        (#""model_type": null"#, "names no model_type", 65),
        (#""hidden_size": 0"#, "hidden_size is 0, which is outside 1 to", 65),
        (#""hidden_size": 64.5"#, "hidden_size is 64.5: an integer is expected", 65),
        (#""hidden_size": "64""#, "hidden_size is \"64\": an integer is expected", 65),
        (#""hidden_size": null"#, "the field hidden_size is missing", 65),
        (#""hidden_size": 66"#, "hidden_size 66 is no multiple of num_attention_heads 4", 65),
        (#""num_hidden_layers": 100000"#, "num_hidden_layers is 100000, which is outside", 65),
        (#""num_key_value_heads": 3"#, "num_attention_heads 4 is no multiple of num_key_value_heads 3", 65),
        (#""vocab_size": 99999999999"#, "vocab_size is 99999999999, which is outside", 65),
        (#""rms_norm_eps": -1"#, "rms_norm_eps is -1: a positive number is expected", 65),
        (#""rms_norm_eps": true"#, "rms_norm_eps is a boolean", 65),
        (#""hidden_act": "mish""#, "the activation \"mish\" is not supported", 69),
        (#""tie_word_embeddings": 1"#, "tie_word_embeddings is 1: true or false is expected", 65),
        (#""head_dim": 7"#, "7 rotated channels of a head: an even number", 65),
        (#""rope_scaling": [1]"#, "rope_scaling is an array: an object or null is expected", 65),
        (#""rope_parameters": 3"#, "rope_parameters is a number: an object is expected", 65),
        (#""rope_scaling": {"type": "spiral"}"#, "the rotary embedding \"spiral\" is not supported", 69),
        (
            #""rope_scaling": {"type": "linear"}"#,
            "the rotary embedding \"linear\" needs a positive number \"factor\"", 65
        ),
        (#""rope_scaling": {"type": "linear", "factor": 0}"#, "needs a positive number \"factor\"", 65),
        (
            #""rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 1, "original_max_position_embeddings": 8}"#,
            "high_freq_factor 1.0 must be greater than low_freq_factor 4.0", 65
        ),
        (#""partial_rotary_factor": 2"#, "partial_rotary_factor is 2.0, which is above 1", 65),
        (#""eos_token_id": 100"#, "eos_token_id is not a token id below vocab_size 100", 65),
        (#""eos_token_id": ["a"]"#, "eos_token_id is not a token id", 65),
        (
            #""rope_scaling": {"type": "longrope", "short_factor": [1]}"#,
            "needs a list \"short_factor\" of 8 positive", 65
        ),
        (#""rope_scaling": {"type": "yarn", "factor": -2}"#, "needs a positive number \"factor\"", 65),
        (#""model_type": "falcon", "alibi": true"#, "alibi is true: position by linear biases is not supported", 69),
        (
            #""model_type": "falcon", "new_decoder_architecture": true, "num_kv_heads": 3"#,
            "no multiple of num_kv_heads 3", 65
        ),
        (#""model_type": "gpt2", "n_embd": 30, "n_head": 4, "n_layer": 1"#, "n_embd 30 is no multiple of n_head 4", 65),
        (#""model_type": "gpt2""#, "the field n_embd is missing", 65),
        (#""model_type": "gemma2", "hidden_activation": "relu""#, "the activation \"relu\" is not supported", 69),
        (#""model_type": "gemma2", "attn_logit_softcapping": 0"#, "attn_logit_softcapping is 0: a positive number", 65),
        (#""model_type": "gemma3_text", "use_bidirectional_attention": true"#, "attention to later tokens is not", 69),
        (#""model_type": "gemma3_text", "rope_parameters": {"full_attention": 3}"#, "full_attention is a number", 65),
        (#""model_type": "smollm3", "no_rope_layers": [1]"#, "no_rope_layers must list 0 or 1 for each of the 2", 65),
        (#""model_type": "granite", "residual_multiplier": 0"#, "residual_multiplier is 0: a positive number", 65),
        (
            #""model_type": "qwen2", "use_sliding_window": true, "sliding_window": 8, "layer_types": ["full_attention"]"#,
            "layer_types must list one kind for each of the 2 layers", 65
        ),
        (
            #""model_type": "qwen2", "use_sliding_window": true, "sliding_window": 8, "layer_types": ["full_attention", "chunked"]"#,
            "layer_types holds \"chunked\"", 69
        ),
    ]

    @Test("Fields that cannot be right are refused by name", arguments: hostile.indices)
    func refusals(index: Int) throws {
        let (change, message, status) = Self.hostile[index]
        let good = try #require(try JSONParser.parse("{\(Self.base)}").object)
        var fields = good
        for member in try #require(try JSONParser.parse("{\(change)}").object).members {
            fields.set(member.key, member.value)
        }
        let failure = try #require(throws: Failure.self) {
            try Architectures.configuration(ConfigurationReader(fields: fields, file: "config.json"))
        }
        #expect(failure.what.contains(message), "\(failure)")
        #expect(failure.kind.exitStatus == status)
        #expect(failure.place.file == "config.json")
        #expect(failure.place.field != nil)
        #expect(failure.remedy != nil)
    }
}
