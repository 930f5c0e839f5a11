import CIntrinsics
import Diagnostics
import Glibc
import Kernels
import Tensors
import Testing

/// A few roundings, relative to the largest number of a matrix.
private let tolerance = 1e-6

@Suite("Activations, LayerNorm and the rest of what families differ in")
struct ActivationTests {
    static let kinds: [Activation] = [.silu, .gelu, .geluTanh]

    private func exact(_ activation: Activation, _ x: Double) -> Double { ActivationReference.value(activation, x) }

    @Test("Values and slopes against double precision", arguments: kinds, [1, 7, 16, 33, 1003])
    func activations(activation: Activation, length: Int) {
        let gate = SampleMatrix.random(3, length, seed: 40, range: 6)
        let up = SampleMatrix.random(3, length, seed: 41)
        let dOut = SampleMatrix.random(3, length, seed: 42)
        let step = 1e-5
        func slope(_ x: Double) -> Double {
            (exact(activation, x + step) - exact(activation, x - step)) / (2 * step)
        }
        for context in contexts() {
            let plain = gate.copy
            context.run(context.activate(activation, gate: .float32(gate.matrix), up: nil, into: plain.matrix))
            #expect(plain.error { exact(activation, gate[$0, $1]) } < tolerance)
            let gated = gate.copy
            context.run(
                context.activate(activation, gate: .float32(gated.matrix), up: .float32(up.matrix), into: gated.matrix))
            #expect(gated.error { exact(activation, gate[$0, $1]) * up[$0, $1] } < tolerance)
            #expect(plain.gapsAreIntact && gated.gapsAreIntact)

            let alone = gate.copy
            context.run(
                context.activateBackward(
                    activation, dOut.matrix, gate: .float32(alone.matrix), up: nil, into: alone.matrix, nil))
            #expect(alone.error { dOut[$0, $1] * slope(gate[$0, $1]) } < tolerance)
            let dGate = gate.copy
            let dUp = up.copy
            context.run(
                context.activateBackward(
                    activation, dOut.matrix, gate: .float32(dGate.matrix), up: .float32(dUp.matrix), into: dGate.matrix,
                    dUp.matrix))
            #expect(dGate.error { dOut[$0, $1] * up[$0, $1] * slope(gate[$0, $1]) } < tolerance)
            #expect(dUp.error { dOut[$0, $1] * exact(activation, gate[$0, $1]) } < tolerance)
            #expect(alone.gapsAreIntact && dGate.gapsAreIntact && dUp.gapsAreIntact)
        }
    }

    @Test("Far arguments neither overflow nor lose the sign of zero's side", arguments: kinds)
    func ends(activation: Activation) {
        for context in contexts() {
            let row = SampleMatrix(rows: 1, columns: 6) { [0, 1e4, -1e4, 3e38, -3e38, .nan][$1] }
            context.run(context.activate(activation, gate: .float32(row.matrix), up: nil, into: row.matrix))
            #expect(row[0, 0] == 0 && row[0, 1] == 1e4 && row[0, 2] == 0 && row[0, 4] == 0)
            #expect(Float(row[0, 3]) == 3e38)
            #expect(row[0, 5].isNaN)
        }
    }

    @Test("LayerNorm and its gradient against double precision", arguments: [2, 7, 16, 33, 100, 577], [true, false])
    func layerNorm(length: Int, hasBias: Bool) {
        // A mean of twice the deviation: what is subtracted is larger than what stays.
        let x = SampleMatrix(rows: 4, columns: length) { row, column in
            Float(2 + row) + Float((row * 31 + column * 17) % 13 - 6) / 4
        }
        let weight = SampleMatrix.random(2, length, seed: 43)
        let bias = SampleMatrix.random(2, length, seed: 44)
        let dY = SampleMatrix.random(4, length, seed: 45)
        let epsilon = 1e-5
        func normalized(_ row: Int, _ changed: Int = -1, _ step: Double = 0) -> (values: [Double], reciprocal: Double) {
            let elements = (0..<length).map { x[row, $0] + ($0 == changed ? step : 0) }
            let mean = elements.reduce(0, +) / Double(length)
            let variance = elements.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(length)
            let reciprocal = 1 / (variance + epsilon).squareRoot()
            return (elements.map { ($0 - mean) * reciprocal }, reciprocal)
        }
        func value(_ row: Int, _ changed: Int, _ step: Double) -> Double {
            let values = normalized(row, changed, step).values
            return (0..<length).reduce(0) { $0 + dY[row, $1] * weight[row % 2, $1] * values[$1] }
        }
        let step = 1e-5
        let exact = (0..<4).map { normalized($0) }
        let slopes = (0..<4).map { row in
            (0..<length).map { (value(row, $0, step) - value(row, $0, -step)) / (2 * step) }
        }
        let weights = SampleBuffer((0..<2).flatMap { row in (0..<length).map { weight.matrix.row(row)[$0] } })
        let biases = SampleBuffer((0..<2).flatMap { row in (0..<length).map { bias.matrix.row(row)[$0] } })
        for context in contexts() {
            let y = x.copy
            let reciprocals = SampleBuffer<Float>(repeating: 0, count: 4)
            context.run(
                context.layerNorm(
                    y.matrix, weight: weights.base, bias: hasBias ? UnsafePointer(biases.base) : nil, weightRows: 2,
                    epsilon: Float(epsilon), into: y.matrix, reciprocals: reciprocals.base))
            #expect(
                y.error {
                    weight[$0 % 2, $1] * exact[$0].values[$1] + (hasBias ? bias[$0 % 2, $1] : 0)
                } < 2e-6)
            for row in 0..<4 { #expect(abs(Double(reciprocals.base[row]) / exact[row].reciprocal - 1) < 1e-5) }
            let dX = dY.copy
            context.run(
                context.layerNormBackward(
                    dX.matrix, x: x.matrix, weight: weights.base, weightRows: 2, reciprocals: reciprocals.base,
                    into: dX.matrix, adding: false))
            // Two elements: their normalised values hardly move.
            let scale = length == 2 ? 5e-2 : 1e-5
            #expect(dX.error { slopes[$0][$1] } < scale)
            let added = x.copy
            context.run(
                context.layerNormBackward(
                    dY.matrix, x: x.matrix, weight: weights.base, weightRows: 2, reciprocals: reciprocals.base,
                    into: added.matrix, adding: true))
            #expect(added.error { x[$0, $1] + slopes[$0][$1] } < 1e-5)
            #expect(y.gapsAreIntact && dX.gapsAreIntact && added.gapsAreIntact)
        }
    }

    @Test("Neighbours are rotated together, and back")
    func pairs() {
        let heads = 3, width = 10, turning = 6
        let x = SampleMatrix.random(4, heads * width, seed: 46)
        let positions = SampleBuffer<Int32>([0, 2, 1, 2])
        let angles = (0..<3 * turning / 2).map { Double($0) * 0.7 }
        let cosines = SampleBuffer(angles.map { Float(cos($0)) })
        let sines = SampleBuffer(angles.map { Float(sin($0)) })
        for context in contexts() {
            let y = x.copy
            context.run(
                context.rotate(
                    y.matrix, heads: heads, headWidth: width, rotaryWidth: turning, pairing: .neighbours,
                    positions: positions.base, cosines: cosines.base, sines: sines.base, inverse: false))
            #expect(
                y.error { row, column in
                    let channel = column % width
                    guard channel < turning else { return x[row, column] }
                    let angle = angles[Int(positions.elements[row]) * (turning / 2) + channel / 2]
                    let partner = channel.isMultiple(of: 2) ? -x[row, column + 1] : x[row, column - 1]
                    return x[row, column] * cos(angle) + partner * sin(angle)
                } < tolerance)
            context.run(
                context.rotate(
                    y.matrix, heads: heads, headWidth: width, rotaryWidth: turning, pairing: .neighbours,
                    positions: positions.base, cosines: cosines.base, sines: sines.base, inverse: true))
            #expect(y.error { x[$0, $1] } < tolerance)
            #expect(y.gapsAreIntact)
        }
    }

    @Test("Capped logits: the loss is theirs, the gradient that of what was capped", arguments: [1, 15, 64, 1000])
    func cappedCrossEntropy(columns: Int) {
        let rows = 3, cap = 5.0
        let raw = SampleMatrix.random(rows, columns, seed: 47, range: 8)
        let labels = SampleBuffer((0..<rows).map { Int32(($0 * 7919 + 3) % columns) })
        func capped(_ row: Int, _ column: Int) -> Double { cap * tanh(raw[row, column] / cap) }
        let sums = (0..<rows).map { row in log((0..<columns).reduce(0) { $0 + exp(capped(row, $1)) }) }
        for context in contexts() {
            let logits = raw.copy
            context.softCap(logits.matrix, at: Float(cap))
            #expect(logits.error(capped) < tolerance)
            let losses = SampleBuffer<Float>(repeating: 0, count: rows)
            context.crossEntropy(
                logits: logits.matrix, labels: labels.base, losses: losses.base, gradientScale: 0.5,
                softCap: Float(cap))
            for row in 0..<rows {
                let expected = sums[row] - capped(row, Int(labels.base[row]))
                #expect(abs(Double(losses.base[row]) - expected) < 1e-6 * max(1, expected))
            }
            #expect(
                logits.error { row, column in
                    let share = capped(row, column) / cap
                    let own = exp(capped(row, column) - sums[row]) - (column == Int(labels.base[row]) ? 1 : 0)
                    return 0.5 * own * (1 - share * share)
                } < 1e-6 || columns == 1)
            #expect(logits.gapsAreIntact)
        }
    }

    @Test("Rows of a table are added, runs of columns copied there and back")
    func rowsAndRuns() {
        let table = SampleMatrix.random(5, 37, seed: 48)
        let y = SampleMatrix.random(4, 37, seed: 49)
        let indices = SampleBuffer<Int32>([4, 0, 0, 2])
        let runs = [ColumnRun(source: 3, target: 0, count: 10), ColumnRun(source: 20, target: 10, count: 17)]
        for context in contexts() {
            let sum = y.copy
            context.addRows(of: table.matrix, at: indices.base, into: sum.matrix)
            #expect(sum.error { y[$0, $1] + table[Int(indices.elements[$0]), $1] } < tolerance)
            let row = y.copy
            context.add(row: table.matrix.row(1), into: row.matrix)
            #expect(row.error { y[$0, $1] + table[1, $1] } < tolerance)
            let part = SampleMatrix.random(4, 27, seed: 50)
            context.copyColumns(y.matrix, into: part.matrix, runs)
            #expect(part.error { y[$0, $1 < 10 ? $1 + 3 : $1 + 10] } == 0)
            let whole = y.copy
            for index in 0..<4 { whole.matrix.row(index).update(repeating: 0, count: 37) }
            context.copyColumns(part.matrix, into: whole.matrix, runs.map(\.reversed))
            #expect(
                whole.error { (3..<13).contains($1) || $1 >= 20 ? y[$0, $1] : 0 } == 0)
            #expect(sum.gapsAreIntact && row.gapsAreIntact && part.gapsAreIntact && whole.gapsAreIntact)
        }
    }

    @Test("Rows go to experts and come back weighted", arguments: oddLengths)
    func rowsOfExperts(length: Int) {
        let x = SampleMatrix.random(5, length, seed: 51), y = SampleMatrix.random(5, length, seed: 52)
        let chosen = SampleBuffer<Int32>([4, 0, 0, 2]), places = SampleBuffer<Int32>([1, 4, 0, 0, 3, 2, 2, 1, 4, 3])
        let factors = SampleBuffer<Float>((0..<10).map { Float($0) / 7 - 0.5 })
        func weighted(_ row: Int, _ column: Int, _ isWeighted: Bool) -> Double {
            (0..<2).reduce(0) { sum, index in
                let factor = isWeighted ? Double(factors.elements[row * 2 + index]) : 1
                return sum + factor * x[Int(places.elements[row * 2 + index]), column]
            }
        }
        for context in contexts() {
            let copied = SampleMatrix.random(4, length, seed: 53)
            context.gatherRows(of: x.matrix, at: chosen.base, into: copied.matrix)
            #expect(copied.error { x[Int(chosen.elements[$0]), $1] } == 0)
            let sum = y.copy, plain = y.copy, scaled = y.copy, added = y.copy
            context.sumRows(
                x.matrix, at: places.base, perRow: 2, factors: factors.base, into: sum.matrix, adding: true)
            #expect(sum.error { y[$0, $1] + weighted($0, $1, true) } < tolerance)
            context.sumRows(x.matrix, at: places.base, perRow: 2, factors: nil, into: plain.matrix, adding: false)
            #expect(plain.error { weighted($0, $1, false) } < tolerance)
            context.scaleRows(x.matrix, by: factors.base, into: scaled.matrix)
            #expect(scaled.error { Double(factors.elements[$0]) * x[$0, $1] } < tolerance)
            context.addRows(x.matrix, scaledBy: factors.base, into: added.matrix)
            #expect(added.error { y[$0, $1] + Double(factors.elements[$0]) * x[$0, $1] } < tolerance)
            let products = SampleBuffer<Float>(Array(repeating: 0, count: 5))
            context.dotRows(x.matrix, y.matrix, into: products.base)
            for row in 0..<5 {
                let exact = (0..<length).reduce(0.0) { $0 + x[row, $1] * y[row, $1] }
                let size = (0..<length).reduce(0.0) { $0 + abs(x[row, $1] * y[row, $1]) }
                #expect(abs(Double(products.base[row]) - exact) <= 1e-6 * size)
            }
            #expect(copied.gapsAreIntact && sum.gapsAreIntact && plain.gapsAreIntact && scaled.gapsAreIntact)
        }
    }
}
