import DecoderModels
import System
import TestSupport
import Testing

/// What configurations of mixtures of experts say, and what of them is refused.
@Suite("Configurations of mixtures")
struct ExpertsConfigurationTests {
    private static let base = """
        "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 4, "intermediate_size": 96, "vocab_size": 100,
        "num_experts_per_tok": 2
        """

    private func read(_ type: String, _ more: String) throws -> DecoderConfiguration {
        let value = try JSONParser.parse("{\"model_type\": \"\(type)\", \(Self.base)\(more)}")
        return try Architectures.configuration(ConfigurationReader(fields: value.object!, file: "config.json"))
    }

    @Test("Counts in either spelling, widths and whether weights are normalised")
    func designs() throws {
        let mixtral = try read("mixtral", #", "num_local_experts": 8"#)
        #expect(mixtral.experts?.count == 8 && mixtral.experts?.width == 96 && mixtral.experts?.normalizes == true)
        #expect(mixtral.linears(of: 0).count == 5 && mixtral.windows == [nil, nil, nil, nil])
        #expect(mixtral.experts?.hasAuxiliaryLoss == false && mixtral.experts?.auxiliaryCoefficient == 0.001)
        // 4 products of attention, the router, 2 experts of 3 products each.
        #expect(mixtral.linearParameterCount == 4 * (4 * 64 * 64 + 8 * 64 + 2 * 3 * 64 * 96))
        for field in ["num_experts", "num_local_experts"] {
            let qwen = try read(
                "qwen3_moe", ", \"\(field)\": 6, \"moe_intermediate_size\": 20, \"norm_topk_prob\": true")
            #expect(qwen.experts?.count == 6 && qwen.experts?.width == 20 && qwen.experts?.normalizes == true)
        }
        let shared = try read(
            "qwen2_moe", #", "num_experts": 6, "moe_intermediate_size": 20, "shared_expert_intermediate_size": 40"#)
        #expect(shared.experts?.normalizes == false && shared.feedForwardWidth(of: 1) == 40)
        #expect(shared.linears(of: 0).map(\.name).last == "mlp.shared_expert_gate")
        let olmoe = try read("olmoe", #", "num_experts": 8, "output_router_logits": true"#)
        #expect(olmoe.experts?.width == 96 && olmoe.experts?.auxiliaryCoefficient == 0.01)
        #expect(olmoe.experts?.hasAuxiliaryLoss == true)
    }

    @Test("Layers without experts have the feed-forward layer of their family")
    func layers() throws {
        let stepped = try read("qwen3_moe", #", "num_experts": 4, "decoder_sparse_step": 2, "mlp_only_layers": [3]"#)
        #expect(stepped.experts?.layers == [false, true, false, false])
        #expect((0..<4).map(stepped.feedForwardWidth) == [96, 0, 96, 96] && stepped.widestFeedForward == 96)
        #expect(stepped.linears(of: 0).last?.name == "mlp.down_proj")
        #expect(stepped.linears(of: 1).last?.name == "mlp.gate")
        let names = Set(stepped.weights.map(\.name))
        #expect(names.contains("model.layers.0.mlp.up_proj.weight"))
        #expect(names.contains("model.layers.1.mlp.experts.3.up_proj.weight"))
        #expect(!names.contains("model.layers.1.mlp.up_proj.weight"))
    }

    static let hostile: [(type: String, more: String, message: String, status: Int32)] = [
        ("mixtral", "", "the field num_local_experts is missing", 65),
        ("mixtral", #", "num_local_experts": 1"#, "num_experts_per_tok is 2, and there are 1 experts", 65),
        ("mixtral", #", "num_local_experts": 0"#, "num_local_experts is 0", 65),
        ("olmoe", #", "num_experts": 100000"#, "num_experts is 100000, which is outside 1 to 4096", 65),
        ("qwen3_moe", #", "num_experts": 4, "router_aux_loss_coef": -1"#, "router_aux_loss_coef is -1", 65),
        ("qwen2_moe", #", "num_experts": 4, "decoder_sparse_step": 0"#, "decoder_sparse_step is 0", 65),
        ("qwen2_moe", #", "num_experts": 4, "decoder_sparse_step": 9"#, "no layer has experts", 65),
        ("qwen3_moe", #", "num_experts": 4, "mlp_only_layers": [4]"#, "mlp_only_layers lists what is no layer", 65),
        ("qwen3_moe", #", "num_experts": 4, "mlp_only_layers": 4"#, "mlp_only_layers is a number", 65),
        ("olmoe", #", "num_experts": 4, "clip_qkv": 8.0"#, "clip_qkv limits queries, keys and values", 69),
    ]

    @Test("What is not computed, or not possible, is refused by name", arguments: hostile.indices)
    func refusals(index: Int) throws {
        let (type, more, message, status) = Self.hostile[index]
        let failure = try #require(throws: Failure.self) { try read(type, more) }
        #expect(failure.what.contains(message), "\(failure)")
        #expect(failure.kind.exitStatus == status)
        #expect(failure.place.field != nil && failure.remedy != nil)
    }
}
