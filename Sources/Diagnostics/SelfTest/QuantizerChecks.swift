internal import Kernels
internal import QuantFormats
internal import System

extension SelfTest {
    /// Every format: codes stand for the nearest value of the format, and errors are measured as they are.
    mutating func checkQuantizers() {
        let count = 1030, blockSize = 64
        var numbers = SampleNumbers(seed: 16)
        let source = SampleBuffer((0..<count).map { _ in numbers.float() })
        let elements = source.elements
        for format in QuantFormats.all {
            guard
                let quantizer = try? BlockQuantizer(
                    format: format, blockSize: blockSize, kernels: context.kernels, pool: context.pool),
                let blocks = try? QuantizedBlocks(
                    source.base, type: .float32, count: count, quantizer: quantizer, doubleQuantized: false)
            else {
                record("quantizer \(format.name)", .infinity, within: Tolerance.quantizer)
                continue
            }
            let restored = blocks.restored()
            var excess = 0.0, squares = 0.0
            for start in stride(from: 0, to: count, by: blockSize) {
                let range = start..<min(count, start + blockSize)
                let largest = elements[range].reduce(0) { max($0, Double(abs($1))) }
                let levels = format.levels.map { $0 * largest }
                for index in range {
                    let x = Double(elements[index])
                    let distance = abs(Double(restored[index]) - x)
                    let nearest = levels.reduce(Double.infinity) { min($0, abs($1 - x)) }
                    squares += distance * distance
                    let beyond = (distance - nearest) / largest
                    excess = beyond.isFinite ? max(excess, beyond) : .infinity
                }
            }
            record("quantizer \(format.name)", excess, within: Tolerance.quantizer)
            let measured = blocks.codes.withUnsafeBufferPointer { codes in
                blocks.scales.withUnsafeBufferPointer { scales -> Double in
                    guard let codes = codes.baseAddress, let scales = scales.baseAddress else { return .infinity }
                    return quantizer.measure(
                        source.base, type: .float32, count: count, codes: codes, norms: scales, scales: scales
                    ).rootMeanSquare
                }
            }
            record(
                "errors of \(format.name)", abs(measured / (squares / Double(count)).squareRoot() - 1),
                within: Tolerance.norm)
        }
    }
}

extension QuantFormat {
    /// What codes stand for, in units of the block's largest magnitude.
    fileprivate var levels: [Double] {
        switch coding {
        case .table4(let table): (0..<16).map { Double(table.values[$0]) }
        case .signed8: (-127...127).map { Double($0) / 127 }
        }
    }
}
