internal import Glibc
package import System

/// Reads the golden fixtures of the tests: small files that a committed script made, read whole and by path.
package enum Fixtures {
    /// The root of the package, from the path of a file in it: `Fixtures.packageRoot(#filePath)`.
    package static func packageRoot(_ filePath: String = #filePath) -> String {
        guard let range = filePath.range(ofLast: "/Tests/") else { fatalError("\(filePath) is not under Tests.") }
        return String(filePath[..<range])
    }

    /// The folder of models made by `tools/fixtures/models.py`.
    package static var modelsDirectory: String { packageRoot() + "/Tests/DecoderModelsTests/Fixtures" }

    /// The names of the models of the Llama kind, which `ReferenceModel` computes, sorted.
    package static let modelNames = [
        "llama-v4-dynamic", "llama-v4-linear", "llama-v4-llama3", "llama-v4-plain", "llama-v5-biases",
        "llama-v5-default-tied", "llama-v5-dynamic", "llama-v5-llama3-tied", "qwen2-v4-tied", "qwen2-v5-sharded",
    ]

    /// The names of the models of other families or rotary embeddings, sorted: every other folder with a config.json.
    package static let familyNames = ((try? FileSystem.list(modelsDirectory)) ?? []).sorted().filter {
        !modelNames.contains($0) && access("\(modelsDirectory)/\($0)/config.json", F_OK) == 0
    }

    /// The names of those with experts.
    package static let mixtureNames = familyNames.filter { $0.hasPrefix("mixtral") || $0.contains("moe") }

    /// All bytes of a file.
    package static func bytes(_ path: String) throws(Failure) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(.inputMissing, "cannot be opened", at: .init(file: path)) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &block, block.count)
            guard count >= 0 else { throw Failure(.inputOutput, "cannot be read", at: .init(file: path)) }
            if count == 0 { return bytes }
            bytes += block[..<count]
        }
    }

    /// A JSON document.
    package static func json(_ path: String) throws(Failure) -> JSONValue {
        do throws(Failure) { return try JSONParser.parse(try bytes(path)) } catch { throw error.inFile(path) }
    }

    /// All F32, F16 and BF16 tensors of a safetensors file, as float32. For files that our own scripts made.
    package static func tensors(_ path: String) throws(Failure) -> [String: ReferenceTensor] {
        let bytes = try bytes(path)
        func malformed(_ what: String) -> Failure { Failure(.badData, what, at: .init(file: path)) }
        guard bytes.count >= 8 else { throw malformed("shorter than a safetensors header") }
        let headerLength = (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
        guard headerLength >= 0, headerLength <= bytes.count - 8 else { throw malformed("the header is cut off") }
        let header = try JSONParser.parse(Array(bytes[8..<8 + headerLength]))
        var tensors: [String: ReferenceTensor] = [:]
        for member in header.object?.members ?? [] where member.key != "__metadata__" {
            let shape = (member.value["shape"]?.array ?? []).compactMap(\.integer)
            let offsets = (member.value["data_offsets"]?.array ?? []).compactMap(\.integer)
            guard offsets.count == 2, 8 + headerLength + offsets[1] <= bytes.count else {
                throw malformed("tensor \(member.key) lies outside the file")
            }
            let data = bytes[8 + headerLength + offsets[0]..<8 + headerLength + offsets[1]]
            let values: [Float]
            switch member.value["dtype"]?.string {
            case "F32": values = elements(data, UInt32.self) { Float(bitPattern: $0) }
            case "BF16": values = elements(data, UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
            case "F16": values = elements(data, UInt16.self) { float32(half: $0) }
            default: throw malformed("tensor \(member.key) has a type that fixtures do not use")
            }
            guard values.count == shape.reduce(1, *) else { throw malformed("tensor \(member.key) has another size") }
            tensors[member.key] = ReferenceTensor(shape: shape, values: values)
        }
        return tensors
    }

    private static func elements<Bits: FixedWidthInteger>(
        _ data: ArraySlice<UInt8>, _ type: Bits.Type, _ convert: (Bits) -> Float
    ) -> [Float] {
        let width = MemoryLayout<Bits>.size
        return stride(from: data.startIndex, to: data.endIndex - width + 1, by: width).map { start in
            var bits: Bits = 0
            for byte in (0..<width).reversed() { bits = bits << 8 | Bits(data[start + byte]) }
            return convert(bits)
        }
    }

    /// IEEE half precision to float32, exact.
    private static func float32(half bits: UInt16) -> Float {
        let sign: Float = bits >> 15 == 0 ? 1 : -1
        let exponent = Int(bits >> 10 & 31), fraction = Float(bits & 1023)
        switch exponent {
        case 0: return sign * fraction * 0x1p-24
        case 31: return fraction == 0 ? sign * .infinity : .nan
        default: return sign * (1024 + fraction) * Float(sign: .plus, exponent: exponent - 25, significand: 1)
        }
    }
}

extension String {
    /// The index where the last occurrence of a text begins.
    fileprivate func range(ofLast text: String) -> String.Index? {
        var index = endIndex
        while index > startIndex {
            index = self.index(before: index)
            if self[index...].hasPrefix(text) { return index }
        }
        return nil
    }
}
