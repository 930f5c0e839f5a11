import System

/// Places of test data.
enum Fixture {
    /// `Fixtures` beside this file.
    static func path(_ name: String) -> String {
        FileSystem.join(FileSystem.join(FileSystem.parent(#filePath), "Fixtures"), name)
    }

    /// Data beside the package's directory, absent from most machines.
    static func shared(_ name: String) -> String {
        let package = FileSystem.parent(FileSystem.parent(FileSystem.parent(#filePath)))
        return FileSystem.join(FileSystem.parent(package), "shared/data/\(name)")
    }

    /// The bytes of hexadecimal text.
    static func bytes(hexadecimal text: String) -> [UInt8] {
        let digits = Array(text.utf8)
        return stride(from: 0, to: digits.count - 1, by: 2).map { index in
            UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16) ?? 0
        }
    }

    /// A whole safetensors file of a header text and as many data bytes.
    static func safetensors(_ header: String, data: Int) -> [UInt8] {
        safetensors(header: Array(header.utf8), data: [UInt8](repeating: 0, count: data))
    }

    static func safetensors(header: [UInt8], data: [UInt8]) -> [UInt8] {
        withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header + data
    }
}

extension Fixture {
    /// The two bytes of a number, lowest first.
    static func bytes(_ number: UInt16) -> [UInt8] { [UInt8(number & 0xFF), UInt8(number >> 8)] }
}
