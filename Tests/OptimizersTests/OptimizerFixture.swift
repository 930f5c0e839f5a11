import Foundation
import System
import Testing

/// The values that `tools/fixtures/optimizers.py` wrote.
enum OptimizerFixture {
    static func load(file: StaticString = #filePath) throws -> JSONValue {
        let url = URL(fileURLWithPath: "\(file)").deletingLastPathComponent()
            .appendingPathComponent("Fixtures/optimizers.json")
        return try JSONParser.parse([UInt8](Data(contentsOf: url)))
    }
}
