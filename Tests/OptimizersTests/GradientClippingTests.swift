import Optimizers
import System
import Testing

struct GradientClippingTests {
    @Test func coefficientsOfTorch() throws {
        let entries = try #require(try OptimizerFixture.load()["clipping"]?.array)
        #expect(entries.count > 20)
        for entry in entries {
            let norm = Float(bitPattern: try #require(entry["norm"]?.string.flatMap { UInt32($0, radix: 16) }))
            let limit = try #require(entry["limit"]?.double)
            let wanted = try #require(entry["coefficient"]?.string.flatMap { UInt32($0, radix: 16) })
            let coefficient = GradientClipping.coefficient(norm: norm, limit: limit)
            #expect(coefficient.bitPattern == wanted, "norm \(norm), limit \(limit)")
        }
    }

    @Test func zeroSwitchesClippingOff() {
        #expect(GradientClipping.coefficient(norm: 1e30, limit: 0) == 1)
    }

    @Test func normsThatAreNoNumbers() {
        #expect(GradientClipping.coefficient(norm: .nan, limit: 1).isNaN)
        #expect(GradientClipping.coefficient(norm: .infinity, limit: 1) == 0)
    }
}
