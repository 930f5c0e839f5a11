import System
import TestSupport
import Testing

/// The scalar reference against transformers and PEFT, and its dual numbers against finite differences.
@Suite("The scalar reference")
struct ReferenceTests {
    /// Fixtures are float64 results rounded once to float32 (6e-8); frequencies may differ in their last float32 bits.
    static let tolerance = 1e-6
    /// Gradients move more with the last bits of the frequencies, which llama3 scaling rounds several times.
    static let gradientTolerance = 3e-6
    /// Central differences over a step of 2⁻¹¹ have a truncation error of about the step squared.
    static let differenceTolerance = 2e-5

    @Test("Logits, log-probabilities and losses equal those of transformers", arguments: Fixtures.modelNames)
    func forward(name: String) throws {
        let fixture = try ModelFixture(name)
        var supervised = 0
        for (index, row) in fixture.rows.enumerated() {
            let logits = try #require(fixture.expected["row.\(index).logits"])
            #expect(logits.shape == [row.ids.count, fixture.base.configuration.vocabularySize])
            expectClose(fixture.base.logits(ids: row.ids), logits)
            expectClose(
                fixture.base.logProbabilities(ids: row.ids), try #require(fixture.expected["row.\(index).logprobs"]))
            let adapted = try #require(fixture.expected["adapted.row.\(index).logits"])
            expectClose(fixture.adapted.logits(ids: row.ids), adapted)
            supervised += row.labels.dropFirst().count { $0 != -100 }
        }
        #expect(supervised == fixture.supervisedTokenCount)
        #expect(abs(fixture.base.loss(fixture.rows) - fixture.loss) < Self.tolerance * fixture.loss)
        #expect(abs(fixture.adapted.loss(fixture.rows) - fixture.adaptedLoss) < Self.tolerance * fixture.adaptedLoss)
    }

    @Test("Dual numbers give the LoRA gradients of PEFT", arguments: Fixtures.modelNames)
    func gradients(name: String) throws {
        let fixture = try ModelFixture(name)
        let sites = fixture.adapted.adapters.keys.sorted()
        #expect(sites.count == 7 * fixture.base.configuration.layerCount)
        // Every number of every matrix enters one derivative along a direction without structure.
        func direction(_ site: String, _ part: ReferenceAdapter.Part, _ index: Int) -> Double {
            var state = UInt64(index + 1) &* 0x9E37_79B9_7F4A_7C15
            for byte in (site + part.rawValue).utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
            return Double(state >> 11) * 0x1p-52 - 1
        }
        var expected = 0.0, size = 0.0
        for site in sites {
            for part in ReferenceAdapter.Part.allCases {
                let gradient = try #require(fixture.expected["gradient.\(site).\(part.rawValue)"])
                #expect(gradient.shape == fixture.adapted.adapters[site]?[part].shape)
                for (index, value) in gradient.values.enumerated() {
                    let term = Double(value) * direction(site, part, index)
                    expected += term
                    size += term.magnitude
                }
            }
        }
        let derivative = fixture.adapted.derivative(fixture.rows, along: direction)
        #expect(abs(derivative - expected) < Self.gradientTolerance * size)
        // And whole matrices at a few sites, so that a wrong number is found where it is.
        for site in [sites[0], sites[3], sites[sites.count - 1]] {
            for part in ReferenceAdapter.Part.allCases {
                let gradient = try #require(fixture.expected["gradient.\(site).\(part.rawValue)"])
                expectClose(
                    fixture.adapted.gradient(fixture.rows, site: site, part: part), gradient,
                    tolerance: Self.gradientTolerance)
            }
        }
    }

    @Test("Dual numbers agree with central differences")
    func differences() throws {
        let fixture = try ModelFixture("llama-v5-biases")
        let step: Float = 0x1p-11
        for (site, index) in [("model.layers.0.self_attn.k_proj", 5), ("model.layers.1.mlp.gate_proj", 17)] {
            for part in ReferenceAdapter.Part.allCases {
                var losses: [Double] = [], points: [Double] = []
                for sign in [Float(1), -1] {
                    var moved = fixture.adapted
                    if part == .A {
                        moved.adapters[site]?.A.values[index] += sign * step
                    } else {
                        moved.adapters[site]?.B.values[index] += sign * step
                    }
                    losses.append(moved.loss(fixture.rows))
                    points.append(Double(try #require(moved.adapters[site])[part].values[index]))
                }
                let difference = (losses[0] - losses[1]) / (points[0] - points[1])
                let exact = fixture.adapted.gradient(fixture.rows, site: site, part: part, index: index)
                #expect(abs(exact - difference) < Self.differenceTolerance * max(abs(exact), 0.01))
            }
        }
    }

    private func expectClose(
        _ found: [Double], _ expected: ReferenceTensor, tolerance: Double = Self.tolerance,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        guard found.count == expected.values.count else {
            Issue.record("\(found.count) numbers instead of \(expected.values.count)", sourceLocation: sourceLocation)
            return
        }
        let largest = expected.values.map { Double($0.magnitude) }.max() ?? 0
        let worst = zip(found, expected.values).map { abs($0 - Double($1)) }.max() ?? 0
        #expect(worst < tolerance * largest, sourceLocation: sourceLocation)
    }
}
