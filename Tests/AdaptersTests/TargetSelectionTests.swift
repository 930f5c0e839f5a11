import Adapters
import System
import Testing

struct TargetSelectionTests {
    private func modules(_ value: JSONValue?) -> ModuleSet? {
        if let pattern = value?.string { return .pattern(pattern) }
        return value.map { .names($0.strings) }
    }

    @Test func selectsWhatPEFTSelects() throws {
        let document = try PEFTFixture.json()
        let paths = try #require(document["paths"]).strings
        let sites = paths.map { AdapterSite(path: $0, inputs: 1, outputs: 1) }
        let cases = try #require(document["targets"]?.array)
        #expect(cases.count > 10)
        for item in cases {
            let layers = item["layers_to_transform"].map {
                $0.integer.map { [$0] } ?? $0.array?.compactMap(\.integer) ?? []
            }
            let pattern = item["layers_pattern"].map { $0.string.map { [$0] } ?? $0.strings } ?? []
            let selection = TargetSelection(
                targets: .modules(try #require(modules(item["target_modules"]))),
                exclude: modules(item["exclude_modules"]), layers: layers, layersPattern: pattern)
            let chosen =
                (try? selection.select(from: sites, outputHead: nil, requiresEveryName: false))?.map(\.path) ?? []
            #expect(chosen == item["chosen"]?.strings, "\(JSONWriter.python.string(item))")
        }
    }

    @Test func suffixesAsPEFTCondensesThem() throws {
        let document = try PEFTFixture.json()
        let sites = try #require(document["paths"]).strings.map { AdapterSite(path: $0, inputs: 1, outputs: 1) }
        for item in try #require(document["condensed"]?.array) {
            let chosen = Set(try #require(item["selected"]).strings)
            let suffixes = TargetSelection.suffixes(of: sites.filter { chosen.contains($0.path) }, among: sites)
            #expect(suffixes == item["suffixes"]?.strings)
        }
    }

    @Test func patternKeysAsPEFTMatchesThem() throws {
        let document = try PEFTFixture.json()
        let sites = try #require(document["paths"]).strings.map { AdapterSite(path: $0, inputs: 1, outputs: 1) }
        for item in try #require(document["patterns"]?.array) {
            let key = try #require(item["key"]?.string)
            let rule = RankRule(rank: 1, alpha: 1, rankPattern: [(key, 9)])
            #expect(
                try rule.apply(to: sites).filter { $0.rank == 9 }.map(\.site.path) == item["paths"]?.strings, "\(key)")
        }
    }

    @Test func allLinearLeavesOutTheHead() throws {
        let sites = try PEFTFixture.sites()
        let selected = try TargetSelection(targets: "all-linear").select(from: sites, outputHead: "lm_head")
        #expect(selected == sites.filter { $0.path != "lm_head" })
        #expect(selected.count == 14)
        #expect(
            TargetSelection.suffixes(of: selected, among: sites)
                == ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"])
        let withHead = try TargetSelection(targets: "lm_head,q_proj").select(from: sites, outputHead: "lm_head")
        #expect(withHead.count == 3)
    }

    @Test func lastLayers() throws {
        let sites = try PEFTFixture.sites()
        var selection = try TargetSelection(targets: "all-linear", exclude: "/.*mlp.*/")
        try selection.setLayers(option: "last:1", layerCount: 2)
        #expect(selection.layers == [1])
        let paths = try selection.select(from: sites, outputHead: "lm_head").map(\.path)
        #expect(paths == ["q", "k", "v", "o"].map { "model.layers.1.self_attn.\($0)_proj" })
    }

    @Test(arguments: ["first:2", "last:0", "last:", "last:x", "3", "last:3"]) func layersThatAreRefused(option: String)
        throws
    {
        var selection = try TargetSelection(targets: "all-linear")
        let failure = #expect(throws: Failure.self) { try selection.setLayers(option: option, layerCount: 2) }
        let expected =
            option == "last:3"
            ? "--layers is \"last:3\", and the model has 2 layers."
            : "--layers is \"\(option)\": last:N with N of 1 or more is expected."
        #expect(failure?.description == expected)
        #expect(failure?.kind == .usage)
    }

    @Test func optionsThatAreRefused() throws {
        let sites = try PEFTFixture.sites()
        let kinds = "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, lm_head"
        let unknown = #expect(throws: Failure.self) {
            try TargetSelection(targets: "q_proj,c_attn").select(from: sites, outputHead: "lm_head")
        }
        #expect(unknown?.description == "the model has no linear \"c_attn\" to adapt. Its linears are \(kinds).")
        let nothing = #expect(throws: Failure.self) {
            try TargetSelection(targets: "q_proj", exclude: "q_proj").select(from: sites, outputHead: "lm_head")
        }
        #expect(nothing?.description == "the targets select none of the model's linears. Its linears are \(kinds).")
        let empty = #expect(throws: Failure.self) { try TargetSelection(targets: "q_proj,") }
        #expect(
            empty?.description
                == "--targets is \"q_proj,\": module names separated by commas, or /regex/, are expected.")
        #expect(throws: Failure.self) { try TargetSelection(targets: "/(/") }
        var pattern = try TargetSelection(targets: "/.*q_proj/")
        #expect(throws: Failure.self) { try pattern.setLayers(option: "last:1", layerCount: 2) }
    }

    @Test func ranksAndScalings() throws {
        let sites = [AdapterSite(path: "a.q", inputs: 2, outputs: 2), AdapterSite(path: "a.v", inputs: 2, outputs: 2)]
        let plain = try RankRule(rank: 16, alpha: 32).apply(to: sites)
        #expect(plain.map(\.rank) == [16, 16] && plain.map(\.scaling) == [2, 2])
        let stabilized = RankRule(
            rank: 16, alpha: 32, isRankStabilized: true, rankPattern: [("q", 4)], alphaPattern: [("a.*", 3)])
        #expect(try stabilized.apply(to: sites).map(\.scaling) == [1.5, 0.75])
        for rule in [RankRule(rank: 0, alpha: 1), RankRule(rank: 1025, alpha: 1), RankRule(rank: 1, alpha: .nan)] {
            #expect(throws: Failure.self) { try rule.validate(.usage) }
        }
    }
}
