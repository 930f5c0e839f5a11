import Adapters
import Foundation
import ModelFiles
import System
import Tensors
import Testing

struct AdapterDirectoryTests {
    @Test func readsWhatPEFTWrote() throws {
        let adapter = try AdapterDirectory.read(
            PEFTFixture.path("patterns"), sites: PEFTFixture.sites(), outputHead: "lm_head")
        let expected = try PEFTFixture.json("patterns.json")
        #expect(adapter.parameters.entries.count == 6)
        #expect(adapter.parameters.dropout == 0.05)
        #expect(adapter.configuration.ranks.isRankStabilized)
        for (index, entry) in adapter.parameters.entries.enumerated() {
            let path = entry.site.path
            #expect(entry.scaling == expected["scalings"]?[path]?.double.map { Float($0) }, "\(path)")
            for (matrix, name) in [
                (adapter.parameters.matrixA(index), "lora_A"), (adapter.parameters.matrixB(index), "lora_B"),
            ] {
                let bits = expected["tensors"]?["base_model.model.\(path).\(name).weight"]?.array?.compactMap(\.integer)
                #expect((0..<4).map { Int(matrix.base[$0].bitPattern) } == bits, "\(path) \(name)")
            }
        }
    }

    @Test(arguments: ["bfloat16", "float16"]) func readsHalfPrecisions(_ type: String) throws {
        let adapter = try AdapterDirectory.read(
            PEFTFixture.path(type), sites: PEFTFixture.sites(), outputHead: "lm_head")
        let expected = try PEFTFixture.json("\(type).json")
        #expect(adapter.parameters.entries.count == 2)
        for (index, entry) in adapter.parameters.entries.enumerated() {
            for (matrix, name) in [
                (adapter.parameters.matrixA(index), "lora_A"), (adapter.parameters.matrixB(index), "lora_B"),
            ] {
                let bits = expected["base_model.model.\(entry.site.path).\(name).weight"]?.array?.compactMap(\.integer)
                #expect((0..<matrix.count).map { Int(matrix.base[$0].bitPattern) } == bits)
            }
        }
    }

    /// What is read and written again equals PEFT's own files.
    @Test func writesTheFilesOfPEFT() throws {
        let adapter = try AdapterDirectory.read(
            PEFTFixture.path("patterns"), sites: PEFTFixture.sites(), outputHead: "lm_head")
        let folder = try AdapterFolder()
        try AdapterDirectory.write(adapter.parameters, configuration: adapter.configuration, to: folder.path)
        let original = PEFTFixture.path("patterns") + "/adapter_model.safetensors"
        #expect(try FileReader.read(folder.weights) == FileReader.read(original))
        let again = try AdapterDirectory.read(folder.path, sites: PEFTFixture.sites(), outputHead: "lm_head")
        #expect(again.parameters.parameters.elementsEqual(adapter.parameters.parameters))
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
                == ["adapter_config.json", "adapter_model.safetensors"])
    }

    @Test func aConfigurationWithoutTargetsTakesWhatTheFileHolds() throws {
        let folder = try AdapterFolder(copyOf: "patterns")
        try folder.edit(["target_modules": .null])
        let adapter = try AdapterDirectory.read(folder.path, sites: PEFTFixture.sites(), outputHead: "lm_head")
        #expect(adapter.parameters.entries.count == 6)
    }

    /// A change of the configuration or the sites and the message it must give.
    private func refusal(
        _ changes: [String: JSONValue?] = [:], sites: [AdapterSite]? = nil,
        _ prepare: (AdapterFolder) throws -> Void = { _ in }
    ) throws -> String {
        let folder = try AdapterFolder(copyOf: "patterns")
        try folder.edit(changes)
        try prepare(folder)
        let known = try sites ?? PEFTFixture.sites()
        do throws(Failure) {
            _ = try AdapterDirectory.read(folder.path, sites: known, outputHead: "lm_head")
            return "accepted"
        } catch { return folder.message(error) }
    }

    /// Writes the fixture's tensors anew, changed.
    private func rewrite(
        _ folder: AdapterFolder, _ change: (String, TensorType, [Int]) -> [(String, TensorType, [Int])],
        element: Float? = nil
    ) throws {
        let file = try SafetensorsFile(folder.weights)
        var declarations: [TensorDeclaration] = []
        for entry in file.header.tensors {
            declarations += change(entry.name, entry.type, entry.shape).map {
                TensorDeclaration(name: $0.0, type: $0.1, shape: $0.2)
            }
        }
        let writer = try SafetensorsWriter(folder.weights, tensors: declarations)
        for declaration in declarations {
            var bytes = [UInt8](repeating: 0, count: try declaration.byteCount())
            if let element {
                withUnsafeBytes(of: element.bitPattern.littleEndian) { bytes.replaceSubrange(4..<8, with: $0) }
            }
            try bytes.withUnsafeBytes { try writer.write(declaration.name, $0) }
        }
        try writer.finish()
    }

    static let q0 = "base_model.model.model.layers.0.self_attn.q_proj"
    static let other = "Give the model that the adapter was trained on."

    @Test func anotherBase() throws {
        var sites = try PEFTFixture.sites()
        let first = try #require(sites.firstIndex { $0.path == "model.layers.0.self_attn.q_proj" })
        sites[first] = AdapterSite(path: sites[first].path, inputs: 32, outputs: 24)
        #expect(
            try refusal(["base_model_name_or_path": .string("someone/else")], sites: sites)
                == "adapter_model.safetensors: tensor \"\(Self.q0).lora_A.weight\": the shape is [4, 24], and the model's "
                + "linear of 32 inputs and 24 outputs needs [4, 32]; the adapter was made for \"someone/else\". \(Self.other)"
        )
        sites[first] = AdapterSite(path: sites[first].path, inputs: 24, outputs: 48)
        #expect(
            try refusal(sites: sites).contains("lora_B.weight\": the shape is [24, 4], and the model's linear of 24"))
        let fewer = try PEFTFixture.sites().filter { !$0.path.contains("layers.1") }
        #expect(
            try refusal(sites: fewer).hasPrefix(
                "adapter_model.safetensors: the model has no linear for the tensors "
                    + "base_model.model.model.layers.1.mlp.down_proj.lora_A.weight, "))
        let more =
            try PEFTFixture.sites() + [AdapterSite(path: "model.layers.2.self_attn.q_proj", inputs: 24, outputs: 24)]
        #expect(
            try refusal(sites: more).hasPrefix(
                "adapter_model.safetensors: tensors that the configuration targets are missing: "
                    + "base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight, "))
        #expect(
            try refusal(sites: [AdapterSite(path: "transformer.h.0.attn.c_attn", inputs: 24, outputs: 24)])
                .hasPrefix("adapter_model.safetensors: the model has no linear for the tensors "))
    }

    @Test func tensorsAndConfigurationDisagree() throws {
        #expect(
            try refusal(["target_modules": .array([.string("q_proj")])])
                == "adapter_model.safetensors: there are tensors for linears that the configuration does not target: "
                + "model.layers.0.self_attn.v_proj, model.layers.0.mlp.down_proj, model.layers.1.self_attn.v_proj, "
                + "model.layers.1.mlp.down_proj. Correct target_modules in adapter_config.json.")
        #expect(
            try refusal(["r": .integer(8)]).hasSuffix(
                "the shape is [4, 24], and the configuration's rank is 8. Correct r or rank_pattern in adapter_config.json."
            ))
        #expect(
            try refusal(["target_modules": .array(["q_proj", "v_proj", "down_proj", "o_proj"].map(JSONValue.string))])
                .contains(
                    "tensors that the configuration targets are missing: "
                        + "base_model.model.model.layers.0.self_attn.o_proj.lora_A.weight, "))
        #expect(
            try refusal(["target_modules": .array([.string("c_attn")])])
                .contains("the targets select none of the model's linears"))
    }

    @Test func tensorsOfOtherKindsOfAdapters() throws {
        let kinds = [
            ("model.layers.0.self_attn.q_proj.lora_magnitude_vector", "DoRA"),
            ("model.embed_tokens.lora_embedding_A", "an adapter of an embedding"),
            ("model.layers.0.self_attn.q_proj.lora_B.bias", "LoRA with biases (lora_bias)"),
            ("lm_head.weight", "a module saved whole (modules_to_save) or another kind of adapter"),
            ("model.layers.0.self_attn.q_proj.base_layer.weight", "a saved base layer"),
            ("model.layers.0.self_attn.q_proj.base_layer.bias", "trained biases"),
            ("model.embed_tokens.token_adapter.trainable_tokens_delta", "trainable tokens"),
        ]
        for (path, kind) in kinds {
            let name = "base_model.model.\(path)"
            let message = try refusal { folder in
                try rewrite(folder) {
                    $0 == "\(Self.q0).lora_A.weight" ? [($0, $1, $2), (name, .float32, [2])] : [($0, $1, $2)]
                }
            }
            #expect(
                message == "adapter_model.safetensors: tensor \"\(name)\": the tensor belongs to \(kind), which is not "
                    + "supported. Use a plain LoRA adapter.")
        }
    }

    @Test func tensorsThatAreWrong() throws {
        let a = "\(Self.q0).lora_A.weight"
        #expect(
            try refusal { folder in
                try rewrite(folder) { $0 == a ? [("\(Self.q0).lora_A.default.weight", $1, $2)] : [($0, $1, $2)] }
            }
                == "adapter_model.safetensors: the model has no linear for the tensors "
                + "\(Self.q0).lora_A.default.weight. \(Self.other)")
        #expect(
            try refusal { folder in try rewrite(folder) { $0 == a ? [] : [($0, $1, $2)] } }
                == "adapter_model.safetensors: tensors that the configuration targets are missing: \(a). \(Self.other)")
        #expect(
            try refusal { folder in try rewrite(folder) { $0 == a ? [($0, $1, [96])] : [($0, $1, $2)] } }
                .contains("the shape is [96], and the model's linear of 24 inputs and 24 outputs needs [4, 24]"))
        #expect(
            try refusal { folder in try rewrite(folder) { $0 == a ? [($0, .signed8, $2)] : [($0, $1, $2)] } }
                == "adapter_model.safetensors: tensor \"\(a)\": the type is I8; F32, BF16, F16 and F64 are supported for "
                + "adapters. Save the adapter again in float32.")
        #expect(
            try refusal { folder in try rewrite(folder, { [($0, $1, $2)] }, element: .nan) }
                .contains("element 1 is nan: every value must be finite in float32. Train the adapter again"))
        #expect(
            try refusal { folder in try rewrite(folder, { [($0, $1, $2)] }, element: -.infinity) }
                .contains("element 1 is -inf: every value must be finite in float32"))
        #expect(
            try refusal { folder in try rewrite(folder) { _, _, _ in [] } }.contains("targets are missing"))
    }

    @Test func filesThatAreMissingOrDamaged() throws {
        let sites = try PEFTFixture.sites()
        let none = #expect(throws: Failure.self) {
            try AdapterDirectory.read("/nonexistent/adapter", sites: sites, outputHead: nil)
        }
        #expect(none?.description == "/nonexistent/adapter: there is no such directory. Check the path.")
        #expect(none?.kind == .inputMissing)
        #expect(
            try refusal { try FileManager.default.removeItem(atPath: $0.configuration) }
                == "DIR: the directory holds no adapter_config.json: it is no PEFT adapter. "
                + "Give the directory that save_pretrained or train wrote.")
        #expect(
            try refusal { try FileManager.default.removeItem(atPath: $0.weights) }
                == "adapter_model.safetensors: there is no such file. Check the path.")
        #expect(
            try refusal { try FileManager.default.moveItem(atPath: $0.weights, toPath: $0.path + "/adapter_model.bin") }
                == "DIR: the adapter is stored as adapter_model.bin, whose pickle format can run code and is not read. "
                + "Load it with PEFT and save it again with safe_serialization=True.")
        #expect(try refusal { try AtomicFile.write("{", to: $0.configuration) }.hasPrefix("adapter_config.json:1:2: "))
        #expect(
            try refusal { try AtomicFile.write("[]", to: $0.configuration) }
                == "adapter_config.json: holds an array where a JSON object is expected.")
        #expect(try refusal { try AtomicFile.write("short", to: $0.weights) }.hasPrefix("adapter_model.safetensors: "))
        #expect(
            try refusal(["use_dora": .bool(true), "task_type": .string("SEQ_CLS")])
                == "adapter_config.json: the adapter asks for what is not supported: task_type = \"SEQ_CLS\", "
                + "use_dora = true. Use a plain LoRA adapter of a causal language model.")
    }

    @Test func directoriesThatCannotBeWritten() throws {
        let set = AdapterSet(sites: [(AdapterSite(path: "a.q", inputs: 2, outputs: 2), 1, 1)])
        let configuration = AdapterConfiguration(
            baseModel: nil, ranks: RankRule(rank: 1, alpha: 1), dropout: 0, targets: .names(["q"]))
        let failure = #expect(throws: Failure.self) {
            try AdapterDirectory.write(set, configuration: configuration, to: "/nonexistent/adapter")
        }
        #expect(failure?.kind == .cannotCreate)
    }

    @Test(.enabled(if: SharedData.hasAdapters)) func aRealAdapterOfAnotherTask() throws {
        let path = SharedData.path("adapters/peft-gpt2")
        let configuration = try AdapterDirectory.configuration(path)
        #expect(configuration.baseModel == "gpt2")
        #expect(configuration.unsupported == ["task_type = \"SEQ_CLS\""])
        let failure = #expect(throws: Failure.self) {
            try AdapterDirectory.read(path, sites: PEFTFixture.sites(), outputHead: nil)
        }
        #expect(failure?.kind == .unsupported)
    }
}
