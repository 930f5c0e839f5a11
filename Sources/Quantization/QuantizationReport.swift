internal import ModelFiles
public import QuantFormats
public import System

/// What quantization did to each tensor: `quantization_report.json`.
///
/// The hashes name the base of a run: they are those of the bytes that were stored.
public struct QuantizationReport: Sendable {
    public static let fileName = "quantization_report.json"

    /// A tensor stored beside a quantized weight.
    public struct Part: Sendable {
        /// `absmax` of `M.weight.absmax`.
        public let component: String
        public let byteCount: Int
        public let sha256: String
    }

    /// A tensor of the source.
    public struct Tensor: Sendable {
        public let name: String
        public let isQuantized: Bool
        /// `nf4`, …, or the element type of a tensor that was kept.
        public let format: String
        /// Of the source.
        public let shape: [Int]
        public let bytesBefore: Int
        /// Parts included.
        public let bytesAfter: Int
        /// nil for a tensor that was kept: its error is 0.
        public let error: QuantizationError?
        /// Of the bytes of the tensor itself, parts not included.
        public let sha256: String
        public let parts: [Part]
    }

    public let tensors: [Tensor]

    public var bytesBefore: Int { tensors.reduce(0) { $0 + $1.bytesBefore } }
    public var bytesAfter: Int { tensors.reduce(0) { $0 + $1.bytesAfter } }
    /// Elements of the source.
    public var parameterCount: Int { tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } }
    /// Stored bits for each element of the source.
    public var bitsPerParameter: Double {
        parameterCount == 0 ? 0 : Double(bytesAfter) * 8 / Double(parameterCount)
    }

    /// Bytes stored in each format, largest first.
    public var bytesByFormat: [(format: String, byteCount: Int)] {
        var sums: [String: Int] = [:]
        for tensor in tensors { sums[tensor.format, default: 0] += tensor.bytesAfter }
        return sums.map { ($0.key, $0.value) }.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    }

    /// The document of the command-line contract; `parts` and `shape` are beyond it.
    public var json: JSONValue {
        .object(
            JSONObject([
                ("tensors", .array(tensors.map { .object($0.json) })), ("bytes_before", .integer(bytesBefore)),
                ("bytes_after", .integer(bytesAfter)), ("bits_per_parameter", .double(bitsPerParameter)),
            ]))
    }

}

extension QuantizationReport.Tensor {
    /// Its entry of the report.
    var json: JSONObject {
        var members: [(String, JSONValue)] = [
            ("name", .string(name)), ("action", .string(isQuantized ? "quantized" : "kept")),
            ("format", .string(format)), ("shape", .array(shape.map(JSONValue.integer))),
            ("bytes_before", .integer(bytesBefore)), ("bytes_after", .integer(bytesAfter)),
            ("rms_error", .double(error?.rootMeanSquare ?? 0)),
            ("max_abs_error", .double(Double(error?.largest ?? 0))),
            ("relative_rms_error", .double(error?.relativeRootMeanSquare ?? 0)),
            ("sha256", .string(sha256)),
        ]
        if !parts.isEmpty {
            let parts = parts.map { part in
                JSONValue.object(
                    JSONObject([
                        ("name", .string(part.component)), ("bytes", .integer(part.byteCount)),
                        ("sha256", .string(part.sha256)),
                    ]))
            }
            members.append(("parts", .array(parts)))
        }
        return JSONObject(members)
    }

    /// Reads an entry.
    ///
    /// - Parameter error: the sums that the entry's errors come from; nil for a tensor that was kept.
    init?(_ json: JSONValue, error: QuantizationError?) {
        guard let name = json["name"]?.string, let action = json["action"]?.string,
            let format = json["format"]?.string, let shape = json["shape"]?.array?.map(\.integer),
            let bytesBefore = json["bytes_before"]?.integer, let bytesAfter = json["bytes_after"]?.integer,
            let sha256 = json["sha256"]?.string, (action == "quantized") == (error != nil)
        else { return nil }
        var parts: [QuantizationReport.Part] = []
        for part in json["parts"]?.array ?? [] {
            guard let component = part["name"]?.string, let byteCount = part["bytes"]?.integer,
                let sha256 = part["sha256"]?.string
            else { return nil }
            parts.append(QuantizationReport.Part(component: component, byteCount: byteCount, sha256: sha256))
        }
        self.init(
            name: name, isQuantized: error != nil, format: format, shape: shape.compactMap(\.self),
            bytesBefore: bytesBefore, bytesAfter: bytesAfter, error: error, sha256: sha256, parts: parts)
    }

    /// What was written for it, the tensor itself first.
    var written: [WrittenTensor] {
        let own = bytesAfter - parts.reduce(0) { $0 + $1.byteCount }
        return [WrittenTensor(name: name, byteCount: own, sha256: sha256)]
            + parts.map { WrittenTensor(name: "\(name).\($0.component)", byteCount: $0.byteCount, sha256: $0.sha256) }
    }
}
