import AdapterStore
import CZstd
import System

/// A container in memory, to be changed and given right hashes again.
struct ContainerBytes {
    private(set) var bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    static func word(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }

    private func field(_ offset: Int) -> Int {
        (0..<8).reduce(0) { $0 | Int(bytes[bytes.count - 80 + offset + $1]) << (8 * $1) }
    }

    var indexOffset: Int { field(0) }
    var indexByteCount: Int { field(16) }

    mutating func replace(_ offset: Int, with replacement: [UInt8]) {
        bytes.replaceSubrange(offset..<offset + replacement.count, with: replacement)
    }

    /// The bytes after a change, with the SHA-256 of what they are then.
    func sealed(_ change: (inout ContainerBytes) -> Void = { _ in }) -> [UInt8] {
        var copy = self
        change(&copy)
        var digest = SHA256()
        digest.update(Array(copy.bytes.dropLast(48)))
        copy.replace(copy.bytes.count - 48, with: digest.digest())
        return copy.bytes
    }

    /// The index as text.
    func index() throws(Failure) -> String {
        let frame = Array(bytes[indexOffset..<bytes.count - 80])
        let document = [UInt8](unsafeUninitializedCapacity: indexByteCount) { buffer, count in
            count = ZSTD_decompress(buffer.baseAddress, buffer.count, frame, frame.count)
        }
        return String(decoding: document, as: UTF8.self)
    }

    /// The file with another index, every length and hash made right.
    func rewriting(_ change: (String) throws -> String) throws -> [UInt8] {
        let document = Array(try change(try index()).utf8)
        guard let context = ZSTD_createCCtx() else { fatalError("no memory") }
        defer { ZSTD_freeCCtx(context) }
        for (parameter, value) in [
            (ZSTD_c_checksumFlag, 1 as Int32), (ZSTD_c_compressionLevel, 9), (ZSTD_c_windowLog, 20),
        ] {
            ZSTD_CCtx_setParameter(context, parameter, value)
        }
        let frame = [UInt8](unsafeUninitializedCapacity: ZSTD_compressBound(document.count)) { buffer, count in
            count = ZSTD_compress2(context, buffer.baseAddress, buffer.count, document, document.count)
        }
        var copy = ContainerBytes(Array(bytes[..<indexOffset]) + frame)
        copy.bytes +=
            Self.word(UInt64(indexOffset)) + Self.word(UInt64(frame.count)) + Self.word(UInt64(document.count))
        copy.bytes += Self.word(frame.withUnsafeBytes { XXH64.hash($0) }) + [UInt8](repeating: 0, count: 32)
        copy.bytes += Self.word(UInt64(copy.bytes.count + 16)) + Array("QLC.end\n".utf8)
        return copy.sealed()
    }

    /// Where the planes lie, in order.
    func planes() throws -> [Range<Int>] {
        let index = try JSONParser.parse(try index())
        return (index["groups"]?.array ?? []).flatMap { $0["planes"]?.array ?? [] }.map { plane in
            let parts = (plane.array ?? []).prefix(2).compactMap(\.integer)
            return parts[0]..<parts[0] + parts[1]
        }
    }

    /// Where the first plane lies that is a frame.
    func firstCodedPlane() throws -> Range<Int> {
        let index = try JSONParser.parse(try index())
        for group in index["groups"]?.array ?? [] {
            for plane in group["planes"]?.array ?? [] {
                let parts = (plane.array ?? []).prefix(3).compactMap(\.integer)
                if parts[1] < parts[2] { return parts[0]..<parts[0] + parts[1] }
            }
        }
        fatalError("no plane is coded")
    }

    /// The file with other bytes for a plane, which may be shorter, offsets and hashes made right.
    func replacingPlane(_ plane: Range<Int>, with replacement: [UInt8]) throws -> [UInt8] {
        let shift = replacement.count - plane.count
        var copy = self
        copy.bytes.replaceSubrange(plane, with: replacement)
        copy.replace(copy.bytes.count - 80, with: Self.word(UInt64(indexOffset + shift)))
        return try copy.rewriting { text in
            guard case .object(var index) = try JSONParser.parse(text), let groups = index["groups"]?.array else {
                fatalError("no index")
            }
            let changed = groups.map { group in
                guard case .object(var object) = group, let planes = object["planes"]?.array else { return group }
                object.set(
                    "planes",
                    .array(
                        planes.map { entry in
                            guard var parts = entry.array, let offset = parts[0].integer else { return entry }
                            if offset == plane.lowerBound {
                                parts[1] = .integer(replacement.count)
                                let digits = String(replacement.withUnsafeBytes { XXH64.hash($0) }, radix: 16)
                                parts[3] = .string(String(repeating: "0", count: 16 - digits.count) + digits)
                            } else if offset > plane.lowerBound {
                                parts[0] = .integer(offset + shift)
                            }
                            return .array(parts)
                        }))
                return .object(object)
            }
            index.set("groups", .array(changed))
            return JSONWriter.compact.string(.object(index))
        }
    }
}

extension [UInt8] {
    func replacing(_ offset: Int, with replacement: [UInt8]) -> [UInt8] {
        var copy = self
        copy.replaceSubrange(offset..<offset + replacement.count, with: replacement)
        return copy
    }
}

extension String {
    /// The text with the first occurrence of another replaced; nil if there is none.
    func replacingFirst(_ text: String, with replacement: String) -> String? {
        guard let range = firstRange(of: text) else { return nil }
        return replacingCharacters(range, replacement)
    }

    private func firstRange(of text: String) -> Range<String.Index>? { firstMatch(Array(utf8), Array(text.utf8)) }

    private func replacingCharacters(_ range: Range<String.Index>, _ replacement: String) -> String {
        self[..<range.lowerBound] + replacement + self[range.upperBound...]
    }

    private func firstMatch(_ bytes: [UInt8], _ text: [UInt8]) -> Range<String.Index>? {
        guard text.count <= bytes.count else { return nil }
        for start in 0...bytes.count - text.count where bytes[start..<start + text.count].elementsEqual(text) {
            let lower = utf8.index(utf8.startIndex, offsetBy: start)
            return lower..<utf8.index(lower, offsetBy: text.count)
        }
        return nil
    }

    /// Where the last occurrence of a text begins.
    func rangeOfLast(_ text: String) -> String.Index? {
        let bytes = Array(utf8), wanted = Array(text.utf8)
        for start in (0...bytes.count - wanted.count).reversed()
        where bytes[start..<start + wanted.count].elementsEqual(wanted) {
            return utf8.index(utf8.startIndex, offsetBy: start)
        }
        return nil
    }
}
