import Datasets
import Foundation
import System
import Testing

/// Files of a test, removed with it.
final class DataFolder {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("datasets-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ bytes: [UInt8], _ name: String = "rows.jsonl") throws -> String {
        let file = "\(path)/\(name)"
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }

    func write(_ text: String, _ name: String = "rows.jsonl") throws -> String { try write(Array(text.utf8), name) }
}

/// Three bytes of text are a token, whose id is the first of them; a token without text of id 1 comes first.
struct ThreeByteTokenizer: RowTokenizer {
    func encodeRow(_ text: String, addSpecialTokens: Bool) throws(Failure) -> EncodedText {
        let bytes = Array(text.utf8)
        var encoded = EncodedText(ids: addSpecialTokens ? [1] : [], spans: addSpecialTokens ? [0..<0] : [])
        for start in stride(from: 0, to: bytes.count, by: 3) {
            encoded.ids.append(Int32(bytes[start]))
            encoded.spans.append(start..<min(start + 3, bytes.count))
        }
        return encoded
    }
}

extension RowEncoder {
    /// With the tokenizer above, end token 2 and 256 ids.
    static let test = RowEncoder(tokenizer: ThreeByteTokenizer(), endToken: 2, vocabularySize: 256)
}

/// Reads text as a data file.
func load(
    _ text: String, name: String = "rows.jsonl", encoder: RowEncoder = .test,
    _ change: (inout DatasetOptions) throws -> Void = { _ in }
) throws -> Dataset {
    let folder = try DataFolder()
    var options = DatasetOptions()
    try change(&options)
    return try Dataset.load(files: [try folder.write(text, name)], options: options, encoder: encoder)
}

/// The message of a data file that is refused, without the path of its folder.
func refusal(
    of text: String, name: String = "rows.jsonl", encoder: RowEncoder = .test,
    _ change: (inout DatasetOptions) throws -> Void = { _ in }
) throws -> String {
    let folder = try DataFolder()
    var options = DatasetOptions()
    try change(&options)
    let file = try folder.write(text, name)
    do {
        _ = try Dataset.load(files: [file], options: options, encoder: encoder)
        return "accepted"
    } catch {
        return error.description.replacingOccurrences(of: folder.path + "/", with: "")
    }
}

func fixture(_ name: String, file: StaticString = #filePath) -> String {
    URL(fileURLWithPath: "\(file)").deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)").path
}
