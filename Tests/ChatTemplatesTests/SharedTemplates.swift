import System
import TestSupport
@_exported import Testing

/// Real templates with what transformers renders, beside the repository, where they are there.
enum SharedTemplates {
    static let file = Fixtures.packageRoot() + "/../shared/data/chat-templates/renderings.jsonl"
    static let isPresent = FileSystem.status(file) != nil

    struct Rendering {
        let name: String
        let template: String
        let context: JSONObject
        /// The text, or the error that was raised.
        let text: String?
        let error: String?
    }

    static func load() throws -> [Rendering] {
        try FileReader.readText(file).split(separator: "\n").map { line in
            let row = try JSONParser.parse(String(line))
            return Rendering(
                name: row["name"]?.string ?? "", template: row["template"]?.string ?? "",
                context: row["context"]?.object ?? JSONObject(), text: row["text"]?.string,
                error: row["error"]?.string)
        }
    }
}
