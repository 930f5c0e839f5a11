internal import ModelFiles
internal import System
internal import Tensors

/// The two matrices of a site in an adapter file.
enum TensorPart: String, CaseIterable {
    /// A [R, K].
    case a = "lora_A.weight"
    /// B [N, R].
    case b = "lora_B.weight"

    /// What PEFT puts before every module path.
    static let prefix = "base_model.model."

    /// The tensor's name (formats of PEFT 0.21.2, `save_and_load.py`).
    func name(_ path: String) -> String { "\(Self.prefix)\(path).\(rawValue)" }
}

/// The tensors of an adapter file, sorted by the sites of a model; what does not belong is refused by name.
struct AdapterTensors {
    private let file: SafetensorsFile
    private let paths: Set<String>
    /// Words about the base model that the adapter names, for messages.
    let baseName: String

    private static let baseRemedy = "Give the model that the adapter was trained on"

    /// - Throws: `unsupported` for tensors of other kinds of adapters, `badData` for tensors of modules that the model
    ///   does not have.
    init(_ file: SafetensorsFile, sites: [AdapterSite], configuration: AdapterConfiguration) throws(Failure) {
        self.file = file
        baseName = configuration.baseModel.map { "; the adapter was made for \"\($0)\"" } ?? ""
        let known = Set(sites.map(\.path))
        var paths: Set<String> = [], unknown: [String] = []
        for entry in file.header.tensors {
            if let kind = Self.foreignKind(entry.name) {
                throw Failure(
                    .unsupported, "the tensor belongs to \(kind), which is not supported",
                    at: .init(file: file.path, tensor: entry.name), remedy: "Use a plain LoRA adapter")
            }
            guard let path = Self.path(of: entry.name), known.contains(path) else {
                unknown.append(entry.name)
                continue
            }
            paths.insert(path)
        }
        guard unknown.isEmpty else {
            throw Failure(
                .badData, "the model has no linear for the tensors \(listed(unknown))\(baseName)",
                at: .init(file: file.path), remedy: Self.baseRemedy)
        }
        self.paths = paths
    }

    /// The module path of a LoRA matrix, nil for another name.
    private static func path(of name: String) -> String? {
        guard name.hasPrefix(TensorPart.prefix) else { return nil }
        for part in TensorPart.allCases where name.hasSuffix(".\(part.rawValue)") {
            return String(name.dropFirst(TensorPart.prefix.count).dropLast(part.rawValue.count + 1))
        }
        return nil
    }

    /// What other kind of adapter a tensor's name tells of.
    private static func foreignKind(_ name: String) -> String? {
        if name.hasSuffix(".lora_magnitude_vector") || name.contains(".lora_magnitude_vector.") { return "DoRA" }
        if name.contains(".lora_embedding_") { return "an adapter of an embedding" }
        if name.hasSuffix(".lora_B.bias") { return "LoRA with biases (lora_bias)" }
        if name.contains(".token_adapter.") { return "trainable tokens" }
        if name.hasSuffix(".bias") { return "trained biases" }
        if name.contains(".base_layer.") { return "a saved base layer" }
        if !name.contains(".lora_") { return "a module saved whole (modules_to_save) or another kind of adapter" }
        return nil
    }

    /// Whether there is a matrix for a site.
    func has(_ path: String) -> Bool { paths.contains(path) }

    /// Checks that every site has its matrices in the shapes that its rank asks for.
    func checkComplete(_ sites: [(site: AdapterSite, rank: Int, scaling: Float)]) throws(Failure) {
        guard !sites.isEmpty else {
            throw Failure(.badData, "the file holds no tensor of a LoRA adapter", at: .init(file: file.path))
        }
        let names = sites.flatMap { item in TensorPart.allCases.map { $0.name(item.site.path) } }
        let missing = names.filter { file.entry(named: $0) == nil }
        guard missing.isEmpty else {
            throw Failure(
                .badData, "tensors that the configuration targets are missing: \(listed(missing))\(baseName)",
                at: .init(file: file.path), remedy: Self.baseRemedy)
        }
        for (site, rank, _) in sites {
            try checkShape(.a, of: site, [rank, site.inputs], rankAxis: 0)
            try checkShape(.b, of: site, [site.outputs, rank], rankAxis: 1)
        }
    }

    private func checkShape(
        _ part: TensorPart, of site: AdapterSite, _ expected: [Int], rankAxis: Int
    ) throws(Failure) {
        let name = part.name(site.path)
        guard let entry = file.entry(named: name), entry.shape != expected else { return }
        let isRank = entry.shape.count == 2 && entry.shape[1 - rankAxis] == expected[1 - rankAxis]
        throw Failure(
            .badData,
            isRank
                ? "the shape is \(entry.shape), and the configuration's rank is \(expected[rankAxis])"
                : "the shape is \(entry.shape), and the model's linear of \(site.inputs) inputs and \(site.outputs) outputs "
                    + "needs \(expected)\(baseName)",
            at: .init(file: file.path, tensor: name),
            remedy: isRank ? "Correct r or rank_pattern in \(AdapterConfiguration.fileName)" : Self.baseRemedy)
    }

    /// Copies a matrix as float32; its shape has been checked.
    ///
    /// - Throws: `unsupported` for another element type, `badData` for a value that is not finite.
    func load(_ path: String, _ part: TensorPart, into matrix: FloatMatrix) throws(Failure) {
        let name = part.name(path)
        guard let entry = file.entry(named: name), entry.elementCount == matrix.count else {
            fatalError("an adapter tensor is loaded before its shape is checked")
        }
        let bytes = file.bytes(of: entry), target = matrix.base
        switch entry.type {
        case .float32: fill(target, matrix.count) { Float(bitPattern: Self.bits(bytes, $0)) }
        case .bfloat16:
            fill(target, matrix.count) { index in
                let bits: UInt16 = Self.bits(bytes, index)
                return Float(bitPattern: UInt32(bits) << 16)
            }
        case .float16: fill(target, matrix.count) { Self.widen(Self.bits(bytes, $0)) }
        case .float64: fill(target, matrix.count) { Float(Double(bitPattern: Self.bits(bytes, $0))) }
        default:
            throw Failure(
                .unsupported, "the type is \(entry.type.rawValue); F32, BF16, F16 and F64 are supported for adapters",
                at: .init(file: file.path, tensor: name), remedy: "Save the adapter again in float32")
        }
        for index in 0..<matrix.count where !target[index].isFinite {
            throw Failure(
                .badData, "element \(index) is \(target[index]): every value must be finite in float32",
                at: .init(file: file.path, tensor: name), remedy: "Train the adapter again: it has diverged")
        }
    }

    private func fill(_ target: UnsafeMutablePointer<Float>, _ count: Int, _ value: (Int) -> Float) {
        for index in 0..<count { target[index] = value(index) }
    }

    private static func bits<Bits: FixedWidthInteger>(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> Bits {
        Bits(littleEndian: bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Bits>.size, as: Bits.self))
    }

    /// IEEE half to single precision, exact. Written out because `Float16` does not exist on every platform.
    private static func widen(_ half: UInt16) -> Float {
        let sign = UInt32(half & 0x8000) << 16, exponent = UInt32(half >> 10) & 0x1F, fraction = UInt32(half & 0x3FF)
        switch exponent {
        case 0: return (sign == 0 ? 1 : -1) * Float(fraction) * 0x1p-24
        case 31: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
        default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
        }
    }
}
