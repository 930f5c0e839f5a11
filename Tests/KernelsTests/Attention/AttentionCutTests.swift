import Kernels
import Testing

@Suite("Cutting attention into turns")
struct AttentionCutTests {
    @Test("Turns cover all rows, and each block of keys is passed by the turns that see it, in their order")
    func everyBlock() {
        for rows in [1, 95, 96, 97, 300, 577] {
            for window in [nil, 1, 2, 95, 96, 97, 98, 250, 1_000] {
                for group in [1, 3] {
                    let shape = AttentionShape(
                        queryHeads: 2 * group, keyValueHeads: 2, headWidth: 8, scale: 1, window: window)
                    let cut = AttentionCut(rows: rows, shape: shape)
                    var covered = Array(repeating: 0, count: group * rows)
                    for turn in 0..<cut.turnCount {
                        for row in cut.queries(turn) { covered[cut.head(turn) * rows + row] += 1 }
                    }
                    #expect(covered.allSatisfy { $0 == 1 })

                    for block in 0..<cut.keyBlockCount {
                        let seeing = (0..<cut.turnCount).filter { turn in
                            cut.queries(turn).contains { query in
                                cut.keys(block).contains { $0 <= query && query - $0 < window ?? rows }
                            }
                        }
                        let visiting = (0..<cut.turnCount).filter { cut.keyBlocks($0).contains(block) }
                        #expect(visiting == seeing)
                        #expect(seeing.map { cut.turnsBefore($0, at: block) } == Array(seeing.indices))
                        #expect(seeing.filter { cut.isLast($0, at: block) } == [seeing.last])
                    }
                }
            }
        }
    }
}
