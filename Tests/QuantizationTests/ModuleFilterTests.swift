import Quantization
import System
import TestSupport
import Testing

@Suite struct ModuleFilterTests {
    static let modules = [
        "lm_head", "model.layers.1.mlp.down_proj", "model.layers.10.mlp.down_proj", "model.layers.1.self_attn.q_proj",
    ]

    @Test(arguments: [
        ("model.layers.1", ["model.layers.1.mlp.down_proj", "model.layers.1.self_attn.q_proj"]),
        ("down_proj", ["model.layers.1.mlp.down_proj", "model.layers.10.mlp.down_proj"]),
        ("mlp.down_proj", ["model.layers.1.mlp.down_proj", "model.layers.10.mlp.down_proj"]),
        ("model.layers.1*.mlp.down_proj", ["model.layers.1.mlp.down_proj", "model.layers.10.mlp.down_proj"]),
        ("model.*.q_*", ["model.layers.1.self_attn.q_proj"]),
        ("lm_head", ["lm_head"]), ("*", modules), ("*1*0*_proj", ["model.layers.10.mlp.down_proj"]),
    ])
    func matches(pattern: String, expected: [String]) throws {
        let filter = try ModuleFilter([pattern], option: "--keep", modules: Self.modules)
        #expect(Self.modules.filter(filter.matches) == expected)
    }

    @Test(arguments: ["proj", "layers.2", "down", "", "model.layers.1.", "lm_head.weight", "*x*"])
    func refuses(pattern: String) {
        let error = failure { _ = try ModuleFilter([pattern], option: "--keep", modules: Self.modules) }
        #expect(error?.kind == .usage)
        #expect(error?.what == "--keep \(pattern) matches no module of the model")
    }
}
