internal import ModelFiles
internal import System
internal import Tensors

/// Gathers the logits of rows for `evaluate --logits`: for comparisons with other programs, on small models.
struct LogitsCollector {
    private let vocabularySize: Int
    private var rows: [Int: [Float]] = [:]

    init(_ vocabularySize: Int) { self.vocabularySize = vocabularySize }

    /// Adds the logits [m, V] of consecutive positions of a row; they come in order.
    mutating func add(_ logits: FloatMatrix, _ row: Int, _ positions: [Int]) {
        for index in 0..<logits.rows {
            rows[row, default: []] += UnsafeBufferPointer(start: logits.row(index), count: vocabularySize)
        }
    }

    /// Writes a float32 tensor `row.N` [T, V] for each row.
    func write(to path: String) throws(Failure) {
        let tensors = rows.sorted { $0.key < $1.key }.map { row, values in
            TensorDeclaration(
                name: "row.\(row)", type: .float32, shape: [values.count / vocabularySize, vocabularySize])
        }
        let writer = try SafetensorsWriter(path, tensors: tensors)
        for (row, values) in rows {
            let result = values.withUnsafeBytes { bytes in
                Result { () throws(Failure) in try writer.write("row.\(row)", bytes) }
            }
            try result.get()
        }
        try writer.finish()
    }
}
