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
    /// The paths that there are matrices for, in the model's order.
    private let paths: [String]
    /// The names of the sites that were checked to be complete.
    private var stored = StoredSites([])
    /// Whether there are matrices for single linears of experts.
    let hasSingleExperts: Bool
    /// Words about the base model that the adapter names, for messages.
    let baseName: String

    private static let baseRemedy = "Give the model that the adapter was trained on"

    /// - Throws: `unsupported` for tensors of other kinds of adapters, `badData` for tensors of modules that the model
    ///   does not have.
    init(_ file: SafetensorsFile, sites: [AdapterSite], configuration: AdapterConfiguration) throws(Failure) {
        self.file = file
        baseName = configuration.baseModel.map { "; the adapter was made for \"\($0)\"" } ?? ""
        let stacks = sites.compactMap(\.stackModule)
        let order = sites.flatMap(\.modulePaths) + stacks.flatMap { [$0 + ".base_layer", $0] }
        let known = Set(order)
        var found: Set<String> = [], unknown: [String] = []
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
            found.insert(path)
        }
        guard unknown.isEmpty else {
            throw Failure(
                .badData, "the model has no linear for the tensors \(listed(unknown))\(baseName)",
                at: .init(file: file.path), remedy: Self.baseRemedy)
        }
        hasSingleExperts = sites.contains { $0.role == .expert && found.contains($0.path) }
        // Stacks of one module come twice.
        paths = order.filter { found.remove($0) != nil }
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
        if name.contains(".base_layer."), !name.contains(".lora_") { return "a saved base layer" }
        if !name.contains(".lora_") { return "a module saved whole (modules_to_save) or another kind of adapter" }
        return nil
    }

    /// Whether there is a matrix for a linear.
    func has(_ site: AdapterSite) -> Bool { site.modulePaths.contains(where: paths.contains) }

    /// The paths that there are matrices for and that none of the sites stores its own under.
    func strays(beside sites: [AdapterSite]) -> [String] {
        let stored = StoredSites(sites)
        let known = Set(sites.flatMap { [stored.path($0)] + $0.modulePaths })
        return paths.filter { !known.contains($0) }
    }

    /// The name of a matrix of a site, under whichever of its paths it is stored.
    private func name(_ part: TensorPart, _ site: AdapterSite, _ stored: StoredSites) -> String {
        let names = ([stored.path(site)] + site.modulePaths).map(part.name)
        return names.first { file.entry(named: $0) != nil } ?? names[0]
    }

    /// Checks that every site has its matrices in the shapes that its rank asks for.
    mutating func checkComplete(_ sites: [(site: AdapterSite, rank: Int, scaling: Float)]) throws(Failure) {
        stored = StoredSites(sites.map(\.site))
        guard !sites.isEmpty else {
            throw Failure(.badData, "the file holds no tensor of a LoRA adapter", at: .init(file: file.path))
        }
        let names = sites.flatMap { item in TensorPart.allCases.map { name($0, item.site, stored) } }
        let missing = names.filter { file.entry(named: $0) == nil }
        guard missing.isEmpty else {
            throw Failure(
                .badData, "tensors that the configuration targets are missing: \(listed(missing))\(baseName)",
                at: .init(file: file.path), remedy: Self.baseRemedy)
        }
        for (site, rank, _) in sites {
            try checkShape(.a, of: site, StoredSites.shape(.a, site, rank: rank), rankAxis: 0)
            try checkShape(.b, of: site, StoredSites.shape(.b, site, rank: rank), rankAxis: 1)
        }
    }

    private func checkShape(
        _ part: TensorPart, of site: AdapterSite, _ expected: [Int], rankAxis: Int
    ) throws(Failure) {
        let name = name(part, site, stored)
        guard let entry = file.entry(named: name), entry.shape != expected else { return }
        let isRank = entry.shape.count == 2 && entry.shape[1 - rankAxis] == expected[1 - rankAxis]
        throw Failure(
            .badData,
            isRank
                ? "the shape is \(entry.shape), and the configuration's rank is \(expected[rankAxis] / site.copies)"
                    + (site.copies > 1 ? " for each of \(site.copies) experts" : "")
                : "the shape is \(entry.shape), and the model's linear of \(site.inputs) inputs and \(site.outputs) outputs "
                    + "needs \(expected)\(baseName)",
            at: .init(file: file.path, tensor: name),
            remedy: isRank ? "Correct r or rank_pattern in \(AdapterConfiguration.fileName)" : Self.baseRemedy)
    }

    /// Copies a matrix as float32; its shape has been checked.
    ///
    /// - Throws: `unsupported` for another element type, `badData` for a value that is not finite.
    func load(_ wanted: AdapterSet.Entry, _ part: TensorPart, into matrix: FloatMatrix) throws(Failure) {
        let name = name(part, wanted.site, stored)
        guard let entry = file.entry(named: name), entry.elementCount == matrix.count else {
            fatalError("an adapter tensor is loaded before its shape is checked")
        }
        let bytes = file.bytes(of: entry), target = matrix.base
        let isMixed = part == .b && wanted.site.copies > 1
        func fill(_ value: (Int) -> Float) {
            for index in 0..<matrix.count {
                let place = isMixed ? StoredSites.place(ofB: index, wanted.site, rank: wanted.rank) : index
                target[place] = value(index)
            }
        }
        switch entry.type {
        case .float32: fill { Float(bitPattern: Self.bits(bytes, $0)) }
        case .bfloat16:
            fill { index in
                let bits: UInt16 = Self.bits(bytes, index)
                return Float(bitPattern: UInt32(bits) << 16)
            }
        case .float16: fill { Self.widen(Self.bits(bytes, $0)) }
        case .float64: fill { Float(Double(bitPattern: Self.bits(bytes, $0))) }
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
