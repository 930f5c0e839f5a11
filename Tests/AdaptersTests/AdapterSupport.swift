import Adapters
import Foundation
import System
import Testing

/// What `tools/fixtures/peft_adapters.py` wrote.
enum PEFTFixture {
    static func path(_ name: String, file: StaticString = #filePath) -> String {
        URL(fileURLWithPath: "\(file)").deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)").path
    }

    static func json(_ name: String = "peft.json") throws -> JSONValue { try FileReader.readJSON(path(name)) }

    /// The linears of the small model that the adapters were made for.
    static func sites() throws -> [AdapterSite] {
        try #require(try json()["sites"]?.array).map { site in
            let values = try #require(site.array)
            return AdapterSite(
                path: try #require(values[0].string), inputs: try #require(values[1].integer),
                outputs: try #require(values[2].integer))
        }
    }
}

extension JSONValue {
    var strings: [String] { array?.compactMap(\.string) ?? [] }
}

/// Real files shared beside the repository, where they are.
enum SharedData {
    static func path(_ name: String, file: StaticString = #filePath) -> String {
        URL(fileURLWithPath: "\(file)").deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("shared/data/\(name)").path
    }

    static let hasAdapters = FileSystem.isDirectory(path("adapters/configs"))
}

/// A folder that is removed with the object.
final class AdapterFolder {
    let path = NSTemporaryDirectory() + "adapters-\(UUID().uuidString)"

    init(copyOf fixture: String? = nil) throws {
        if let fixture {
            try FileManager.default.copyItem(atPath: PEFTFixture.path(fixture), toPath: path)
        } else {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var configuration: String { path + "/adapter_config.json" }
    var weights: String { path + "/adapter_model.safetensors" }

    /// Sets keys of the configuration; nil removes one.
    func edit(_ changes: [String: JSONValue?]) throws {
        var object = try FileReader.readJSONObject(configuration)
        for (key, value) in changes {
            if let value { object.set(key, value) } else { object.remove(key) }
        }
        try AtomicFile.write(JSONWriter.pretty.bytes(.object(object)), to: configuration)
    }

    /// The message with the folder's path left out.
    func message(_ failure: Failure?) -> String {
        (failure?.description ?? "accepted").replacingOccurrences(of: path + "/", with: "")
            .replacingOccurrences(of: path, with: "DIR")
    }
}
