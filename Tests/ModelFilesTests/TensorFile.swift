import ModelFiles
import System
import TestSupport

/// Tensors of a test's own, to be written as safetensors files and damaged one by one.
struct TensorFile {
    struct Tensor {
        var type: TensorType
        var shape: [Int]
        var bytes: [UInt8]
    }

    var tensors: [(name: String, tensor: Tensor)] = []

    subscript(_ name: String) -> Tensor? {
        get { tensors.first { $0.name == name }?.tensor }
        set {
            tensors.removeAll { $0.name == name }
            if let newValue { tensors.append((name, newValue)) }
        }
    }

    mutating func add(_ name: String, _ shape: [Int], floats: [Float]) {
        self[name] = Tensor(type: .float32, shape: shape, bytes: floats.withUnsafeBytes { Array($0) })
    }

    mutating func add(_ name: String, _ shape: [Int], _ type: TensorType = .unsigned8, bytes: [UInt8]) {
        self[name] = Tensor(type: type, shape: shape, bytes: bytes)
    }

    mutating func add(_ name: String, json: String) { add(name, [json.utf8.count], bytes: Array(json.utf8)) }

    /// Every tensor of a file.
    static func reading(_ path: String) throws -> TensorFile {
        let file = try SafetensorsFile(path)
        var result = TensorFile()
        for entry in file.header.tensors {
            result.add(entry.name, entry.shape, entry.type, bytes: Array(file.bytes(of: entry)))
        }
        return result
    }

    func write(_ path: String, metadata: [(key: String, value: String)] = [("format", "pt")]) throws {
        let writer = try SafetensorsWriter(
            path, tensors: tensors.map { .init(name: $0.name, type: $0.tensor.type, shape: $0.tensor.shape) },
            metadata: metadata)
        for (name, tensor) in tensors { try tensor.bytes.withUnsafeBytes { try writer.write(name, $0) } }
        try writer.finish()
    }
}
