import Datasets
import Foundation
import System
import Testing

struct InputTests {
    static let ids: [[Int32]] = [[1, 2], [3, 4], [5, 6]]

    @Test(arguments: [
        "{\"input_ids\":[1,2]}\n{\"input_ids\":[3,4]}\n{\"input_ids\":[5,6]}\n",
        "{\"input_ids\":[1,2]}\n{\"input_ids\":[3,4]}\n{\"input_ids\":[5,6]}",
        "\u{FEFF}{\"input_ids\":[1,2]}\r\n\r\n{\"input_ids\":[3,4]}\r\n   \n{\"input_ids\":[5,6]}\r\n",
        "[{\"input_ids\":[1,2]},{\"input_ids\":[3,4]},{\"input_ids\":[5,6]}]",
        "\u{FEFF}\n [\n  {\"input_ids\":\n[1,2]} ,\r\n {\"x\":\"]},{\\\\\\\"[\",\"input_ids\":[3,4]}\n,{\"input_ids\":[5,6]}\n]\n",
    ])
    func linesAndArrays(text: String) throws {
        #expect(try load(text).rows.map(\.ids) == Self.ids)
    }

    @Test func linesOfAnArrayAreCounted() throws {
        #expect(try load("[\n{\"input_ids\":[1,2]},\n\n{\"input_ids\":\n[3,4]}]").rows.map(\.sourceLine) == [2, 4])
    }

    /// Rows across the edges of the reader's buffer of 256 KiB.
    @Test func longRowsAndManyRows() throws {
        for length in [1_000, 262_144, 600_000] {
            let long = String(repeating: "a", count: length)
            let lines = (0..<3).map { _ in "{\"text\":\"\(long)\"}" }
            for text in [lines.joined(separator: "\n"), "[" + lines.joined(separator: ",") + "]"] {
                let data = try load(text)
                #expect(data.rows.map(\.ids.count) == Array(repeating: (length + 2) / 3 + 2, count: 3))
            }
        }
        let many = (0..<30_000).map { "{\"input_ids\":[\($0 % 256),7]}" }.joined(separator: "\n")
        #expect(try load(many).rows.map { $0.ids[0] } == (0..<30_000).map { Int32($0 % 256) })
    }

    @Test func framesOfZstd() throws {
        let data = try Dataset.load(files: [fixture("rows.jsonl.zst")], options: DatasetOptions(), encoder: .test)
        #expect(data.rows.map(\.ids) == [[1, 2, 3], [4, 5, 6], [7, 8]])
        #expect(data.rows.map(\.sourceLine) == [1, 2, 4])
    }

    /// Files are hashed as they are read, compressed ones as they lie on the disk.
    @Test func digestsAreThoseOfTheFiles() throws {
        let folder = try DataFolder()
        let files = [
            try folder.write("\u{FEFF}{\"input_ids\":[1,2]}\r\n\n{\"input_ids\":[3,4]}\n\n", "lines.jsonl"),
            fixture("rows.jsonl.zst"), try folder.write(" [{\"input_ids\":[1,2]}\n]\n \n", "array.json"),
            try folder.write(String(repeating: "{\"input_ids\":[1,2]}\n", count: 30_000), "many.jsonl"),
        ]
        var options = DatasetOptions()
        #expect(try Dataset.load(files: files, options: options, encoder: .test).summary.digests.isEmpty)
        options.hashesFiles = true
        let data = try Dataset.load(files: files, options: options, encoder: .test)
        #expect(try data.summary.digests == files.map { try FileDigest.hex($0) })
    }

    private func zstdRefusal(_ bytes: [UInt8], _ change: (inout DatasetOptions) -> Void = { _ in }) throws -> String {
        let folder = try DataFolder()
        let file = try folder.write(bytes, "rows.jsonl.zst")
        var options = DatasetOptions()
        change(&options)
        do {
            _ = try Dataset.load(files: [file], options: options, encoder: .test)
            return "accepted"
        } catch {
            return error.description.replacingOccurrences(of: folder.path + "/", with: "")
        }
    }

    @Test func hostileZstd() throws {
        func bytes(_ name: String) throws -> [UInt8] {
            [UInt8](try Data(contentsOf: URL(fileURLWithPath: fixture(name))))
        }
        let window = try zstdRefusal(bytes("window-2GiB.zst"))
        #expect(window.contains("Frame requires too much memory for decoding. Compress it again"), "\(window)")
        let claim = try zstdRefusal(bytes("claims-2-to-60.zst"))
        #expect(claim.contains("rows.jsonl.zst"), "\(claim)")
        #expect(claim != "accepted")
        let bomb = try zstdRefusal(bytes("zeros-8MiB.zst")) { $0.limits.decodedByteCount = 1 << 20 }
        #expect(
            bomb == "rows.jsonl.zst: the zstd data holds more than the 1048576 bytes accepted for one file. "
                + "Decompress it and check what it is.")
        #expect(try zstdRefusal(bytes("zeros-8MiB.zst")) == "rows.jsonl.zst: the file holds no rows. Check the path.")
        let whole = try bytes("rows.jsonl.zst")
        #expect(
            try zstdRefusal(Array(whole.dropLast(3)))
                == "rows.jsonl.zst: byte \(whole.count - 3): the zstd data ends inside a frame. "
                + "Copy the file again: its end is missing.")
        var damaged = whole
        damaged[damaged.count - 2] ^= 1
        #expect(
            try zstdRefusal(damaged).contains("the zstd data cannot be decoded: Restored data doesn't match checksum"))
        #expect(try zstdRefusal(Array("{}".utf8)).contains("rows.jsonl.zst"))
        #expect(try zstdRefusal([]) == "rows.jsonl.zst: the file holds no rows. Check the path.")
    }

    @Test func otherCompressionsAreNamed() throws {
        let folder = try DataFolder()
        let file = try folder.write([0x1F, 0x8B, 8, 0], "rows.jsonl.gz")
        let failure = #expect(throws: Failure.self) {
            try Dataset.load(files: [file], options: DatasetOptions(), encoder: .test)
        }
        #expect(failure?.kind == .unsupported)
        #expect(failure?.what == "the file is compressed with gzip, which is not supported as data")
    }

    @Test func severalFilesInOrder() throws {
        let folder = try DataFolder()
        let files = [try folder.write("{\"input_ids\":[1,2]}", "a"), try folder.write("{\"input_ids\":[3,4]}", "b")]
        let data = try Dataset.load(files: files, options: DatasetOptions(), encoder: .test)
        #expect(data.rows.map(\.ids) == [[1, 2], [3, 4]])
        #expect(data.rows.map(\.sourceFile) == [0, 1])
    }
}
