package import Kernels
public import System
internal import Tensors

/// A weight matrix in place in its mapped file; it keeps the file mapped.
public final class LoadedMatrix: Sendable {
    /// A view that is valid while this object lives.
    package let matrix: StoredMatrix
    /// `float32`, `bfloat16`, `float16`, or the name of a quantized format.
    public let format: String
    /// PyTorch's name of the type before quantization; the stored type of a matrix that is not quantized.
    public let sourceType: String
    /// Elements a scale stands for, nil for a matrix that is not quantized.
    public let blockSize: Int?
    /// Whether the scales are quantized themselves.
    public let isDoubleQuantized: Bool
    /// Bytes in the file, scales and tables included.
    public let byteCount: Int
    /// Names of the tensors it is made of, the weight first.
    public let sourceTensors: [String]

    private let files: [SafetensorsFile]
    private let table: FloatVector?

    init(
        matrix: StoredMatrix, format: String, sourceType: String, blockSize: Int?, isDoubleQuantized: Bool,
        tensors: [StoredTensor], table: FloatVector?
    ) {
        self.matrix = matrix
        self.format = format
        self.sourceType = sourceType
        self.blockSize = blockSize
        self.isDoubleQuantized = isDoubleQuantized
        byteCount = tensors.reduce(0) { $0 + $1.byteCount }
        sourceTensors = tensors.map(\.name)
        files = tensors.map(\.file)
        self.table = table
    }
}

extension Checkpoint {
    /// The weight matrix of a module, W [rows, columns], in whatever format it is stored; see `BlockwiseLayout`.
    ///
    /// Values are checked to be finite: all of a matrix that is not quantized, scales and tables of one that is.
    ///
    /// - Parameters:
    ///   - module: `model.layers.0.self_attn.q_proj`; the tensor is `module.weight` or what an alias makes of it.
    ///   - rows: outputs.
    ///   - columns: inputs.
    ///   - checksValues: whether the weights of a matrix that is not quantized are read to look for NaN and infinities.
    /// - Throws: `Failure`: 65 missing, of another shape, contradicting itself or not finite; 69 of another format.
    public func storedMatrix(module: String, rows: Int, columns: Int, checksValues: Bool = true) throws(Failure)
        -> LoadedMatrix
    {
        guard rows > 0, columns > 0, !rows.multipliedReportingOverflow(by: columns).overflow else {
            fatalError("a matrix of \(rows) x \(columns) was asked for")
        }
        let weight = try requiredTensor(named: module + ".weight")
        let parts = componentNames(of: weight.name)
        if parts.isEmpty { return try plainMatrix(weight, rows: rows, columns: columns, checksValues: checksValues) }
        let states = parts.filter { $0.hasPrefix("quant_state.") }
        guard states.count == 1 else {
            throw Failure(
                .badData,
                states.isEmpty
                    ? "the parts \(listed(parts)) lie beside the weight, but no quantization state"
                    : "has \(states.count) quantization states: \(listed(states))", at: weight.place)
        }
        guard let format = BlockwiseLayout.states.first(where: { $0.component == states[0] })?.format else {
            throw Failure(
                .unsupported,
                "the quantization \(states[0]) is not read; these are: \(listed(BlockwiseLayout.states.map(\.format)))",
                at: weight.place)
        }
        let state = try QuantizationState(requiredTensor(named: "\(weight.name).\(states[0])"), format: format)
        guard state.shape == [rows, columns] else {
            throw Failure(
                .badData, "the quantization state has the shape \(state.shape) where [\(rows), \(columns)] is expected",
                at: weight.place)
        }
        var reader = QuantizedMatrixReader(
            checkpoint: self, weight: weight, state: state, elementCount: rows * columns,
            unread: parts.filter { $0 != states[0] })
        return try reader.read(rows: rows, columns: columns, stateName: "\(weight.name).\(states[0])")
    }

    private func plainMatrix(_ weight: StoredTensor, rows: Int, columns: Int, checksValues: Bool) throws(Failure)
        -> LoadedMatrix
    {
        let storage: StoredMatrix.Storage
        // A matrix has elements, so its bytes have an address.
        let base = weight.bytes.baseAddress
        guard weight.shape == [rows, columns], let base else {
            throw Failure(
                .badData, "the shape is \(weight.shape) where [\(rows), \(columns)] is expected", at: weight.place)
        }
        switch weight.type {
        case .float32: storage = .float32(base)
        case .bfloat16: storage = .bfloat16(base)
        case .float16: storage = .float16(base)
        default:
            throw Failure(
                .unsupported, "is stored as \(weight.type.rawValue); F32, BF16 and F16 weights are read",
                at: weight.place,
                remedy: "Use a checkpoint in one of these types")
        }
        if checksValues { try weight.checkFinite() }
        return LoadedMatrix(
            matrix: StoredMatrix(rows: rows, columns: columns, storage: storage), format: weight.type.torchName,
            sourceType: weight.type.torchName, blockSize: nil, isDoubleQuantized: false, tensors: [weight], table: nil)
    }
}

/// Reads and checks the parts of one weight in few bits.
private struct QuantizedMatrixReader {
    let checkpoint: Checkpoint
    let weight: StoredTensor
    let state: QuantizationState
    let elementCount: Int
    /// Parts that were not asked for yet.
    var unread: [String]
    private var tensors: [StoredTensor] = []

    init(checkpoint: Checkpoint, weight: StoredTensor, state: QuantizationState, elementCount: Int, unread: [String]) {
        self.checkpoint = checkpoint
        self.weight = weight
        self.state = state
        self.elementCount = elementCount
        self.unread = unread
    }

    private func ceilingQuotient(_ count: Int, _ divisor: Int) -> Int { (count - 1) / divisor + 1 }

    mutating func read(rows: Int, columns: Int, stateName: String) throws(Failure) -> LoadedMatrix {
        let isInt8 = state.format == "int8"
        let expectedCount = isInt8 ? elementCount : ceilingQuotient(elementCount, 2)
        if isInt8, weight.type != .signed8 {
            throw Failure(.badData, "is stored as \(weight.type.rawValue) where I8 is expected", at: weight.place)
        }
        guard weight.byteCount == expectedCount, let codes = weight.bytes.baseAddress else {
            throw Failure(
                .badData,
                "\(elementCount) elements in \(state.format) take \(expectedCount) bytes, but the weight has \(weight.byteCount)",
                at: weight.place)
        }
        tensors = [weight]
        let scales = try readScales()
        var table: FloatVector?
        let storage: StoredMatrix.Storage
        if isInt8 {
            storage = .signed8(codes: codes, scales: scales)
        } else {
            let map = try FloatVector(part(BlockwiseLayout.quantMap, .float32, count: 16))
            table = map
            storage = .table4(codes: codes, table: map.base, scales: scales)
        }
        guard unread.isEmpty else {
            throw Failure(
                .badData, "parts that its format does not have lie beside the weight: \(listed(unread))",
                at: weight.place)
        }
        tensors.append(try checkpoint.requiredTensor(named: stateName))
        return LoadedMatrix(
            matrix: StoredMatrix(rows: rows, columns: columns, storage: storage), format: state.format,
            sourceType: state.sourceType, blockSize: state.blockSize, isDoubleQuantized: state.nestedOffset != nil,
            tensors: tensors, table: table)
    }

    private mutating func readScales() throws(Failure) -> BlockScales {
        let blockCount = ceilingQuotient(elementCount, state.blockSize)
        guard let offset = state.nestedOffset else {
            let absmax = try part(BlockwiseLayout.absmax, .float32, count: blockCount)
            return BlockScales(blockSize: state.blockSize, storage: .float32(try address(absmax)))
        }
        let codes = try part(BlockwiseLayout.absmax, .unsigned8, count: blockCount)
        let map = try part(BlockwiseLayout.nestedQuantMap, .float32, count: 256)
        let nested = try part(
            BlockwiseLayout.nestedAbsmax, .float32, count: ceilingQuotient(blockCount, BlockwiseLayout.nestedBlockSize))
        return BlockScales(
            blockSize: state.blockSize,
            storage: .nested(
                codes: try address(codes), map: try address(map), absmax: try address(nested), offset: offset))
    }

    private func address(_ tensor: StoredTensor) throws(Failure) -> UnsafeRawPointer {
        guard let base = tensor.bytes.baseAddress else { throw Failure(.badData, "is empty", at: tensor.place) }
        return base
    }

    /// A part of the weight, its type, size and values checked.
    private mutating func part(_ component: String, _ type: TensorType, count: Int) throws(Failure) -> StoredTensor {
        guard let tensor = checkpoint.tensor(named: "\(weight.name).\(component)") else {
            throw Failure(.badData, "its part \(component) is missing", at: weight.place)
        }
        guard tensor.type == type, tensor.shape.count <= 2, tensor.elementCount == count else {
            throw Failure(
                .badData, "is \(tensor.type.rawValue) \(tensor.shape) where \(type.rawValue) [\(count)] is expected",
                at: tensor.place)
        }
        try tensor.checkFinite()
        unread.removeAll { $0 == component }
        tensors.append(tensor)
        return tensor
    }
}
