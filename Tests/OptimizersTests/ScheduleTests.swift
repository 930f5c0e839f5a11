import Optimizers
import System
import Testing

struct ScheduleTests {
    @Test func registryNamesAreUniqueAndResolve() throws {
        #expect(Set(Schedules.names).count == Schedules.names.count)
        for name in Schedules.names { #expect(type(of: try Schedules.named(name)).name == name) }
    }

    @Test func anUnknownScheduleNamesTheKnownOnes() {
        let failure = #expect(throws: Failure.self) { try Schedules.named("cosin") }
        #expect(failure?.description == "there is no schedule \"cosin\". Give one of constant, linear, cosine.")
    }

    /// Equal to the factors of transformers' schedulers to the last bit, past the end of the run as well.
    @Test func factorsOfTransformers() throws {
        for entry in try OptimizerFixture.load()["schedules"]?.array ?? [] {
            let name = try #require(entry["name"]?.string)
            let warmUp = try #require(entry["warm_up"]?.integer), total = try #require(entry["total"]?.integer)
            let schedule = try Schedules.named(name)
            let expected = try #require(entry["factors"]?.array)
            #expect(!expected.isEmpty)
            for (step, bits) in expected.enumerated() {
                let factor = schedule.factor(step: step, warmUpSteps: warmUp, totalSteps: total)
                let wanted = Double(bitPattern: try #require(bits.string.flatMap { UInt64($0, radix: 16) }))
                #expect(factor == wanted, "\(name), warm-up \(warmUp) of \(total), step \(step)")
            }
        }
    }

    @Test func warmUpLengths() throws {
        #expect(WarmUp.steps(12).steps(of: 5) == 12)
        #expect(WarmUp.ratio(0.03).steps(of: 100) == 3)
        #expect(WarmUp.ratio(0.03).steps(of: 101) == 4)
        #expect(WarmUp.ratio(0).steps(of: 101) == 0)
        #expect(WarmUp.ratio(1).steps(of: 7) == 7)
    }

    @Test(arguments: [
        (WarmUp.steps(-1), "a warm-up of -1 steps: 0 or more is expected. Change --warmup-steps."),
        (WarmUp.ratio(1.5), "a warm-up ratio of 1.5: a share from 0 to 1 is expected. Change --warmup-ratio."),
        (WarmUp.ratio(.nan), "a warm-up ratio of nan: a share from 0 to 1 is expected. Change --warmup-ratio."),
    ])
    func warmUpsThatAreRefused(_ warmUp: WarmUp, message: String) {
        let failure = #expect(throws: Failure.self) { try warmUp.validate() }
        #expect(failure?.description == message)
        #expect(failure?.kind == .usage)
    }
}
