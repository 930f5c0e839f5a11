package import ModelFiles
package import System

/// The SHA-256 that names the base of a run, without reading its weights where that is safe.
package enum BaseIdentity {
    /// `ModelDirectory.identity()`, from the hashes of the quantization report where the directory has one that lists
    /// every tensor and is not older than the weight files (it is written after them); else the weights are read once.
    ///
    /// - Throws: `Failure`: 65 for a malformed report, 74 where a file changed meanwhile, 130 or 143 where a signal came.
    package static func sha256(_ directory: ModelDirectory) throws(Failure) -> String {
        try directory.identity(knownHashes: try reportedHashes(directory) ?? [:])
    }

    private static func reportedHashes(_ directory: ModelDirectory) throws(Failure) -> [String: String]? {
        guard let hashes = try StoredHashes(directory: directory.path)?.sha256,
            let report = FileSystem.status(FileSystem.join(directory.path, QuantizationReport.fileName)),
            directory.checkpoint.tensorNames.allSatisfy({ hashes[$0] != nil })
        else { return nil }
        func time(_ status: FileStatus) -> (Int, Int) { (status.modificationSeconds, status.modificationNanoseconds) }
        for file in directory.checkpoint.files {
            guard let status = FileSystem.status(file.path), time(status) <= time(report) else { return nil }
        }
        return hashes
    }
}
