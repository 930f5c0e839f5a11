public import System

/// A tensor that will be written: its size is known before its data.
public struct TensorDeclaration: Sendable {
    public let name: String
    public let type: TensorType
    public let shape: [Int]

    public init(name: String, type: TensorType, shape: [Int]) {
        self.name = name
        self.type = type
        self.shape = shape
    }

    /// The declaration of a tensor that was read.
    public init(_ entry: TensorEntry) { self.init(name: entry.name, type: entry.type, shape: entry.shape) }

    /// Bytes of the data.
    ///
    /// - Throws: `Failure` of kind `badData` where the shape does not fit memory or its bits do not fill bytes.
    public func byteCount() throws(Failure) -> Int {
        var bits = type.bitCount
        for extent in shape {
            let (product, overflow) = bits.multipliedReportingOverflow(by: extent)
            guard !overflow, extent >= 0 else {
                throw Failure(.badData, "the shape \(shape) cannot be written", at: .init(tensor: name))
            }
            bits = product
        }
        guard bits % 8 == 0 else {
            throw Failure(.badData, "\(bits) bits of \(type.rawValue) do not fill whole bytes", at: .init(tensor: name))
        }
        return bits / 8
    }
}

/// A tensor U8 [n] whose n is known only when its data are: JSON text beside a quantized weight, for instance.
public struct LateTensorDeclaration: Sendable {
    public let name: String
    /// The most bytes it can have; room for that many digits is kept in the header.
    public let maximumByteCount: Int

    public init(name: String, maximumByteCount: Int) {
        self.name = name
        self.maximumByteCount = maximumByteCount
    }
}

/// Writes a safetensors file tensor by tensor, in any order and in pieces; memory does not grow with the file.
///
/// Without late tensors the bytes are those of the reference writer (0.8.0): element type descending, then name
/// ascending by bytes, header padded with spaces to a multiple of 8. Late tensors follow in the order they are written,
/// and the header, whose room was reserved, is padded with more spaces.
/// The file appears under its name at `finish`, whole and durable; see `AtomicFile`. Where it is to outlast this process
/// unfinished, see `UnfinishedFile`, what a former process wrote is taken over tensor by tensor, if it is whole.
public final class SafetensorsWriter {
    private struct Slot {
        let declaration: TensorDeclaration
        /// Relative to the first byte after the header.
        let offset: Int
        let byteCount: Int
        var written = 0
    }

    private let output: any OutputFile
    /// `output` where it outlasts the process.
    private let unfinished: UnfinishedFile?
    private let metadata: [(key: String, value: String)]
    private let headerByteCount: Int
    private var slots: [Slot]
    private var indices: [TensorName: Int]
    private var late: [TensorName: Int]
    private var dataByteCount: Int

    /// Lays out the file and creates it under a temporary name.
    ///
    /// - Parameters:
    ///   - path: the final path.
    ///   - tensors: everything of known size, in any order.
    ///   - late: what follows, of a size known later.
    ///   - metadata: written first; PyTorch's files say `format: pt`.
    /// - Throws: `Failure`: 65 two tensors of one name or an impossible shape, 73 or 74 where it cannot be written.
    public convenience init(
        _ path: String, tensors: [TensorDeclaration], late: [LateTensorDeclaration] = [],
        metadata: [(key: String, value: String)] = [("format", "pt")]
    ) throws(Failure) {
        try self.init(path, tensors: tensors, late: late, metadata: metadata, unfinished: nil)
    }

    /// Lays out the file and opens what is left of it, or creates it.
    ///
    /// - Parameter unfinished: the calls by which an unfinished file is written that outlasts the process; nil for one
    ///   that does not.
    package init(
        _ path: String, tensors: [TensorDeclaration], late: [LateTensorDeclaration],
        metadata: [(key: String, value: String)], unfinished operations: (any FileOperations)?
    ) throws(Failure) {
        let sorted = tensors.sorted {
            $0.type.rank != $1.type.rank
                ? $0.type.rank > $1.type.rank : $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
        }
        var slots: [Slot] = []
        var indices: [TensorName: Int] = [:]
        var offset = 0
        for declaration in sorted {
            let byteCount = try declaration.byteCount()
            guard indices.updateValue(slots.count, forKey: TensorName(declaration.name)) == nil else {
                throw Self.duplicate(declaration.name, path)
            }
            slots.append(Slot(declaration: declaration, offset: offset, byteCount: byteCount))
            let (next, overflow) = offset.addingReportingOverflow(byteCount)
            guard !overflow else {
                throw Failure(.badData, "the tensors take more bytes than a file can have", at: .init(file: path))
            }
            offset = next
        }
        var lateSizes: [TensorName: Int] = [:]
        var widest = slots
        var end = offset
        for declaration in late {
            let name = TensorName(declaration.name)
            guard indices[name] == nil, lateSizes.updateValue(declaration.maximumByteCount, forKey: name) == nil else {
                throw Self.duplicate(declaration.name, path)
            }
            let tensor = TensorDeclaration(
                name: declaration.name, type: .unsigned8, shape: [declaration.maximumByteCount])
            widest.append(Slot(declaration: tensor, offset: end, byteCount: declaration.maximumByteCount))
            end += declaration.maximumByteCount
        }
        let header = Self.header(widest, metadata: metadata)
        headerByteCount = (header.count + 7) & ~7
        let byteCount = 8 + headerByteCount + end
        unfinished = try operations.map { (operations) throws(Failure) in
            try UnfinishedFile(path, expectedByteCount: byteCount, operations: operations)
        }
        if let unfinished { output = unfinished } else { output = try AtomicFile(path, expectedByteCount: byteCount) }
        self.metadata = metadata
        self.slots = slots
        self.indices = indices
        self.late = lateSizes
        dataByteCount = offset
    }

    /// Writes bytes of a declared tensor.
    ///
    /// - Parameters:
    ///   - name: the tensor.
    ///   - bytes: all of its data or a piece; every byte is to be written once.
    ///   - offset: where the piece begins in the tensor, in bytes.
    public func write(_ name: String, _ bytes: UnsafeRawBufferPointer, at offset: Int = 0) throws(Failure) {
        guard let index = indices[TensorName(name)] else {
            fatalError("the tensor \(name) was not declared to its writer")
        }
        guard offset >= 0, offset <= slots[index].byteCount, bytes.count <= slots[index].byteCount - offset else {
            fatalError("a piece of \(name) lies outside its declared size")
        }
        try output.write(bytes, at: 8 + headerByteCount + slots[index].offset + offset)
        slots[index].written += bytes.count
    }

    /// Writes all of a late tensor.
    public func writeLate(_ name: String, _ bytes: [UInt8]) throws(Failure) {
        guard let maximum = late.removeValue(forKey: TensorName(name)), bytes.count <= maximum else {
            fatalError("the late tensor \(name) was not declared, is written twice or is larger than declared")
        }
        declareLate(TensorName(name), bytes.count)
        var failure: Failure?
        bytes.withUnsafeBytes { buffer in
            do throws(Failure) { try write(name, buffer) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    // MARK: - What a former process wrote

    /// Whether the file holds a tensor as a former process wrote it: reads and hashes its bytes.
    package func holds(_ tensor: WrittenTensor) throws(Failure) -> Bool {
        guard let unfinished, let range = range(of: tensor) else { return false }
        return try unfinished.digest(of: range) == tensor.sha256
    }

    /// Takes a tensor that the file holds as written; late ones in the order in which they were.
    ///
    /// - Returns: whether it is a late one.
    package func adopt(_ tensor: WrittenTensor) -> Bool {
        guard let unfinished, let range = range(of: tensor) else {
            fatalError("the tensor \(tensor.name) is taken over without being there")
        }
        let name = TensorName(tensor.name)
        let isLate = late.removeValue(forKey: name) != nil
        if isLate { declareLate(name, tensor.byteCount) }
        if let index = indices[name] { slots[index].written = tensor.byteCount }
        unfinished.adopt(upTo: range.upperBound)
        return isLate
    }

    /// Makes what was written so far durable; see `UnfinishedFile.synchronize`.
    package func synchronize() throws(Failure) { try unfinished?.synchronize() }

    /// Where a tensor is in the file; nil where it cannot be what was declared, or was written already.
    private func range(of tensor: WrittenTensor) -> Range<Int>? {
        let name = TensorName(tensor.name)
        var start = dataByteCount
        if let index = indices[name] {
            guard slots[index].written == 0, slots[index].byteCount == tensor.byteCount else { return nil }
            start = slots[index].offset
        } else {
            guard let maximum = late[name], 0...maximum ~= tensor.byteCount else { return nil }
        }
        start += 8 + headerByteCount
        return start..<start + tensor.byteCount
    }

    /// Gives a late tensor, whose size is known now, its place behind the others.
    private func declareLate(_ name: TensorName, _ byteCount: Int) {
        let declaration = TensorDeclaration(name: name.text, type: .unsigned8, shape: [byteCount])
        indices[name] = slots.count
        slots.append(Slot(declaration: declaration, offset: dataByteCount, byteCount: byteCount))
        dataByteCount += byteCount
    }

    // MARK: - The end

    /// Whether every byte of every tensor was written.
    public var isComplete: Bool { late.isEmpty && slots.allSatisfy { $0.written == $0.byteCount } }

    /// Writes the header and gives the file its name.
    public func finish() throws(Failure) {
        guard isComplete else {
            let missing = slots.filter { $0.written != $0.byteCount }.map(\.declaration.name) + late.keys.map(\.text)
            fatalError("tensors were declared but not written: \(listed(missing))")
        }
        var header = Self.header(slots, metadata: metadata)
        header.append(contentsOf: repeatElement(0x20, count: headerByteCount - header.count))
        let length = withUnsafeBytes(of: UInt64(headerByteCount).littleEndian) { Array($0) }
        var failure: Failure?
        (length + header).withUnsafeBytes { buffer in
            do throws(Failure) { try output.write(buffer, at: 0) } catch { failure = error }
        }
        if let failure { throw failure }
        try output.commit()
    }

    private static func duplicate(_ name: String, _ path: String) -> Failure {
        Failure(.badData, "two tensors of one name would be written", at: .init(file: path, tensor: name))
    }

    private static func header(_ slots: [Slot], metadata: [(key: String, value: String)]) -> [UInt8] {
        var members: [(String, JSONValue)] = []
        if !metadata.isEmpty {
            members.append(("__metadata__", .object(JSONObject(metadata.map { ($0.key, .string($0.value)) }))))
        }
        for slot in slots {
            members.append(
                (
                    slot.declaration.name,
                    .object(
                        JSONObject([
                            ("dtype", .string(slot.declaration.type.rawValue)),
                            ("shape", .array(slot.declaration.shape.map(JSONValue.integer))),
                            ("data_offsets", .array([.integer(slot.offset), .integer(slot.offset + slot.byteCount)])),
                        ]))
                ))
        }
        return JSONWriter.compact.bytes(.object(JSONObject(members)))
    }
}
