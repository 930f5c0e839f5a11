import DecoderModels
import Testing

@Suite("Windows and sums of scoring")
struct ScoringTests {
    @Test("Every token after the first is scored once, with as much context as fits", arguments: [2, 3, 5, 7, 12])
    func windows(limit: Int) {
        let ids = (0..<12).map { Int32($0) }
        let sequences = RollingWindows.sequences(ids: ids, labels: ids, limit: limit, rowIdentifier: 0)
        var predicted: [Int32] = []
        for sequence in sequences {
            #expect(sequence.ids.count <= limit)
            for (index, target) in sequence.targets.enumerated() where target != -100 {
                // The token at `index` is the one before its target.
                #expect(sequence.ids[index] == target - 1)
                predicted.append(target)
            }
        }
        #expect(predicted == Array(ids.dropFirst()))
    }

    @Test("A row that fits is one sequence with shifted labels")
    func short() {
        let sequences = RollingWindows.sequences(ids: [5, 6, 7], labels: [-100, 6, -100], limit: 3, rowIdentifier: 4)
        #expect(sequences.count == 1)
        #expect(sequences[0].targets == [6, -100, -100])
        #expect(sequences[0].supervisedCount == 1)
        #expect(sequences[0].rowIdentifier == 4)
    }

    @Test("Mean, perplexity, bits and an error clustered by row")
    func summary() throws {
        var summary = EvaluationSummary()
        summary.add(loss: 6, tokens: 3, textByteCount: 10)
        summary.add(loss: 2, tokens: 2, textByteCount: 6)
        #expect(summary.loss == 1.6)
        #expect(abs(summary.perplexity - 4.953032424395115) < 1e-12)
        #expect(abs(try #require(summary.bitsPerByte) - 8 / 0.6931471805599453 / 16) < 1e-12)
        // Residuals 6 - 1.6 * 3 = 1.2 and 2 - 1.6 * 2 = -1.2: sqrt(2 / 1 * 2.88) / 5.
        #expect(abs(try #require(summary.standardError) - 0.48) < 1e-12)
        summary.add(loss: 1, tokens: 1, textByteCount: nil)
        #expect(summary.bitsPerByte == nil)
    }
}
