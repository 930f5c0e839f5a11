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
                ("tensors", .array(tensors.map(Self.json))), ("bytes_before", .integer(bytesBefore)),
                ("bytes_after", .integer(bytesAfter)), ("bits_per_parameter", .double(bitsPerParameter)),
            ]))
    }

    private static func json(_ tensor: Tensor) -> JSONValue {
        var members: [(String, JSONValue)] = [
            ("name", .string(tensor.name)), ("action", .string(tensor.isQuantized ? "quantized" : "kept")),
            ("format", .string(tensor.format)), ("shape", .array(tensor.shape.map(JSONValue.integer))),
            ("bytes_before", .integer(tensor.bytesBefore)), ("bytes_after", .integer(tensor.bytesAfter)),
            ("rms_error", .double(tensor.error?.rootMeanSquare ?? 0)),
            ("max_abs_error", .double(Double(tensor.error?.largest ?? 0))),
            ("relative_rms_error", .double(tensor.error?.relativeRootMeanSquare ?? 0)),
            ("sha256", .string(tensor.sha256)),
        ]
        if !tensor.parts.isEmpty {
            let parts = tensor.parts.map { part in
                JSONValue.object(
                    JSONObject([
                        ("name", .string(part.component)), ("bytes", .integer(part.byteCount)),
                        ("sha256", .string(part.sha256)),
                    ]))
            }
            members.append(("parts", .array(parts)))
        }
        return .object(JSONObject(members))
    }
}
