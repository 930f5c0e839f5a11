package import System

/// The hashes that a quantization report gives for the stored tensors of a directory.
package struct StoredHashes: Sendable {
    /// SHA-256 in hexadecimal digits by full tensor name, parts included.
    package let sha256: [String: String]

    /// Reads the report of a directory; nil where there is none.
    ///
    /// - Throws: `Failure` of kind `badData` for a report that does not have the documented form.
    package init?(directory: String) throws(Failure) {
        let path = FileSystem.join(directory, QuantizationReport.fileName)
        guard FileSystem.linkStatus(path) != nil else { return nil }
        let object = try FileReader.readJSONObject(path)
        func failure(_ what: String, _ field: String) -> Failure {
            Failure(.badData, what, at: .init(file: path, field: field), remedy: "Quantize the model again")
        }
        guard let tensors = object["tensors"]?.array else { throw failure("is no array", "tensors") }
        var hashes: [String: String] = [:]
        for (index, tensor) in tensors.enumerated() {
            guard let name = tensor["name"]?.string, let hash = tensor["sha256"]?.string else {
                throw failure("has no name or no sha256", "tensors[\(index)]")
            }
            hashes[name] = hash
            for (number, part) in (tensor["parts"]?.array ?? []).enumerated() {
                guard let component = part["name"]?.string, let hash = part["sha256"]?.string else {
                    throw failure("has no name or no sha256", "tensors[\(index)].parts[\(number)]")
                }
                hashes["\(name).\(component)"] = hash
            }
        }
        sha256 = hashes
    }
}
