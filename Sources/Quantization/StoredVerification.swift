package import ModelFiles
package import System

/// Reads all weights of a checkpoint, looks for what is not finite and hashes them.
package enum StoredVerification {
    private static let sliceByteCount = 16 << 20

    /// SHA-256 in hexadecimal digits by tensor name.
    ///
    /// - Parameters:
    ///   - expected: hashes that a report gives; every tensor must be in it, with its hash. nil compares nothing.
    ///   - reportFile: where they stand, for messages.
    ///   - progress: called with the bytes read so far.
    /// - Throws: `Failure`: 65 naming the tensor that is not finite, not in the report or not what it says, or that the
    ///   report has and the files do not; 74 where a file changed meanwhile; 130 or 143 where a signal came.
    package static func hashes(
        _ checkpoint: Checkpoint, expected: StoredHashes? = nil, reportFile: String = "",
        progress: (Int) -> Void = { _ in }
    ) throws(Failure) -> [String: String] {
        var hashes: [String: String] = [:]
        var done = 0
        let remedy = "The weights are not those that were quantized: fetch or quantize them again"
        for name in checkpoint.tensorNames {
            let tensor = try checkpoint.requiredTensor(named: name)
            var hash = SHA256()
            for start in stride(from: 0, to: tensor.byteCount, by: sliceByteCount) {
                try Signals.throwIfInterrupted()
                let range = start..<min(start + sliceByteCount, tensor.byteCount)
                try tensor.checkFinite(range)
                hash.update(UnsafeRawBufferPointer(rebasing: tensor.bytes[range]))
                let offset = tensor.entry.byteOffset
                tensor.file.file.release(offset + range.lowerBound..<offset + range.upperBound)
                done += range.count
                progress(done)
            }
            try tensor.file.file.throwIfChanged()
            let digest = hash.hexadecimalDigest()
            hashes[name] = digest
            guard let expected else { continue }
            guard let wanted = expected.sha256[name] else {
                throw Failure(
                    .badData, "the tensor is not in \(FileSystem.lastComponent(reportFile))", at: tensor.place,
                    remedy: remedy)
            }
            guard wanted == digest else {
                throw Failure(
                    .badData,
                    "the bytes have the SHA-256 \(digest), but \(FileSystem.lastComponent(reportFile)) says "
                        + wanted, at: tensor.place, remedy: remedy)
            }
        }
        if let missing = expected?.sha256.keys.filter({ hashes[$0] == nil }).min() {
            throw Failure(
                .badData, "the report has the tensor \(missing), but the weight files do not",
                at: .init(file: reportFile), remedy: remedy)
        }
        return hashes
    }
}
