public import System

/// A tensor of a safetensors file: what the header says, checked.
public struct TensorEntry: Sendable {
    public let name: String
    public let type: TensorType
    public let shape: [Int]
    /// Offset in bytes from the start of the file. It may have any alignment.
    public let byteOffset: Int
    public let byteCount: Int

    /// Elements: the product of the shape, 1 for a scalar.
    public var elementCount: Int { shape.reduce(1, *) }
}

/// The header of a safetensors file, read strictly.
///
/// Stricter than the reference reader (0.8.0) in four points: a name may appear once, names are neither empty nor hold
/// a NUL, ranks end at 8, and there are at most 400,000 tensors (a mixture of 94 layers with 128 experts in 4 bits
/// has 220,000).
public struct SafetensorsHeader: Sendable {
    /// Largest header, the reference's bound.
    public static let maximumByteCount = 100_000_000
    public static let maximumTensorCount = 400_000
    public static let maximumRank = 8

    /// `__metadata__` in the order of the file.
    public let metadata: [(key: String, value: String)]
    /// In the order of their data, which fills the rest of the file without gaps.
    public let tensors: [TensorEntry]
    /// Offset of the first byte after the header.
    public let dataOffset: Int

    /// Reads and checks the header of a whole file.
    ///
    /// - Parameters:
    ///   - file: the bytes of the file; only those of the header are touched.
    ///   - path: for messages.
    /// - Throws: `Failure` of kind `badData` with file, tensor and byte offset.
    public init(_ file: UnsafeRawBufferPointer, path: String) throws(Failure) {
        guard file.count >= 8 else {
            throw Failure(
                .badData,
                "the file has \(file.count) bytes; a safetensors file begins with the 8-byte length of its header",
                at: .init(file: path))
        }
        let length = UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(Self.maximumByteCount) else {
            throw Failure(
                .badData, "the header claims \(length) bytes, more than the \(Self.maximumByteCount) that are allowed",
                at: .init(file: path, byteOffset: 0))
        }
        let byteCount = Int(length)
        guard byteCount > 0 else {
            throw Failure(.badData, "the header has no bytes", at: .init(file: path, byteOffset: 0))
        }
        guard byteCount <= file.count - 8 else {
            throw Failure(
                .badData, "the header claims \(byteCount) bytes but only \(file.count - 8) follow",
                at: .init(file: path, byteOffset: 0), remedy: "The file is cut short: fetch it again")
        }
        let bytes = UnsafeRawBufferPointer(rebasing: file[8..<8 + byteCount]).bindMemory(to: UInt8.self)
        let document: JSONValue
        do throws(Failure) {
            document = try JSONParser.parse(
                bytes, limits: .init(depth: 8, byteCount: Self.maximumByteCount), baseOffset: 8)
        } catch { throw error.inFile(path) }
        guard let object = document.object else {
            throw Failure(
                .badData, "the header holds \(document.kindName) where an object is expected",
                at: .init(file: path, byteOffset: 8))
        }
        dataOffset = 8 + byteCount
        var reader = HeaderReader(path: path, header: bytes, dataOffset: dataOffset)
        for (index, member) in object.members.enumerated() {
            if member.key.utf8.elementsEqual("__metadata__".utf8) {
                try reader.readMetadata(member.value, index: index)
            } else {
                try reader.readEntry(member, index: index)
            }
        }
        metadata = reader.metadata
        tensors = try reader.contiguousEntries(fileByteCount: file.count)
    }
}

/// Reads the members of a header one by one.
private struct HeaderReader {
    let path: String
    let header: UnsafeBufferPointer<UInt8>
    let dataOffset: Int
    var metadata: [(key: String, value: String)] = []
    private var entries: [(entry: TensorEntry, index: Int)] = []

    init(path: String, header: UnsafeBufferPointer<UInt8>, dataOffset: Int) {
        self.path = path
        self.header = header
        self.dataOffset = dataOffset
    }

    private func failure(_ what: String, tensor: String? = nil, field: String? = nil, index: Int) -> Failure {
        Failure(
            .badData, what,
            at: .init(file: path, tensor: tensor, byteOffset: 8 + offsetOfMember(index), field: field))
    }

    /// Offset in the header of the key of a top-level member. The header is known to be JSON. O(header), for messages.
    private func offsetOfMember(_ wanted: Int) -> Int {
        var depth = 0, members = -1, position = 0
        var expectsKey = false
        while position < header.count {
            switch header[position] {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                if depth == 1 { expectsKey = true }
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: ","): if depth == 1 { expectsKey = true }
            case UInt8(ascii: "\""):
                if depth == 1, expectsKey {
                    members += 1
                    if members == wanted { return position }
                    expectsKey = false
                }
                position += 1
                while position < header.count, header[position] != UInt8(ascii: "\"") {
                    position += header[position] == UInt8(ascii: "\\") ? 2 : 1
                }
            default: break
            }
            position += 1
        }
        return 0
    }

    mutating func readMetadata(_ value: JSONValue, index: Int) throws(Failure) {
        if value.isNull { return }
        guard let object = value.object else {
            throw failure(
                "holds \(value.kindName) where an object of strings is expected", field: "__metadata__", index: index)
        }
        for member in object.members {
            guard let text = member.value.string else {
                throw failure(
                    "holds \(member.value.kindName) where a string is expected", field: "__metadata__.\(member.key)",
                    index: index)
            }
            metadata.append((member.key, text))
        }
    }

    mutating func readEntry(_ member: JSONObject.Member, index: Int) throws(Failure) {
        let name = member.key
        guard !name.isEmpty else { throw failure("a tensor has an empty name", index: index) }
        guard !name.utf8.contains(0) else { throw failure("a tensor's name contains a NUL character", index: index) }
        guard entries.count < SafetensorsHeader.maximumTensorCount else {
            throw failure(
                "the file has more than \(SafetensorsHeader.maximumTensorCount) tensors", tensor: name, index: index)
        }
        guard let fields = member.value.object else {
            throw failure(
                "the entry is \(member.value.kindName) where an object with dtype, shape and data_offsets is expected",
                tensor: name, index: index)
        }
        let type = try readType(fields["dtype"], name: name, index: index)
        let shape = try readNumbers(fields["shape"], field: "shape", name: name, index: index)
        guard shape.count <= SafetensorsHeader.maximumRank else {
            throw failure(
                "the shape has \(shape.count) dimensions, more than the \(SafetensorsHeader.maximumRank) that are supported",
                tensor: name, field: "shape", index: index)
        }
        let offsets = try readNumbers(fields["data_offsets"], field: "data_offsets", name: name, index: index)
        guard offsets.count == 2 else {
            throw failure(
                "has \(offsets.count) numbers where begin and end are expected", tensor: name, field: "data_offsets",
                index: index)
        }
        guard offsets[0] <= offsets[1] else {
            throw failure(
                "the data end at \(offsets[1]), before they begin at \(offsets[0])", tensor: name,
                field: "data_offsets",
                index: index)
        }
        let (begin, overflow) = dataOffset.addingReportingOverflow(offsets[0])
        guard !overflow else {
            throw failure("the data begin beyond any file", tensor: name, field: "data_offsets", index: index)
        }
        var bits = type.bitCount
        for extent in shape {
            let (product, overflow) = bits.multipliedReportingOverflow(by: extent)
            guard !overflow else {
                throw failure(
                    "the shape \(shape) has more elements than memory can hold", tensor: name, field: "shape",
                    index: index)
            }
            bits = product
        }
        guard bits % 8 == 0 else {
            throw failure(
                "\(bits) bits of \(type.rawValue) do not fill whole bytes", tensor: name, field: "shape", index: index)
        }
        guard bits / 8 == offsets[1] - offsets[0] else {
            throw failure(
                "\(type.rawValue) \(shape) takes \(bits / 8) bytes, but the data have \(offsets[1] - offsets[0])",
                tensor: name, field: "data_offsets", index: index)
        }
        entries.append(
            (
                TensorEntry(name: name, type: type, shape: shape, byteOffset: begin, byteCount: bits / 8), index
            ))
    }

    private func readType(_ value: JSONValue?, name: String, index: Int) throws(Failure) -> TensorType {
        guard let value else { throw failure("the field is missing", tensor: name, field: "dtype", index: index) }
        guard let text = value.string else {
            throw failure(
                "holds \(value.kindName) where a string is expected", tensor: name, field: "dtype", index: index)
        }
        guard let type = TensorType(rawValue: text) else {
            throw failure("unknown element type \"\(text)\"", tensor: name, field: "dtype", index: index)
        }
        return type
    }

    private func readNumbers(_ value: JSONValue?, field: String, name: String, index: Int) throws(Failure) -> [Int] {
        guard let value else { throw failure("the field is missing", tensor: name, field: field, index: index) }
        guard let elements = value.array else {
            throw failure(
                "holds \(value.kindName) where an array is expected", tensor: name, field: field, index: index)
        }
        var numbers: [Int] = []
        for element in elements {
            guard case .number(let number) = element else {
                throw failure(
                    "holds \(element.kindName) where an integer is expected", tensor: name, field: field, index: index)
            }
            guard !number.text.hasPrefix("-") else {
                throw failure("the number \(number.text) is negative", tensor: name, field: field, index: index)
            }
            guard number.text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
                throw failure(
                    "the number \(number.text) is not written as an integer", tensor: name, field: field, index: index)
            }
            guard let integer = number.integer else {
                throw failure(
                    "the number \(number.text) does not fit 63 bits", tensor: name, field: field, index: index)
            }
            numbers.append(integer)
        }
        return numbers
    }

    /// The entries in the order of their data, which must follow each other without hole or overlap up to the end.
    func contiguousEntries(fileByteCount: Int) throws(Failure) -> [TensorEntry] {
        let sorted = entries.sorted {
            ($0.entry.byteOffset, $0.entry.byteCount, $0.index) < ($1.entry.byteOffset, $1.entry.byteCount, $1.index)
        }
        var end = dataOffset
        for (entry, _) in sorted {
            guard entry.byteOffset == end else {
                let what =
                    entry.byteOffset > end
                    ? "a hole of \(entry.byteOffset - end) bytes lies before the data"
                    : "the data begin \(end - entry.byteOffset) bytes inside those of another tensor"
                throw Failure(
                    .badData, what, at: .init(file: path, tensor: entry.name, byteOffset: min(end, entry.byteOffset)))
            }
            // No overflow: begin + count was the difference of two checked offsets.
            let (next, overflow) = end.addingReportingOverflow(entry.byteCount)
            guard !overflow, next <= fileByteCount else {
                throw Failure(
                    .badData,
                    "the data end at byte \(overflow ? Int.max : next), but the file has \(fileByteCount) bytes",
                    at: .init(file: path, tensor: entry.name, byteOffset: entry.byteOffset),
                    remedy: "The file is cut short: fetch it again")
            }
            end = next
        }
        guard end == fileByteCount else {
            throw Failure(
                .badData, "\(fileByteCount - end) bytes after the last tensor belong to none",
                at: .init(file: path, byteOffset: end))
        }
        return sorted.map(\.entry)
    }
}
