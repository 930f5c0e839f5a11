internal import ModelFiles
internal import Quantization
internal import System

/// What `inspect` found, as a document and as text.
struct InspectionReport {
    private var members: [(String, JSONValue)]
    private var lines: [String]

    init(kind: String, path: String, isVerified: Bool) {
        members = [("kind", .string(kind)), ("path", .string(path)), ("verified", .bool(isVerified))]
        lines = ["\(path): \(kind)\(isVerified ? ", verified" : "")"]
    }

    var json: JSONValue { .object(JSONObject(members)) }
    var text: String { lines.joined(separator: "\n") }

    mutating func add(_ key: String, _ value: JSONValue) { members.append((key, value)) }
    mutating func line(_ text: String) { lines.append(text) }

    /// The tensors of a file as they are stored.
    mutating func addTensors(of checkpoint: Checkpoint, hashes: [String: String]) throws(Failure) {
        var tensors: [JSONValue] = []
        for name in checkpoint.tensorNames {
            let tensor = try checkpoint.requiredTensor(named: name)
            tensors.append(
                entry(
                    [
                        ("name", .string(name)), ("type", .string(tensor.type.rawValue)),
                        ("shape", .array(tensor.shape.map(JSONValue.integer))), ("bytes", .integer(tensor.byteCount)),
                    ], name, hashes))
            line("  \(name)  \(tensor.type.rawValue) \(tensor.shape)  \(ByteText.text(tensor.byteCount))")
        }
        add("bytes", .integer(checkpoint.byteCount))
        add("tensors", .array(tensors))
        line("\(tensors.count) tensors, \(ByteText.text(checkpoint.byteCount))")
    }

    /// Everything about a model.
    mutating func describe(_ inspection: ModelInspection, identity: String?, hashes: [String: String]) {
        let model = inspection.model
        let modelType = model.configuration["model_type"]?.string
        let architectures = (model.configuration["architectures"]?.array ?? []).compactMap(\.string)
        add("model_type", modelType.map(JSONValue.string) ?? .null)
        add("architectures", .array(architectures.map(JSONValue.string)))
        add("supported", .bool(inspection.unsupported == nil))
        add("name", model.originalName.map(JSONValue.string) ?? .null)
        add("quantization", Self.json(model.quantization))
        add("parameters", .integer(inspection.parameterCount))
        add("bytes", .integer(inspection.byteCount))
        add("bits_per_parameter", .double(inspection.bitsPerParameter))
        if let identity { add("identity", .string(identity)) }
        add(
            "formats",
            .array(
                inspection.formats.map { format, count, byteCount in
                    .object(
                        JSONObject([
                            ("format", .string(format)), ("weights", .integer(count)), ("bytes", .integer(byteCount)),
                        ]))
                }))
        add(
            "files",
            .array(
                model.checkpoint.files.map { file in
                    .object(
                        JSONObject([
                            ("name", .string(FileSystem.lastComponent(file.path))),
                            ("bytes", .integer(file.file.byteCount)),
                        ]))
                }))
        line("architecture: \(architectures.first ?? "not named"), model type \(modelType ?? "not named")")
        if let unsupported = inspection.unsupported { line("not supported: \(unsupported)") }
        line(
            "\(inspection.parameterCount) parameters in \(ByteText.text(inspection.byteCount)), "
                + "\(NumberText.fixed(inspection.bitsPerParameter, digits: 2)) bits each")
        for (format, count, byteCount) in inspection.formats {
            line("  \(format): \(count) weights, \(ByteText.text(byteCount))")
        }
        if let identity { line("identity: \(identity)") }
        var tensors: [JSONValue] = []
        for weight in inspection.weights {
            var fields: [(String, JSONValue)] = [
                ("name", .string(weight.name)), ("format", .string(weight.format)),
                ("shape", .array(weight.shape.map(JSONValue.integer))), ("bytes", .integer(weight.byteCount)),
            ]
            var format = weight.format
            if let blockSize = weight.blockSize {
                fields.append(("block_size", .integer(blockSize)))
                fields.append(("double_quantized", .bool(weight.isDoubleQuantized)))
                format += " block \(blockSize)\(weight.isDoubleQuantized ? ", double-quantized" : "")"
            }
            tensors.append(entry(fields, weight.name, hashes))
            line("  \(weight.name)  \(format) \(weight.shape)  \(ByteText.text(weight.byteCount))")
        }
        add("tensors", .array(tensors))
    }

    private func entry(_ fields: [(String, JSONValue)], _ name: String, _ hashes: [String: String]) -> JSONValue {
        .object(JSONObject(fields + (hashes[name].map { [("sha256", .string($0))] } ?? [])))
    }

    private static func json(_ quantization: QuantizationConfiguration) -> JSONValue {
        switch quantization {
        case .none: .null
        case .bitsandbytes(let format):
            .object(JSONObject([("method", .string("bitsandbytes")), ("format", .string(format))]))
        case .blockwise(let format, let blockSize):
            .object(
                JSONObject([
                    ("method", .string("qlora-blockwise")), ("format", .string(format)),
                    ("block_size", .integer(blockSize)),
                ]))
        }
    }
}
