/// A part of a stored tensor that is taken for a tensor of its own: elements that lie together.
package struct TensorSlice: Sendable {
    /// The name that the part gets.
    package let name: String
    package let source: StoredTensor
    /// Its first element in the source.
    package let start: Int
    package let shape: [Int]

    /// - Parameter shape: with `start`, within the source.
    package init(name: String, source: StoredTensor, start: Int, shape: [Int]) {
        guard start >= 0, start + shape.reduce(1, *) <= source.elementCount else {
            fatalError("a slice of \(source.name) reaches beyond its end")
        }
        self.name = name
        self.source = source
        self.start = start
        self.shape = shape
    }

    /// The part with its bytes in place in the file.
    var tensor: StoredTensor {
        let width = source.byteCount / max(1, source.elementCount)
        return StoredTensor(
            entry: TensorEntry(
                name: name, type: source.type, shape: shape, byteOffset: source.entry.byteOffset + start * width,
                byteCount: shape.reduce(1, *) * width), file: source.file)
    }
}
