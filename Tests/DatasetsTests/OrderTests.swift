import Datasets
import Foundation
import System
import Testing

struct OrderTests {
    @Test func ordersOfTheHuggingFaceTrainer() throws {
        let document = try JSONParser.parse([UInt8](Data(contentsOf: URL(fileURLWithPath: fixture("orders.json")))))
        let orders = try #require(document["orders"]?.array)
        #expect(orders.count == 6)
        for order in orders {
            let count = try #require(order["count"]?.integer), seed = try #require(order["seed"]?.integer)
            let indices = DataOrder.shuffled.indices(
                rowCount: count, epoch: try #require(order["epoch"]?.integer), seed: UInt64(seed))
            #expect(Array(indices.prefix(12)) == order["first"]?.array?.compactMap(\.integer))
            // Modulo 2^61, so that the low 64 bits of each product suffice.
            let checksum = indices.reduce(UInt64(0)) { ($0 &* 1_000_003 &+ UInt64($1)) & ((1 << 61) - 1) }
            #expect(Int(checksum) == order["checksum"]?.integer)
        }
    }

    @Test func sequentialOrderIsTheFile() {
        #expect(DataOrder.sequential.indices(rowCount: 4, epoch: 3, seed: 1) == [0, 1, 2, 3])
        #expect(DataOrder.shuffled.indices(rowCount: 0, epoch: 0, seed: 1).isEmpty)
    }

    @Test func splitsAreDisjointCompleteAndDeterministic() throws {
        for count in [1, 2, 19, 20, 21, 399, 5_000] {
            let split = try EvaluationSplit(fraction: 0.05, seed: 42)
            let (training, evaluation) = split.indices(rowCount: count)
            #expect((training + evaluation).sorted() == Array(0..<count))
            #expect(training == training.sorted() && evaluation == evaluation.sorted())
            #expect(split.indices(rowCount: count).evaluation == evaluation)
            #expect(evaluation.count == split.evaluationCount(of: count))
        }
        let counts = [1, 2, 20, 21, 4_000, 5_000]
        let split = try EvaluationSplit(fraction: 0.05, seed: 42)
        #expect(counts.map(split.evaluationCount) == [0, 1, 1, 2, 200, 200])
        #expect(try EvaluationSplit(fraction: 0, seed: 42).indices(rowCount: 3).training == [0, 1, 2])
        #expect(
            try EvaluationSplit(fraction: 0.5, seed: 1).indices(rowCount: 100).evaluation
                != EvaluationSplit(fraction: 0.5, seed: 2).indices(rowCount: 100).evaluation)
    }

    @Test(arguments: [-0.1, 1.0, .nan]) func sharesThatAreRefused(fraction: Double) {
        let failure = #expect(throws: Failure.self) { try EvaluationSplit(fraction: fraction, seed: 0) }
        #expect(failure?.what == "--eval-split is \(fraction): a share from 0 to below 1 is expected")
    }
}
