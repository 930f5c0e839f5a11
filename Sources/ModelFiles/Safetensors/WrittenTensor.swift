/// A tensor of a file that is being written, as a former process says that it wrote it.
package struct WrittenTensor: Sendable {
    package let name: String
    package let byteCount: Int
    /// Of the bytes, in hexadecimal digits.
    package let sha256: String

    package init(name: String, byteCount: Int, sha256: String) {
        self.name = name
        self.byteCount = byteCount
        self.sha256 = sha256
    }
}
