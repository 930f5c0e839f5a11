import Adapters
import ModelFiles
import System
import Tensors
import TestSupport
import Testing

/// Adapters of routers and experts: what targets select, and how PEFT stores what it adds to stacked experts.
@Suite struct ExpertSitesTests {
    private static let stack = AdapterSite.ExpertRole.stack(count: 3)
    private static let sites = [
        AdapterSite(path: "model.layers.0.self_attn.q_proj", inputs: 4, outputs: 4),
        AdapterSite(path: "model.layers.0.mlp.shared_expert.down_proj", inputs: 5, outputs: 4),
        AdapterSite(path: "model.layers.1.mlp.down_proj", inputs: 5, outputs: 4),
        AdapterSite(path: "lm_head", inputs: 4, outputs: 9),
        AdapterSite(
            path: "model.layers.0.mlp.gate", inputs: 4, outputs: 3,
            role: .router(oldPath: "model.layers.0.block_sparse_moe.gate")),
        AdapterSite(path: "model.layers.0.mlp.experts.gate_up_proj", inputs: 4, outputs: 10, role: stack),
        AdapterSite(path: "model.layers.0.mlp.experts.down_proj", inputs: 5, outputs: 4, role: stack),
        AdapterSite(path: "model.layers.0.mlp.experts.0.down_proj", inputs: 5, outputs: 4, role: .expert),
        AdapterSite(path: "model.layers.0.mlp.experts.1.down_proj", inputs: 5, outputs: 4, role: .expert),
    ]

    private func selected(_ targets: String, layers: String? = nil) throws -> (paths: [String], parameters: [String]) {
        var selection = try TargetSelection(targets: targets)
        if let layers { try selection.setLayers(option: layers, layerCount: 2) }
        try selection.separateParameters(Self.sites)
        let sites = try selection.select(from: Self.sites, outputHead: "lm_head")
        return (sites.map { String($0.path.dropFirst("model.layers.".count)) }, selection.parameters)
    }

    @Test func targets() throws {
        let linears = ["0.self_attn.q_proj", "0.mlp.shared_expert.down_proj", "1.mlp.down_proj"]
        #expect(try selected("all-linear") == (linears, []))
        let stacks = ["0.mlp.experts.gate_up_proj", "0.mlp.experts.down_proj"]
        #expect(
            try selected("q_proj,experts.gate_up_proj,experts.down_proj")
                == ([linears[0]] + stacks, ["experts.gate_up_proj", "experts.down_proj"]))
        // A name that linears have means them: those of single experts, too.
        let singles = ["0.mlp.experts.0.down_proj", "0.mlp.experts.1.down_proj"]
        #expect(try selected("down_proj") == (Array(linears[1...]) + singles, []))
        #expect(try selected("/.*experts\\.1\\..*/").paths == [singles[1]])
        #expect(try selected("gate") == (["0.mlp.gate"], []))
        #expect(try selected("block_sparse_moe.gate") == (["0.mlp.gate"], []))
        #expect(try selected("gate.weight") == (["0.mlp.gate"], ["gate.weight"]))
        // PEFT asks no layers about parameters, so whole paths stand for them.
        #expect(
            try selected("q_proj,experts.down_proj,down_proj".replacing(",down_proj", with: ""), layers: "last:2")
                == ([linears[0], stacks[1]], ["model.layers.0.mlp.experts.down_proj"]))
        let failure = try #require(throws: Failure.self) { try selected("down_proj,experts.gate_up_proj") }
        #expect(failure.kind == .usage && failure.what.contains("single experts") && failure.remedy != nil)
        let unknown = try #require(throws: Failure.self) { try selected("w1") }
        #expect(unknown.remedy?.contains("experts.gate_up_proj") == true, "\(unknown)")
    }

    @Test func ranksOfParameters() throws {
        let rule = RankRule(
            rank: 2, alpha: 4, rankPattern: [(#".*\.gate_up_proj"#, 4)], alphaPattern: [(#".*\.gate_up_proj"#, 8)])
        let ranked = try rule.apply(to: Self.sites)
        #expect(ranked.map(\.rank) == [2, 2, 2, 2, 2, 4, 2, 2, 2] && ranked.allSatisfy { $0.scaling == 2 })
        #expect(try RankRule(rank: 2, alpha: 4, rankPattern: [("gate.weight", 3)]).apply(to: Self.sites)[4].rank == 3)
    }

    /// A column of a stored B belongs to expert `column mod E`, its row of A to expert `row / R` (PEFT's einsum
    /// "o r e, e r i -> e o i").
    @Test func stacksAreStoredAsPEFTHasThem() throws {
        let folder = TemporaryDirectory()
        let chosen = Self.sites[5...6].map { (site: $0, rank: 2, scaling: Float(1)) }
        let set = AdapterSet(sites: chosen)
        #expect(set.parameterCount == 3 * 2 * (4 + 10) + 3 * 2 * (5 + 4))
        for index in 0..<set.parameterCount { set.parameters[index] = Float(index) }
        var configuration = AdapterConfiguration(
            baseModel: nil, ranks: RankRule(rank: 2, alpha: 2), dropout: 0, targets: .names([]))
        configuration.targets = nil
        configuration.targetParameters = ["experts.gate_up_proj", "experts.down_proj"]
        try AdapterDirectory.write(set, configuration: configuration, to: folder.path)

        let file = try Checkpoint(file: folder.file(AdapterDirectory.weightsFileName))
        let prefix = "base_model.model.model.layers.0.mlp.experts"
        func values(_ name: String, _ shape: [Int]) throws -> [Float] {
            let tensor = try file.requiredTensor(named: "\(prefix).\(name)")
            #expect(tensor.shape == shape, "\(name)")
            return tensor.bytes.withMemoryRebound(to: Float.self) { Array($0) }
        }
        let a = try values("base_layer.lora_A.weight", [6, 4]), b = try values("base_layer.lora_B.weight", [10, 6])
        _ = try values("lora_A.weight", [6, 5])
        _ = try values("lora_B.weight", [4, 6])
        for expert in 0..<3 {
            let own = set.matrices(0, copy: expert)
            for rank in 0..<2 {
                for column in 0..<4 { #expect(own.a.row(rank)[column] == a[(expert * 2 + rank) * 4 + column]) }
                for output in 0..<10 { #expect(own.b.row(output)[rank] == b[output * 6 + rank * 3 + expert]) }
            }
        }

        let again = try AdapterDirectory.read(folder.path, sites: Self.sites, outputHead: "lm_head").parameters
        #expect(again.entries.map(\.site) == set.entries.map(\.site))
        #expect(Array(again.parameters) == Array(set.parameters))
        // One parameter alone is stored under the module's own path.
        let single = AdapterSet(sites: Array(chosen.prefix(1)))
        configuration.targetParameters = ["experts.gate_up_proj"]
        try AdapterDirectory.write(single, configuration: configuration, to: folder.path)
        let shape = try Checkpoint(file: folder.file(AdapterDirectory.weightsFileName))
            .requiredTensor(named: "\(prefix).lora_B.weight").shape
        #expect(shape == [10, 6])
        #expect(
            try AdapterDirectory.read(folder.path, sites: Self.sites, outputHead: "lm_head").parameters.entries.count
                == 1)
    }

    @Test func stacksThatAreWrong() throws {
        let folder = TemporaryDirectory()
        let set = AdapterSet(sites: [(Self.sites[6], 2, 1)])
        var configuration = AdapterConfiguration(
            baseModel: nil, ranks: RankRule(rank: 3, alpha: 2), dropout: 0, targets: .names([]))
        configuration.targets = nil
        configuration.targetParameters = ["experts.down_proj"]
        try AdapterDirectory.write(set, configuration: configuration, to: folder.path)
        func refusal() throws -> String {
            try #require(throws: Failure.self) {
                try AdapterDirectory.read(folder.path, sites: Self.sites, outputHead: "lm_head")
            }.what
        }
        #expect(try refusal() == "the shape is [6, 5], and the configuration's rank is 3 for each of 3 experts")
        configuration.ranks.rank = 2
        configuration.targetParameters = ["experts.gate_up_proj", "experts.down_proj"]
        try AdapterDirectory.write(set, configuration: configuration, to: folder.path)
        #expect(try refusal().hasPrefix("tensors that the configuration targets are missing: "))
    }
}
