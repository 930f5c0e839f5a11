package import Kernels
package import ModelFiles
internal import QuantFormats
package import System

/// Makes a quantized model directory from one that is not.
///
/// Weights stream from the mapped files to the new ones: memory depends on the scales of the largest tensor, not on
/// the model. Results do not depend on the number of threads.
package struct CheckpointQuantizer {
    /// How far the work is.
    package struct Progress: Sendable {
        package let doneByteCount: Int
        package let totalByteCount: Int
        package let tensor: String
    }

    /// The report, and what the embedding table would save.
    package struct Result: Sendable {
        package let report: QuantizationReport
        /// The embedding table that was kept, and its bytes if it were stored in int8 or nf4 instead.
        package let keptEmbedding: (name: String, byteCount: Int, int8ByteCount: Int, nf4ByteCount: Int)?
    }

    /// Bytes of the process beside slices and scales.
    private static let baseByteCount = 48 << 20
    /// Elements of a slice where memory is not limited; more is not faster.
    private static let largestSliceCount = 1 << 22
    private static let smallestSliceCount = 1 << 16

    private let model: ModelDirectory
    private let options: QuantizationOptions
    private let plan: QuantizationPlan
    private let kernels: KernelTable
    private let pool: WorkerPool

    /// Decides what becomes of every tensor; reads no weights.
    ///
    /// - Throws: `Failure`: 69 a model that is quantized already or not supported, 64 options that do not fit it, 65
    ///   weights that do not fit its configuration.
    package init(_ model: ModelDirectory, options: QuantizationOptions, kernels: KernelTable, pool: WorkerPool)
        throws(Failure)
    {
        try Self.refuseQuantized(model)
        guard QuantFormat.blockSizes.contains(options.blockSize) else {
            throw Failure(
                .usage, "the block size \(options.blockSize) is not supported",
                remedy: "Choose one of \(QuantFormat.blockSizes.map(String.init).joined(separator: ", "))")
        }
        let roles = try WeightRoles(model)
        plan = try QuantizationPlan(model, roles: roles, options: options)
        self.model = model
        self.options = options
        self.kernels = kernels
        self.pool = pool
    }

    /// Bytes of the weights that are read.
    package var totalByteCount: Int { model.checkpoint.byteCount }

    private static func refuseQuantized(_ model: ModelDirectory) throws(Failure) {
        let remedy = "Quantize the original checkpoint, or use this one as it is"
        var found: String?
        switch model.quantization {
        case .none:
            found = model.checkpoint.tensorNames.first { $0.contains(".weight.quant_state.") }.map {
                "there is the tensor \($0)"
            }
        case .bitsandbytes(let format): found = "its format is \(format)"
        case .blockwise(let format, let blockSize): found = "its format is \(format), block size \(blockSize)"
        }
        guard let found else { return }
        throw Failure(
            .unsupported, "the model is already quantized: \(found); quantizing twice would only add errors",
            at: .init(file: model.path), remedy: remedy)
    }

    /// How the output comes about.
    package struct Writing {
        /// Whether a directory that `quantize` made is replaced, and unfinished work of another kind removed.
        package var overwrite = false
        /// Whether what is done stays where the work is interrupted or the disk fails, for the next call to go on with.
        package var resumes = false
        /// The calls by which files are written.
        package var operations: any FileOperations = SystemFileOperations()
        /// Seconds after which what was written is made durable.
        package var synchronizeInterval = 30.0
        /// Called once where a former run left tensors, with their number and that of all.
        package var onResume: (Int, Int) -> Void = { _, _ in }

        package init() {}
    }

    /// Writes the directory.
    ///
    /// Where it is interrupted, or the process killed, the next call for the same output goes on behind the tensors
    /// whose bytes are on the disk: they are read and their hashes compared, which nothing else is needed for. Once in
    /// a while data and then their record are made durable, so that little is lost where the machine stops.
    ///
    /// - Parameters:
    ///   - path: must not exist or be empty; appears whole, or not at all where this throws or is killed.
    ///   - progress: called now and then.
    /// - Throws: `Failure`: 64 a memory limit that is too low, or unfinished work that was started otherwise; 65 weights
    ///   that are not finite, 73 or 74 where the directory cannot be written, 130 or 143 where a signal came.
    package func write(
        to path: String, _ writing: Writing = Writing(), progress: @escaping (Progress) -> Void = { _ in }
    ) throws(Failure) -> Result {
        let sliceCount = try sliceCount()
        let job = try QuantizationJob(model, options: options, kernels: kernels)
        let staging = try OutputStaging(
            path, source: model.path, overwrite: writing.overwrite, operations: writing.operations)
        // What is there belongs to a run before until this one has begun.
        if writing.resumes { staging.keep() } else { try staging.clear() }
        let journal = try openJournal(staging, job, writing)
        var doneCount = 0
        do throws(Failure) {
            let report = try write(to: staging, journal, writing, sliceCount: sliceCount, progress) { doneCount += 1 }
            try staging.commit()
            return Result(report: report, keptEmbedding: keptEmbedding)
        } catch {
            guard staging.stays, error.canGoOn, doneCount > 0 || !journal.tensors.isEmpty else {
                staging.discard()
                throw error
            }
            var failure = error
            failure.what += "; \(doneCount) of \(plan.items.count) tensors are kept in \(staging.folder)"
            failure.remedy = (failure.remedy.map { "\($0). " } ?? "") + "The same command goes on"
            throw failure
        }
    }

    /// The journal of a former run of the same job, or a new one.
    private func openJournal(_ staging: OutputStaging, _ job: QuantizationJob, _ writing: Writing) throws(Failure)
        -> QuantizationJournal
    {
        do throws(Failure) {
            return try QuantizationJournal(staging.folder, job: job, operations: writing.operations)
        } catch {
            guard error.kind == .usage, writing.overwrite else { throw error }
            try staging.clear()
            return try QuantizationJournal(staging.folder, job: job, operations: writing.operations)
        }
    }

    /// Makes all files of the directory.
    ///
    /// - Parameter finished: called behind every tensor.
    private func write(
        to staging: OutputStaging, _ journal: QuantizationJournal, _ writing: Writing, sliceCount: Int,
        _ progress: @escaping (Progress) -> Void, finished: () -> Void
    ) throws(Failure) -> QuantizationReport {
        // Under other names nothing of them is used again; the lock says that nobody writes them.
        try AtomicFile.removeAbandoned(in: staging.path, .others)
        try AtomicFile.removeAbandoned(in: staging.path, .goneOrOwn)
        let former = journal.tensors
        if former.isEmpty { try staging.clearFiles() } else { writing.onResume(former.count, plan.items.count) }
        try checkSpace(staging.path, written: former.reduce(0) { $0 + $1.bytesAfter })
        let late = plan.items.compactMap { item in item.lateDeclaration.map { (tensor: $0, beside: item.name) } }
        let writer = try CheckpointWriter(
            directory: staging.path, tensors: plan.items.flatMap(\.declarations), late: late,
            maximumShardByteCount: options.shardByteCount,
            parameterCount: plan.items.reduce(0) { $0 + $1.tensor.elementCount }, metadata: metadata)
        if writing.resumes { writer.keepUnfinished(writing.operations) }
        let total = totalByteCount
        var done = 0, announced = -1, synchronized = MonotonicClock.seconds
        var entries: [QuantizationReport.Tensor] = []
        for (index, item) in plan.items.enumerated() {
            try Signals.throwIfInterrupted()
            let start = done
            if let entry = journal[item.name], item.isDescribed(by: entry), try writer.adopt(entry.written) {
                entries.append(entry)
            } else {
                if announced < index { TensorStream.announce(item.tensor) }
                if index + 1 < plan.items.count { TensorStream.announce(plan.items[index + 1].tensor) }
                announced = index + 1
                let stream = TensorStream(
                    writer: writer, kernels: kernels, pool: pool, sliceCount: sliceCount,
                    advance: { byteCount in
                        done = min(done + byteCount, start + item.tensor.byteCount)
                        progress(Progress(doneByteCount: done, totalByteCount: total, tensor: item.name))
                    })
                let entry: QuantizationReport.Tensor
                if let target = item.target {
                    entry = try stream.quantize(item, target)
                } else {
                    entry = try stream.copy(item.tensor)
                }
                entries.append(entry)
                if writing.resumes { try journal.append(entry) }
                if writing.resumes, MonotonicClock.seconds - synchronized >= writing.synchronizeInterval {
                    try writer.synchronize()
                    try journal.synchronize()
                    synchronized = MonotonicClock.seconds
                }
            }
            finished()
            done = start + item.tensor.byteCount
            progress(Progress(doneByteCount: done, totalByteCount: total, tensor: item.name))
        }
        try writer.finish()
        for name in model.companionFiles {
            try AtomicFile.write(try model.readCompanion(name), to: FileSystem.join(staging.path, name))
        }
        let report = QuantizationReport(tensors: entries)
        try AtomicFile.write(
            JSONWriter.pretty.bytes(report.json) + [0x0A],
            to: FileSystem.join(staging.path, QuantizationReport.fileName))
        try AtomicFile.write(
            QuantizedConfiguration.bytes(model, plan: plan, options: options),
            to: FileSystem.join(staging.path, "config.json"))
        try model.checkpoint.throwIfChanged()
        return report
    }

    /// What every weight file says about itself: PyTorch's mark, and the aliases whose tensors are still there.
    private var metadata: [(key: String, value: String)] {
        let names = Set(plan.items.map(\.name))
        var pairs = [(key: "format", value: "pt")]
        for file in model.checkpoint.files {
            for (key, value) in file.header.metadata
            where names.contains(value) && !names.contains(key) && !pairs.contains(where: { $0.key == key }) {
                pairs.append((key, value))
            }
        }
        return pairs
    }

    private var keptEmbedding: (name: String, byteCount: Int, int8ByteCount: Int, nf4ByteCount: Int)? {
        guard let tensor = plan.keptEmbedding else { return nil }
        let count = tensor.elementCount
        let blocks = (count + options.blockSize - 1) / options.blockSize
        let nf4Scales = options.isDoubleQuantized ? blocks + (blocks + 255) / 256 * 4 : blocks * 4
        return (tensor.name, tensor.byteCount, count + blocks * 4, (count + 1) / 2 + nf4Scales)
    }

    // MARK: - Bounds

    /// Elements of a slice that the memory limit allows.
    private func sliceCount() throws(Failure) -> Int {
        guard let limit = options.memoryLimit else { return Self.largestSliceCount }
        // A scale, its code and a block's share of what is restored; a slice's source, codes and parts of scales.
        var largest = 0, largestName = ""
        for item in plan.items {
            guard let target = item.target else { continue }
            let byteCount = target.blockCount(item.tensor.elementCount) * (target.isDoubleQuantized ? 5 : 4)
            if byteCount > largest { (largest, largestName) = (byteCount, item.name) }
        }
        let fixed = Self.baseByteCount + largest
        // A slice of a transpose is gathered first.
        let perElement = plan.items.contains(where: \.isTransposed) ? 11 : 7
        let needed = fixed + Self.smallestSliceCount * perElement
        guard limit >= needed else {
            let scales = largestName.isEmpty ? "" : ", \(largest) of them for the block scales of \(largestName)"
            throw Failure(
                .usage, "the memory limit of \(limit) bytes is too low: \(needed) are needed\(scales)",
                remedy: "Give a --memory-limit of \((needed >> 20) + 1)MiB or more")
        }
        let count = min(Self.largestSliceCount, (limit - fixed) / perElement)
        return count / Self.smallestSliceCount * Self.smallestSliceCount
    }

    /// Refuses a disk that is too small before anything is written.
    ///
    /// - Parameter written: bytes that are there already.
    private func checkSpace(_ path: String, written: Int) throws(Failure) {
        var needed = 1 << 20
        for declaration in plan.items.flatMap(\.declarations) {
            let (sum, overflow) = needed.addingReportingOverflow(try declaration.byteCount())
            needed = overflow ? .max : sum
        }
        needed -= min(written, needed)
        guard let free = FileSystem.freeByteCount(near: path), free < needed else { return }
        throw Failure(
            .inputOutput, "the disk has \(free) bytes free; \(needed) are needed", at: .init(file: path),
            remedy: "Free some space or choose a directory on another disk")
    }
}

extension QuantizationPlan.Item {
    /// Whether an entry of a journal can be this one's.
    fileprivate func isDescribed(by entry: QuantizationReport.Tensor) -> Bool {
        let names = declarations.map(\.name) + (lateDeclaration.map { [$0.name] } ?? [])
        return entry.shape == tensor.shape && entry.bytesBefore == tensor.byteCount
            && entry.isQuantized == (target != nil) && Set(entry.written.map(\.name)) == Set(names)
    }
}

extension Failure {
    /// Whether the work may go on where it ended: what was done is right, and what stopped it passes.
    fileprivate var canGoOn: Bool {
        switch kind {
        case .interrupted, .inputOutput: true
        default: false
        }
    }
}
