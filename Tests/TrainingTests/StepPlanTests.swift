import Testing
import Training

@Suite("Steps and micro-batches")
struct StepPlanTests {
    private func settings(_ change: (inout TrainingSettings) -> Void) -> TrainingSettings {
        var settings = TrainingSettings()
        change(&settings)
        return settings
    }

    @Test("The last step of an epoch takes what is left, and nothing is carried over")
    func shortLastStep() {
        let plan = StepPlan(
            rowCount: 10,
            settings: settings {
                $0.batchSize = 2
                $0.gradientAccumulation = 2
                $0.epochs = 2
            })
        #expect(plan.totalSteps == 6)
        #expect((0..<6).map { plan.positions(ofStep: $0) } == [0..<4, 4..<8, 8..<10, 0..<4, 4..<8, 8..<10])
        #expect((0..<6).map { plan.epoch(ofStep: $0) } == [0, 0, 0, 1, 1, 1])
        #expect(plan.epochsDone(afterStep: 2) == 1)
    }

    @Test("Fractions of an epoch and given steps", arguments: [(0.5, nil, 2), (1.0, 7, 7), (0.01, nil, 1)])
    func totals(epochs: Double, steps: Int?, expected: Int) {
        let plan = StepPlan(
            rowCount: 10,
            settings: settings {
                $0.batchSize = 4
                $0.gradientAccumulation = 1
                $0.epochs = epochs
                $0.maximumSteps = steps
            })
        #expect(plan.totalSteps == expected)
    }

    @Test("Rows are cut by count, or by tokens where they share a pass")
    func cuts() {
        let lengths = [5, 3, 9, 1, 1, 1]
        #expect(MicroBatches.cut(lengths: lengths, rows: 2, tokens: nil) == [0..<2, 2..<4, 4..<6])
        #expect(MicroBatches.cut(lengths: lengths, rows: 1, tokens: 10) == [0..<2, 2..<4, 4..<6])
        #expect(MicroBatches.cut(lengths: lengths, rows: 1, tokens: 9) == [0..<2, 2..<3, 3..<6])
        #expect(MicroBatches.cut(lengths: [], rows: 1, tokens: 9).isEmpty)
    }

    @Test("No micro-batch of any order exceeds the capacity", arguments: [true, false])
    func capacity(packing: Bool) {
        let settings = settings {
            $0.batchSize = 2
            $0.gradientAccumulation = 3
            $0.maximumLength = 16
            $0.packing = packing
        }
        var lengths = [16, 2, 7, 7, 1, 12, 9, 3, 16, 4]
        let capacity = MicroBatches.capacity(lengths: lengths, settings: settings)
        #expect(capacity <= 32)
        for _ in 0..<50 {
            lengths.shuffle()
            for start in stride(from: 0, to: lengths.count, by: settings.rowsPerStep) {
                let step = Array(lengths[start..<min(start + settings.rowsPerStep, lengths.count)])
                for range in MicroBatches.cut(
                    lengths: step, rows: settings.batchSize, tokens: packing ? capacity : nil)
                {
                    #expect(step[range].reduce(0, +) <= capacity)
                }
            }
        }
    }
}
