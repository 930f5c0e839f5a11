internal import Kernels
internal import ModelFiles
internal import QuantFormats
internal import System

/// Carries tensors from a mapped checkpoint to a writer, slice by slice: memory grows only with the scales of a tensor.
struct TensorStream {
    let writer: CheckpointWriter
    let kernels: KernelTable
    let pool: WorkerPool
    /// Elements of a slice: a multiple of the largest block size.
    let sliceCount: Int
    /// Called after each slice with the bytes of it that were read.
    let advance: (Int) -> Void

    /// What was stored for a tensor.
    typealias Part = QuantizationReport.Part

    /// Bytes of a file that are asked for ahead of their use.
    private static let readAheadByteCount = 64 << 20

    /// Asks for the beginning of a tensor, while another is worked on.
    static func announce(_ tensor: StoredTensor) {
        let start = tensor.entry.byteOffset
        tensor.file.file.readAhead(start..<start + min(tensor.byteCount, readAheadByteCount))
    }

    /// Copies a tensor that stays as it is, and checks that floats are finite.
    func copy(_ tensor: StoredTensor) throws(Failure) -> QuantizationReport.Tensor {
        var hash = SHA256()
        let sliceByteCount = sliceCount * 4
        for start in stride(from: 0, to: tensor.byteCount, by: sliceByteCount) {
            try Signals.throwIfInterrupted()
            let range = start..<min(start + sliceByteCount, tensor.byteCount)
            let bytes = UnsafeRawBufferPointer(rebasing: tensor.bytes[range])
            readAhead(tensor, behind: range)
            try together {
                hash.update(bytes)
            } _: { () throws(Failure) in
                try tensor.checkFinite(range)
                try writer.write(tensor.name, bytes, at: start)
            }
            finish(tensor, range)
        }
        try tensor.file.file.throwIfChanged()
        return QuantizationReport.Tensor(
            name: tensor.name, isQuantized: false, format: tensor.type.torchName, shape: tensor.shape,
            bytesBefore: tensor.byteCount, bytesAfter: tensor.byteCount, error: nil, sha256: hash.hexadecimalDigest(),
            parts: [])
    }

    /// Quantizes a tensor and writes it with its parts.
    func quantize(_ item: QuantizationPlan.Item, _ target: QuantizationPlan.Target) throws(Failure)
        -> QuantizationReport.Tensor
    {
        let tensor = item.tensor, count = tensor.elementCount
        let quantizer = try BlockQuantizer(
            format: target.format, blockSize: target.blockSize, kernels: kernels, pool: pool)
        var scales = [Float](repeating: 0, count: quantizer.blockCount(count))
        var hash = SHA256()
        let codes = CodeBuffers(byteCount: target.format.codeByteCount(min(count, sliceCount)))
        var error = QuantizationError()
        // The codes of a slice are hashed and written while the next one is quantized.
        var written: (codes: UnsafeRawBufferPointer, offset: Int)?
        func write() throws(Failure) {
            guard let piece = written else { return }
            hash.update(piece.codes)
            try writer.write(item.name, piece.codes, at: piece.offset)
        }
        try forEachSlice(item, readsAhead: true) { (range, source) throws(Failure) in
            let block = range.lowerBound / target.blockSize
            let place = codes.next()
            var bad: Int?
            try together {
                bad = Self.quantize(quantizer, source, target, range.count, place, &scales, block)
            } _: { () throws(Failure) in
                try write()
            }
            if let bad { throw try nonFinite(tensor, target.sourceType, range.lowerBound + bad) }
            let byteCount = target.format.codeByteCount(range.count)
            written = (
                UnsafeRawBufferPointer(start: place, count: byteCount), target.format.codeByteCount(range.lowerBound)
            )
            if !target.isDoubleQuantized {
                error.add(Self.measure(quantizer, source, target, range.count, place, scales, scales, block))
            }
        }
        try write()
        try tensor.file.file.throwIfChanged()
        var nested: NestedScales?
        if target.isDoubleQuantized {
            do throws(Failure) { nested = try NestedScales(scales) } catch {
                throw Failure(error.kind, error.what, at: tensor.place, remedy: error.remedy)
            }
        }
        if let nested {
            // What the codes are multiplied with is known only now: they are made once more to be measured.
            try forEachSlice(item) { (range, source) throws(Failure) in
                let block = range.lowerBound / target.blockSize
                let place = codes.next()
                _ = Self.quantize(quantizer, source, target, range.count, place, &scales, block)
                let norms = Array(scales[block..<block + quantizer.blockCount(range.count)])
                let read = nested.restored(block..<block + norms.count)
                error.add(Self.measure(quantizer, source, target, range.count, place, norms, read, 0))
            }
            try tensor.file.file.throwIfChanged()
        }
        let parts = try writeParts(item, target, scales: scales, nested: nested)
        let byteCount = target.format.codeByteCount(count)
        return QuantizationReport.Tensor(
            name: tensor.name, isQuantized: true, format: target.format.name, shape: tensor.shape,
            bytesBefore: tensor.byteCount, bytesAfter: parts.reduce(byteCount) { $0 + $1.byteCount }, error: error,
            sha256: hash.hexadecimalDigest(), parts: parts)
    }

    /// Writes everything beside the codes.
    private func writeParts(
        _ item: QuantizationPlan.Item, _ target: QuantizationPlan.Target, scales: [Float], nested: NestedScales?
    ) throws(Failure) -> [Part] {
        var parts: [Part] = []
        func write(_ component: String, _ bytes: UnsafeRawBufferPointer) throws(Failure) {
            try writer.write("\(item.name).\(component)", bytes)
            parts.append(
                Part(component: component, byteCount: bytes.count, sha256: SHA256.hexadecimalDigest(of: bytes)))
        }
        func write(_ component: String, _ values: [Float]) throws(Failure) {
            try values.withRawBytes { (bytes) throws(Failure) in try write(component, bytes) }
        }
        if let nested {
            try nested.codes.withRawBytes { (bytes) throws(Failure) in try write(BlockwiseLayout.absmax, bytes) }
            try write(BlockwiseLayout.nestedAbsmax, nested.absmax)
            try write(BlockwiseLayout.nestedQuantMap, NestedScales.map)
        } else {
            try write(BlockwiseLayout.absmax, scales)
        }
        if case .table4(let table) = target.format.coding {
            try write(BlockwiseLayout.quantMap, Array(UnsafeBufferPointer(start: table.values, count: 16)))
        }
        let state = item.state(nestedOffset: nested?.offset)
        if nested != nil {
            try writer.writeLate("\(item.name).\(item.stateComponent)", state)
        } else {
            try state.withRawBytes { (bytes) throws(Failure) in
                try writer.write("\(item.name).\(item.stateComponent)", bytes)
            }
        }
        let hash = state.withUnsafeBytes { SHA256.hexadecimalDigest(of: $0) }
        parts.append(Part(component: item.stateComponent, byteCount: state.count, sha256: hash))
        return parts
    }

    // MARK: - Slices

    /// Calls `body` for the slices of a tensor in order, with the elements' range and address.
    private func forEachSlice(
        _ item: QuantizationPlan.Item, readsAhead: Bool = false,
        _ body: (Range<Int>, UnsafeRawPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let tensor = item.tensor, count = tensor.elementCount
        let width = tensor.byteCount / count
        guard let base = tensor.bytes.baseAddress else { fatalError("a tensor with elements has no address") }
        var turned = [UInt8](repeating: 0, count: item.isTransposed ? min(count, sliceCount) * width : 0)
        for start in stride(from: 0, to: count, by: sliceCount) {
            try Signals.throwIfInterrupted()
            let range = start..<min(start + sliceCount, count)
            if readsAhead { readAhead(tensor, behind: start * width..<range.upperBound * width) }
            if item.isTransposed {
                Self.gatherTransposed(tensor, base, range, width, into: &turned)
                var failure: Failure?
                turned.withUnsafeBytes { bytes in
                    guard let address = bytes.baseAddress else { return }
                    do throws(Failure) { try body(range, address) } catch { failure = error }
                }
                if let failure { throw failure }
            } else {
                try body(range, base + start * width)
            }
            finish(tensor, start * width..<range.upperBound * width)
        }
    }

    /// Elements of a range of the transpose of a matrix.
    private static func gatherTransposed(
        _ tensor: StoredTensor, _ base: UnsafeRawPointer, _ range: Range<Int>, _ width: Int, into bytes: inout [UInt8]
    ) {
        let rows = tensor.shape[0], columns = tensor.shape[1]
        bytes.withUnsafeMutableBytes { target in
            for index in range {
                let (column, row) = index.quotientAndRemainder(dividingBy: rows)
                let source = UnsafeRawBufferPointer(start: base + (row * columns + column) * width, count: width)
                let start = (index - range.lowerBound) * width
                UnsafeMutableRawBufferPointer(rebasing: target[start..<start + width]).copyMemory(from: source)
            }
        }
    }

    /// Asks for what lies a window behind a slice: so much was asked for already.
    private func readAhead(_ tensor: StoredTensor, behind range: Range<Int>) {
        let first = min(range.lowerBound + Self.readAheadByteCount, tensor.byteCount)
        let end = min(range.upperBound + Self.readAheadByteCount, tensor.byteCount)
        let offset = tensor.entry.byteOffset
        tensor.file.file.readAhead(offset + first..<offset + end)
    }

    /// Does two jobs that touch nothing in common, at the same time where there are two threads.
    private func together(_ first: () -> Void, _ second: () throws(Failure) -> Void) throws(Failure) {
        nonisolated(unsafe) var failure: Failure?  // written by one of the jobs
        withoutActuallyEscaping(first) { first in
            withoutActuallyEscaping(second) { second in
                nonisolated(unsafe) let (first, second) = (first, second)  // each called once
                pool.run(2) { job in
                    guard job == 1 else { return first() }
                    do throws(Failure) { try second() } catch { failure = error }
                }
            }
        }
        if let failure { throw failure }
    }

    /// Counts a slice and gives its pages back.
    private func finish(_ tensor: StoredTensor, _ range: Range<Int>) {
        let offset = tensor.entry.byteOffset
        tensor.file.file.release(offset + range.lowerBound..<offset + range.upperBound)
        advance(range.count)
    }

    private static func quantize(
        _ quantizer: BlockQuantizer, _ source: UnsafeRawPointer, _ target: QuantizationPlan.Target, _ count: Int,
        _ codes: UnsafeMutablePointer<UInt8>, _ scales: inout [Float], _ block: Int
    ) -> Int? {
        scales.withUnsafeMutableBufferPointer { scales in
            guard let scales = scales.baseAddress else { return nil }
            return quantizer.quantize(
                source, type: target.sourceType, count: count, codes: codes, scales: scales + block)
        }
    }

    private static func measure(
        _ quantizer: BlockQuantizer, _ source: UnsafeRawPointer, _ target: QuantizationPlan.Target, _ count: Int,
        _ codes: UnsafePointer<UInt8>, _ norms: [Float], _ scales: [Float], _ block: Int
    ) -> QuantizationError {
        norms.withUnsafeBufferPointer { norms in
            scales.withUnsafeBufferPointer { scales in
                guard let norms = norms.baseAddress, let scales = scales.baseAddress else { return QuantizationError() }
                return quantizer.measure(
                    source, type: target.sourceType, count: count, codes: codes, norms: norms + block,
                    scales: scales + block)
            }
        }
    }

    /// The refusal of a weight that is NaN or infinite, unless the file changed meanwhile.
    private func nonFinite(_ tensor: StoredTensor, _ type: SourceType, _ index: Int) throws(Failure) -> Failure {
        try tensor.file.file.throwIfChanged()
        var place = tensor.place
        place.byteOffset = tensor.entry.byteOffset + index * type.byteCount
        let value = tensor.bytes.baseAddress.map { type.element($0, index) } ?? .nan
        return Failure(
            .badData, "element \(index) is \(value.isNaN ? "NaN" : "infinity"), which no format can hold", at: place,
            remedy: "The weights are damaged: fetch them again")
    }
}

extension Array {
    /// The bytes of the elements, which are plain values.
    fileprivate func withRawBytes(_ body: (UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure) {
        var failure: Failure?
        withUnsafeBytes { bytes in
            do throws(Failure) { try body(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}

/// Memory for the codes of two slices, which take turns.
private final class CodeBuffers {
    private let base: UnsafeMutablePointer<UInt8>
    private let byteCount: Int
    private var turn = 0

    init(byteCount: Int) {
        self.byteCount = byteCount
        base = .allocate(capacity: 2 * byteCount)
    }

    deinit { base.deallocate() }

    /// The buffer that was given out longer ago.
    func next() -> UnsafeMutablePointer<UInt8> {
        turn ^= 1
        return base + turn * byteCount
    }
}
