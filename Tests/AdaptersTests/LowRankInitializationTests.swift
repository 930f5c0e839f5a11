import Adapters
import System
import Tensors
import Testing

struct LowRankInitializationTests {
    /// Bit for bit the adapters that PEFT makes after `torch.manual_seed`.
    @Test func initialAdaptersOfPEFT() throws {
        let document = try PEFTFixture.json()
        let sites = try PEFTFixture.sites()
        let cases = try #require(document["initial"]?.array)
        #expect(cases.count == 4)
        for item in cases {
            let expected = try #require(item["adapters"]?.array)
            let paths = Set(expected.compactMap { $0["path"]?.string })
            let pattern = item["rank_pattern"]?.object?.members.map { (key: $0.key, rank: $0.value.integer ?? 0) } ?? []
            let rule = RankRule(rank: try #require(item["rank"]?.integer), alpha: 8, rankPattern: pattern)
            let set = AdapterSet(sites: try rule.apply(to: sites.filter { paths.contains($0.path) }))
            for index in set.parameters.indices { set.parameters[index] = 7 }
            set.initialize(seed: UInt64(try #require(item["seed"]?.integer)))
            #expect(set.entries.map(\.site.path) == expected.compactMap { $0["path"]?.string })
            for (index, wanted) in expected.enumerated() {
                let a = set.matrixA(index), b = set.matrixB(index)
                let bits = (0..<a.count).map { a.base[$0].bitPattern }
                let sum = bits.enumerated().reduce(UInt64(0)) { $0 &+ UInt64($1.element) &* UInt64($1.offset + 1) }
                #expect(String(sum) == wanted["sum"]?.string, "\(set.entries[index].site.path)")
                #expect(bits.prefix(3).map(Int.init) == wanted["first"]?.array?.compactMap(\.integer))
                #expect(bits.last.map(Int.init) == wanted["last"]?.integer)
                #expect((0..<b.count).allSatisfy { b.base[$0] == 0 })
            }
        }
    }
}
