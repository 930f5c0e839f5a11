import CIntrinsics
import Diagnostics
import Glibc
import Kernels
import Tensors
import Testing

/// Two units in the last place of float32: one rounding in the result, one in what it is made from.
private let twoRoundings = 2.4e-7

/// A float32 sum of squares in 64 chains and a few roundings.
private let normTolerance = 1e-6

@Suite("Elementwise kernels")
struct ElementwiseTests {
    @Test("exp, ln and tanh are within two units in the last place")
    func functions() {
        var numbers = SampleNumbers(seed: 1)
        let arguments = (0..<200_000).map { _ in numbers.float() }
        for context in contexts() {
            let table = context.kernels.elementwise
            func largestError(_ inputs: [Float], _ exact: (Double) -> Double, _ kernel: (SampleBuffer<Float>) -> Void)
                -> Double
            {
                let buffer = SampleBuffer(inputs)
                kernel(buffer)
                return zip(inputs, buffer.elements).reduce(0) {
                    max($0, unitsInLastPlace($1.1, exact(Double($1.0))))
                }
            }
            let exponents = arguments.map { $0 * 87.3 } + arguments.map { $0 * 2 } + [0, -87.33, 88.72283]
            #expect(largestError(exponents, exp) { table.exponential($0.base, $0.base, Int64($0.count)) } <= 2)
            let positive = arguments.map { abs($0) * 4 + 1e-30 } + arguments.map { Float(exp(Double($0) * 80)) } + [1]
            #expect(largestError(positive, log) { table.logarithm($0.base, $0.base, Int64($0.count)) } <= 2)
            let angles = arguments.map { $0 * 10 } + arguments
            #expect(
                largestError(angles, tanh) { table.hyperbolic_tangent($0.base, $0.base, Int64($0.count)) } <= 2)
        }
    }

    @Test("exp, ln and tanh at the ends of their ranges")
    func ends() {
        for context in contexts() {
            let table = context.kernels.elementwise
            let powers = SampleBuffer<Float>([0, -88, -1e30, -.infinity, 89, .infinity, .nan])
            table.exponential(powers.base, powers.base, 7)
            #expect(powers.elements[..<6] == [1, 0, 0, 0, .infinity, .infinity])
            #expect(powers.elements[6].isNaN)
            let logarithms = SampleBuffer<Float>([1, .infinity, .nan])
            table.logarithm(logarithms.base, logarithms.base, 3)
            #expect(logarithms.elements[..<2] == [0, .infinity])
            #expect(logarithms.elements[2].isNaN)
            let tangents = SampleBuffer<Float>([0, 50, -50, .infinity, -.infinity, .nan])
            table.hyperbolic_tangent(tangents.base, tangents.base, 6)
            #expect(tangents.elements[..<5] == [0, 1, -1, 1, -1])
            #expect(tangents.elements[5].isNaN)
        }
    }

    @Test("Sums, multiples and copies", arguments: oddLengths)
    func sums(length: Int) {
        for context in contexts() {
            let x = SampleMatrix.random(5, length, seed: 2)
            let y = SampleMatrix.random(5, length, seed: 3)
            let sum = y.copy
            context.add(x.matrix, into: sum.matrix)
            #expect(sum.error { y[$0, $1] + x[$0, $1] } < twoRoundings)
            let scaled = y.copy
            context.add(x.matrix, scaledBy: 0.3, into: scaled.matrix)
            #expect(scaled.error { y[$0, $1] + Double(Float(0.3)) * x[$0, $1] } < twoRoundings)
            let multiple = y.copy
            context.scale(x.matrix, by: -3, into: multiple.matrix)
            #expect(multiple.error { -3 * x[$0, $1] } == 0 || multiple.error { -3 * x[$0, $1] } < twoRoundings)
            let copied = y.copy
            context.copy(x.matrix, into: copied.matrix)
            #expect(copied.bits == x.bits)
            for fixture in [sum, scaled, multiple, copied] { #expect(fixture.gapsAreIntact) }
        }
    }

    @Test("RMSNorm against double precision", arguments: oddLengths)
    func norm(length: Int) {
        let x = SampleMatrix.random(4, length, seed: 4, range: 3)
        let weight = SampleMatrix.random(1, length, seed: 5)
        let epsilon = 1e-5
        func reciprocal(_ row: Int) -> Double {
            1 / ((0..<length).reduce(0) { $0 + x[row, $1] * x[row, $1] } / Double(length) + epsilon).squareRoot()
        }
        let exact = (0..<4).map(reciprocal)
        for context in contexts() {
            let y = x.copy
            let reciprocals = SampleBuffer<Float>(repeating: 0, count: 4)
            context.run(
                context.rmsNorm(
                    x.matrix, weight: weight.matrix.base, epsilon: Float(epsilon), into: y.matrix,
                    reciprocals: reciprocals.base))
            #expect(y.error { weight[0, $1] * x[$0, $1] * exact[$0] } < normTolerance)
            #expect(y.gapsAreIntact)
            for row in 0..<4 { #expect(abs(Double(reciprocals.base[row]) / exact[row] - 1) < normTolerance) }

            let inPlace = x.copy
            context.run(
                context.rmsNorm(
                    inPlace.matrix, weight: weight.matrix.base, epsilon: Float(epsilon), into: inPlace.matrix,
                    reciprocals: nil))
            #expect(inPlace.bits == y.bits)
        }
    }

    @Test("The gradient of RMSNorm against central differences", arguments: [1, 7, 16, 33, 100])
    func normGradient(length: Int) {
        let x = SampleMatrix.random(3, length, seed: 6, range: 2)
        let weight = SampleMatrix.random(1, length, seed: 7)
        let dY = SampleMatrix.random(3, length, seed: 8)
        let epsilon = 1e-5
        func value(_ row: Int, _ changed: Int, _ step: Double) -> Double {
            func element(_ column: Int) -> Double { x[row, column] + (column == changed ? step : 0) }
            let squares = (0..<length).reduce(0) { $0 + element($1) * element($1) }
            let r = 1 / (squares / Double(length) + epsilon).squareRoot()
            return (0..<length).reduce(0) { $0 + dY[row, $1] * weight[0, $1] * element($1) * r }
        }
        let step = 1e-5
        let exact = (0..<3).map { row in
            (0..<length).map { (value(row, $0, step) - value(row, $0, -step)) / (2 * step) }
        }
        for context in contexts() {
            let y = x.copy
            let reciprocals = SampleBuffer<Float>(repeating: 0, count: 3)
            context.run(
                context.rmsNorm(
                    x.matrix, weight: weight.matrix.base, epsilon: Float(epsilon), into: y.matrix,
                    reciprocals: reciprocals.base))
            let dX = dY.copy
            context.run(
                context.rmsNormBackward(
                    dY.matrix, x: x.matrix, weight: weight.matrix.base, reciprocals: reciprocals.base, into: dX.matrix,
                    adding: false))
            // One column: the gradient, epsilon's share, is the small rest of a difference of numbers 10,000 times larger.
            let scale = length == 1 ? 1e-2 : 5e-6
            #expect(dX.error { exact[$0][$1] } < scale)
            #expect(dX.gapsAreIntact)
            let added = x.copy
            context.run(
                context.rmsNormBackward(
                    dY.matrix, x: x.matrix, weight: weight.matrix.base, reciprocals: reciprocals.base,
                    into: added.matrix,
                    adding: true))
            #expect(added.error { x[$0, $1] + dX[$0, $1] } < twoRoundings)
        }
    }

    @Test("SiLU gates and their gradients", arguments: oddLengths)
    func gates(length: Int) {
        let gate = SampleMatrix.random(3, length, seed: 9, range: 12)
        let up = SampleMatrix.random(3, length, seed: 10)
        let dOut = SampleMatrix.random(3, length, seed: 11)
        func silu(_ x: Double) -> Double { x / (1 + exp(-x)) }
        func slope(_ x: Double) -> Double {
            let s = 1 / (1 + exp(-x))
            return s + x * s * (1 - s)
        }
        for context in contexts() {
            let out = up.copy
            context.run(context.activate(.silu, gate: .float32(gate.matrix), up: .float32(up.matrix), into: out.matrix))
            #expect(out.error { silu(gate[$0, $1]) * up[$0, $1] } < normTolerance)
            let (dGate, dUp) = (gate.copy, up.copy)
            context.run(
                context.activateBackward(
                    .silu, dOut.matrix, gate: .float32(dGate.matrix), up: .float32(dUp.matrix), into: dGate.matrix,
                    dUp.matrix))
            #expect(dGate.error { dOut[$0, $1] * up[$0, $1] * slope(gate[$0, $1]) } < normTolerance)
            #expect(dUp.error { dOut[$0, $1] * silu(gate[$0, $1]) } < normTolerance)
            for fixture in [out, dGate, dUp] { #expect(fixture.gapsAreIntact) }
        }
    }

    @Test("Rotation by halves, whole and partial heads, and back", arguments: [(2, 2), (3, 34), (1, 64), (5, 6)])
    func rotation(heads: Int, width: Int) {
        let rows = 6
        let positions = SampleBuffer<Int32>([0, 3, 1, 9, 4, 4])
        for rotaryWidth in [width, width / 2 & ~1] {
            let half = rotaryWidth / 2
            let angles = (0..<10 * max(1, half)).map { Double($0) * 0.37 }
            let cosines = SampleBuffer(angles.map { Float(cos($0)) })
            let sines = SampleBuffer(angles.map { Float(sin($0)) })
            let x = SampleMatrix.random(rows, heads * width, seed: 12)
            func rotated(_ row: Int, _ column: Int) -> Double {
                let channel = column % width
                guard channel < rotaryWidth else { return x[row, column] }
                let index = Int(positions.base[row]) * half + channel % half
                let (cosine, sine) = (Double(cosines.base[index]), Double(sines.base[index]))
                return channel < half
                    ? x[row, column] * cosine - x[row, column + half] * sine
                    : x[row, column] * cosine + x[row, column - half] * sine
            }
            for context in contexts() {
                let y = x.copy
                context.run(
                    context.rotate(
                        y.matrix, heads: heads, headWidth: width, rotaryWidth: rotaryWidth, positions: positions.base,
                        cosines: cosines.base, sines: sines.base, inverse: false))
                #expect(y.error(rotated) < twoRoundings)
                #expect(y.gapsAreIntact)
                context.run(
                    context.rotate(
                        y.matrix, heads: heads, headWidth: width, rotaryWidth: rotaryWidth, positions: positions.base,
                        cosines: cosines.base, sines: sines.base, inverse: true))
                #expect(y.error { x[$0, $1] } < 2 * twoRoundings)
            }
        }
    }

    @Test("Results depend neither on the thread count nor on the other rows")
    func determinism() {
        let (rows, columns) = (300, 577)
        let x = SampleMatrix.random(rows, columns, seed: 13, range: 2)
        let up = SampleMatrix.random(rows, columns, seed: 14)
        let weight = SampleMatrix.random(1, columns, seed: 15)
        let identifiers = SampleBuffer((0..<rows).map { Int32($0 / 7) })
        let positions = SampleBuffer((0..<rows).map { Int32($0 % 7) })
        for set in InstructionSet.supported {
            func results(rows: Range<Int>, threads: Int) -> [[UInt32]] {
                let context = ComputeContext(
                    kernels: KernelTable(set), pool: WorkerPool(threadCount: threads), computeType: .float32)
                let norm = x.copy
                let reciprocals = SampleBuffer<Float>(repeating: 0, count: rows.count)
                context.run(
                    context.rmsNorm(
                        x.matrix.rows(rows), weight: weight.matrix.base, epsilon: 1e-6, into: norm.matrix.rows(rows),
                        reciprocals: reciprocals.base))
                let gradient = x.copy
                context.run(
                    context.rmsNormBackward(
                        up.matrix.rows(rows), x: x.matrix.rows(rows), weight: weight.matrix.base,
                        reciprocals: reciprocals.base, into: gradient.matrix.rows(rows), adding: true))
                let gate = x.copy
                context.run(
                    context.activate(
                        .silu, gate: .float32(x.matrix.rows(rows)), up: .float32(up.matrix.rows(rows)),
                        into: gate.matrix.rows(rows)))
                let dropped = x.copy
                context.dropout(
                    x.matrix.rows(rows), rate: 0.3, key: DropoutKey(seed: 1, step: 2, site: 3),
                    rowIdentifiers: identifiers.base + rows.lowerBound, positions: positions.base + rows.lowerBound,
                    into: dropped.matrix.rows(rows))
                return [norm, gradient, gate, dropped].map { $0.bits(rows: rows) }
            }
            let whole = results(rows: 0..<rows, threads: 1)
            for threads in [2, 3] { #expect(results(rows: 0..<rows, threads: threads) == whole) }
            let part = results(rows: 41..<59, threads: 2)
            for (one, all) in zip(part, whole) { #expect(one == Array(all[41 * columns..<59 * columns])) }
        }
    }
}
