import CIntrinsics
import Diagnostics
import Kernels
import Tensors
import Testing

@Suite("Dropout")
struct DropoutTests {
    /// One block of Philox4x32-10, scalar.
    private func philox(_ counter: [UInt32], _ key: [UInt32]) -> [UInt32] {
        var (c, k) = (counter, key)
        for _ in 0..<10 {
            let first = UInt64(c[0]) * 0xD251_1F53
            let second = UInt64(c[2]) * 0xCD9E_8D57
            c = [
                UInt32(second >> 32) ^ c[1] ^ k[0], UInt32(truncatingIfNeeded: second),
                UInt32(first >> 32) ^ c[3] ^ k[1], UInt32(truncatingIfNeeded: first),
            ]
            k = [k[0] &+ 0x9E37_79B9, k[1] &+ 0xBB67_AE85]
        }
        return c
    }

    @Test("The generator has the published known answers")
    func knownAnswers() {
        // kat_vectors of Random123, philox4x32 with 10 rounds.
        #expect(philox([0, 0, 0, 0], [0, 0]) == [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
        #expect(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0])
                == [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
    }

    @Test("Kernels keep what the scalar generator keeps", arguments: [1, 16, 63, 64, 65, 200])
    func kernels(length: Int) {
        let x = SampleBuffer((0..<length).map { Float($0 + 1) })
        var parameters = qk_dropout(
            key_low: 0xa409_3822, key_high: 0x299f_31d0, row: 17, position: 4, site: 99, threshold: 0x4000_0000,
            scale: 1.5)
        let expected = (0..<length).map { column -> Float in
            let word = philox(
                [UInt32(column / 64 * 16 + column % 16), 4, 17, 99], [0xa409_3822, 0x299f_31d0])[column % 64 / 16]
            return word >= 0x4000_0000 ? 1.5 * Float(column + 1) : 0
        }
        for context in contexts() {
            let y = SampleBuffer<Float>(repeating: -1, count: length + 1)
            context.kernels.elementwise.dropout(x.base, y.base, Int64(length), &parameters)
            #expect(Array(y.elements[..<length]) == expected)
            #expect(y.elements[length] == -1)
        }
    }

    @Test("Rates are met, and every part of the key matters")
    func rates() {
        let (rows, columns) = (64, 1024)
        let ones = SampleMatrix(rows: rows, columns: columns) { _, _ in 1 }
        let identifiers = SampleBuffer((0..<rows).map { Int32($0) })
        let positions = SampleBuffer<Int32>(repeating: 5, count: rows)
        guard let context = contexts().last else { return }
        func pattern(rate: Float, _ key: DropoutKey, positions: SampleBuffer<Int32>) -> [Float] {
            let y = ones.copy
            context.dropout(
                ones.matrix, rate: rate, key: key, rowIdentifiers: identifiers.base, positions: positions.base,
                into: y.matrix)
            return y.bits.map { Float(bitPattern: $0) }
        }
        let key = DropoutKey(seed: 7, step: 1, site: 2)
        for rate: Float in [0.05, 0.5, 0.9] {
            let values = pattern(rate: rate, key, positions: positions)
            let kept = values.filter { $0 != 0 }
            #expect(kept.allSatisfy { $0 == 1 / (1 - rate) })
            let share = Double(values.count - kept.count) / Double(values.count)
            // Five standard deviations of a binomial of 65,536 draws.
            #expect(abs(share - Double(rate)) < 5 * (Double(rate * (1 - rate)) / 65536).squareRoot())
        }
        #expect(pattern(rate: 0, key, positions: positions).allSatisfy { $0 == 1 })
        let base = pattern(rate: 0.5, key, positions: positions)
        let others = [
            pattern(rate: 0.5, DropoutKey(seed: 8, step: 1, site: 2), positions: positions),
            pattern(rate: 0.5, DropoutKey(seed: 7, step: 2, site: 2), positions: positions),
            pattern(rate: 0.5, DropoutKey(seed: 7, step: 1, site: 3), positions: positions),
            pattern(rate: 0.5, key, positions: SampleBuffer<Int32>(repeating: 6, count: rows)),
        ]
        for other in others {
            let equal = zip(base, other).count { $0 == $1 }
            // Unrelated patterns agree in half of the places.
            #expect(abs(Double(equal) / 65536 - 0.5) < 0.01)
        }
        let firstRow = base[..<columns]
        let secondRow = base[columns..<2 * columns]
        #expect(abs(Double(zip(firstRow, secondRow).count { $0 == $1 }) / 1024 - 0.5) < 0.08)
    }
}
