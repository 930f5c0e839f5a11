import Adapters
import Foundation
import System
import Testing

struct AdapterConfigurationTests {
    private func parse(_ text: String) throws -> AdapterConfiguration {
        try AdapterConfiguration(try #require(try JSONParser.parse(text).object), file: "adapter_config.json")
    }

    @Test func writesTheBytesOfPEFT() throws {
        let written = try #require(try PEFTFixture.json()["written"]).strings
        #expect(written.count == 3)
        for text in written {
            let configuration = try parse(text)
            try configuration.requireSupported(file: "adapter_config.json")
            #expect(String(decoding: configuration.encoded(), as: UTF8.self) == text)
        }
        let made = AdapterConfiguration(
            baseModel: "someone/bäse", ranks: RankRule(rank: 16, alpha: 32), dropout: 0, targets: .names(["q_proj"]))
        #expect(String(decoding: made.encoded(), as: UTF8.self) == written[0])
    }

    @Test func defaultsOfFilesWithoutKeys() throws {
        let configuration = try parse("{\"peft_type\":\"LORA\"}")
        try configuration.requireSupported(file: "")
        #expect(configuration.ranks.rank == 8 && configuration.ranks.alpha == 8 && configuration.dropout == 0)
        #expect(configuration.targets == nil && configuration.taskType == nil)
    }

    @Test func labelsAndInertKeysAreIgnored() throws {
        let configuration = try parse(
            """
            {"peft_type":"LORA","auto_mapping":{"parent_library":"os"},"megatron_core":"evil","enable_lora":null,
             "merge_weights":false,"runtime_config":{"ephemeral_gpu_offload":false},"something_new":[],"other":{},
             "init_lora_weights":"gaussian","bias":"none","inference_mode":false,"qalora_group_size":16,
             "fan_in_fan_out":true,"revision":"main","target_modules":"all-linear"}
            """)
        #expect(configuration.unsupported.isEmpty)
        #expect(configuration.selection?.targets == .allLinear)
    }

    @Test(arguments: [
        ("\"use_dora\":true", "use_dora = true"),
        ("\"modules_to_save\":[\"lm_head\"]", "modules_to_save = [\"lm_head\"]"),
        ("\"task_type\":\"SEQ_CLS\"", "task_type = \"SEQ_CLS\""),
        ("\"bias\":\"all\"", "bias = \"all\""),
        ("\"lora_bias\":true", "lora_bias = true"),
        ("\"init_lora_weights\":\"pissa\"", "init_lora_weights = \"pissa\""),
        ("\"init_lora_weights\":\"olora\"", "init_lora_weights = \"olora\""),
        ("\"layer_replication\":[[0,4],[2,5]]", "layer_replication = [[0,4],[2,5]]"),
        ("\"trainable_token_indices\":[1]", "trainable_token_indices = [1]"),
        ("\"use_qalora\":true", "use_qalora = true"),
        ("\"qalora_group_size\":32", "qalora_group_size = 32"),
        ("\"alora_invocation_tokens\":[5]", "alora_invocation_tokens = [5]"),
        ("\"some_future_key\":{\"a\":1}", "some_future_key = {\"a\":1}"),
    ])
    func whatIsNotSupportedIsNamed(member: String, named: String) throws {
        let configuration = try parse("{\"peft_type\":\"LORA\",\(member)}")
        let failure = #expect(throws: Failure.self) { try configuration.requireSupported(file: "c.json") }
        #expect(
            failure?.description
                == "c.json: the adapter asks for what is not supported: \(named). "
                + "Use a plain LoRA adapter of a causal language model.")
        #expect(failure?.kind == .unsupported)
    }

    @Test(arguments: [
        ("{}", "there is no peft_type: this is no configuration of an adapter."),
        ("{\"peft_type\":3}", "field \"peft_type\": a number was found where a string is expected."),
        (
            "{\"peft_type\":\"LOHA\"}",
            "field \"peft_type\": the adapter is of type LOHA, which is not supported; LORA is."
        ),
        ("{\"peft_type\":\"LORA\",\"r\":0}", "the rank is 0: 1 to 1024 is expected."),
        ("{\"peft_type\":\"LORA\",\"r\":99999999}", "the rank is 99999999: 1 to 1024 is expected."),
        ("{\"peft_type\":\"LORA\",\"r\":8.0}", "field \"r\": a number was found where an integer is expected."),
        (
            "{\"peft_type\":\"LORA\",\"lora_alpha\":\"16\"}",
            "field \"lora_alpha\": a string was found where a number is expected."
        ),
        (
            "{\"peft_type\":\"LORA\",\"lora_alpha\":1e300}",
            "alpha is 1e+300: a number other than 0, of at most a million, is expected."
        ),
        (
            "{\"peft_type\":\"LORA\",\"lora_dropout\":1}",
            "field \"lora_dropout\": the dropout is 1.0: 0 to below 1 is expected."
        ),
        (
            "{\"peft_type\":\"LORA\",\"target_modules\":[1]}",
            "field \"target_modules\": a number was found where a module name is expected."
        ),
        (
            "{\"peft_type\":\"LORA\",\"target_modules\":\"(\"}",
            "field \"target_modules\": the pattern \"(\" has a group without end at character 1."
        ),
        (
            "{\"peft_type\":\"LORA\",\"target_modules\":{}}",
            "field \"target_modules\": an object was found where a string or a list of strings is expected."
        ),
        (
            "{\"peft_type\":\"LORA\",\"layers_to_transform\":[-1]}",
            "field \"layers_to_transform\": a number was found where the index of a layer is expected."
        ),
        (
            "{\"peft_type\":\"LORA\",\"rank_pattern\":{\"a\":\"b\"}}",
            "field \"rank_pattern.a\": a string was found where a rank is expected."
        ),
        ("{\"peft_type\":\"LORA\",\"rank_pattern\":{\"a\":0}}", "the rank is 0: 1 to 1024 is expected."),
        (
            "{\"peft_type\":\"LORA\",\"target_modules\":\"a\",\"layers_to_transform\":1}",
            "field \"layers_to_transform\": layers_to_transform stands beside a pattern as target_modules."
        ),
    ])
    func configurationsThatAreRefused(text: String, message: String) {
        let failure = #expect(throws: Failure.self) { try parse(text) }
        #expect(failure?.description == "adapter_config.json: \(message)")
    }

    @Test(.enabled(if: SharedData.hasAdapters)) func realConfigurations() throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: SharedData.path("adapters/configs")) {
            guard name.hasSuffix(".json") else { continue }
            let file = SharedData.path("adapters/configs/\(name)")
            let object = try FileReader.readJSONObject(file)
            if name.hasPrefix("refuse") {
                let failure = #expect(throws: Failure.self) { try AdapterConfiguration(object, file: name) }
                #expect(
                    failure?.description
                        == "\(name): field \"peft_type\": the adapter is of type FINEGATES, which is not supported; LORA is."
                )
                continue
            }
            let configuration = try AdapterConfiguration(object, file: name)
            let isLanguageModel = object["task_type"]?.string == "CAUSAL_LM"
            #expect(configuration.unsupported.isEmpty == isLanguageModel, "\(name): \(configuration.unsupported)")
            #expect(configuration.ranks.rank == object["r"]?.integer)
        }
    }
}
