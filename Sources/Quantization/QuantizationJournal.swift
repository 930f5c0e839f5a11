internal import QuantFormats
internal import System

/// What a quantization has written so far, tensor by tensor with their hashes, so that another process can go on.
///
/// A file of lines, each the XXH64 of a JSON text and the text: first what the work depends on, then an entry for each
/// tensor behind its last byte. Nothing is believed of it but that the bytes of a tensor with this hash are right: lines
/// and data may be lost in any order.
final class QuantizationJournal {
    private static let fileName = "journal"
    /// Lines of half a million tensors.
    private static let byteLimit = 1 << 30

    private let path: String
    private let operations: any FileOperations
    private let descriptor: Int32
    private var byteCount = 0
    private var entries: [String: QuantizationReport.Tensor] = [:]

    /// Opens the journal of a directory, or begins it.
    ///
    /// - Parameter job: what the work depends on.
    /// - Throws: `usage` where the journal is that of another job, naming what changed.
    init(_ directory: String, job: QuantizationJob, operations: any FileOperations) throws(Failure) {
        path = FileSystem.join(directory, Self.fileName)
        self.operations = operations
        var lines: [JSONValue] = []
        if FileSystem.linkStatus(path) != nil {
            let bytes = try FileReader.read(path, limit: Self.byteLimit, followsLink: false)
            (lines, byteCount) = Self.lines(bytes)
        }
        if let first = lines.first, let former = QuantizationJob(first) {
            try job.checkSame(as: former, place: directory)
            for line in lines.dropFirst() {
                if let tensor = Self.tensor(line) { entries[tensor.name] = tensor }
            }
        } else {
            byteCount = 0
        }
        do throws(SystemError) {
            descriptor = try operations.open(path)
        } catch { throw error.outputFailure("open the file", path, neededByteCount: nil) }
        do throws(SystemError) {
            // A line that was cut off goes.
            try operations.truncate(descriptor, to: byteCount)
        } catch {
            operations.close(descriptor)
            throw error.outputFailure("write the file", path, neededByteCount: nil)
        }
        if byteCount == 0 { try append(job.json) }
    }

    deinit { operations.close(descriptor) }

    /// Tensors that are said to be written.
    var tensors: [QuantizationReport.Tensor] { Array(entries.values) }

    /// The entry of a tensor.
    subscript(_ name: String) -> QuantizationReport.Tensor? { entries[name] }

    /// Says that a tensor is written. Nothing is durable until `synchronize`.
    func append(_ tensor: QuantizationReport.Tensor) throws(Failure) {
        try append(
            JSONObject([("tensor", .object(tensor.json)), ("sums", tensor.error.map(\.json) ?? .null)]))
    }

    /// Makes the lines durable; the data they speak of must be.
    func synchronize() throws(Failure) {
        do throws(SystemError) {
            try operations.synchronize(descriptor)
        } catch { throw error.outputFailure("make the file durable", path, neededByteCount: nil) }
    }

    private func append(_ object: JSONObject) throws(Failure) {
        let text = JSONWriter.compact.bytes(.object(object))
        let line = Array(Self.hash(text[...]).utf8) + [0x20] + text + [0x0A]
        var failure: Failure?
        line.withUnsafeBytes { bytes in
            do throws(SystemError) {
                try operations.write(descriptor, bytes, at: byteCount)
            } catch { failure = error.outputFailure("write the file", path, neededByteCount: nil) }
        }
        if let failure { throw failure }
        byteCount += line.count
    }

    // MARK: - Reading

    /// The hash of a line's text: 16 hexadecimal digits.
    private static func hash(_ text: ArraySlice<UInt8>) -> String {
        let digits = String(text.withUnsafeBytes { XXH64.hash($0) }, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// The lines up to the first that is not whole, and the bytes they take.
    private static func lines(_ bytes: [UInt8]) -> ([JSONValue], Int) {
        var lines: [JSONValue] = [], start = 0
        while let end = bytes[start...].firstIndex(of: 0x0A) {
            guard end - start > 17, bytes[start + 16] == 0x20 else { break }
            let text = bytes[start + 17..<end]
            guard Array(hash(text).utf8) == Array(bytes[start..<start + 16]),
                let line = try? JSONParser.parse(Array(text))
            else { break }
            lines.append(line)
            start = end + 1
        }
        return (lines, start)
    }

    private static func tensor(_ line: JSONValue) -> QuantizationReport.Tensor? {
        guard let tensor = line["tensor"], let sums = line["sums"] else { return nil }
        if sums.isNull { return QuantizationReport.Tensor(tensor, error: nil) }
        return QuantizationError(sums).flatMap { QuantizationReport.Tensor(tensor, error: $0) }
    }
}
