internal import AdapterStore
internal import Kernels
internal import System

extension Inspect {
    /// A checkpoint of a run: its header, its tensors and what they take. Opening it reads it whole and checks the
    /// SHA-256 of the file; `--verify` decodes every tensor and checks its own.
    func inspectCheckpoint(_ console: Console) throws -> InspectionReport {
        let codec = CheckpointCodec(
            kernels: KernelTable(try InstructionSet.selected()),
            pool: WorkerPool(threadCount: common.threads ?? ProcessorInfo.defaultThreadCount))
        let file = try CheckpointFile(path, codec: codec)
        if verify { try file.verify() }
        var report = InspectionReport(kind: "checkpoint", path: path, isVerified: verify)
        report.add("step", file.header["step"] ?? .null)
        report.add("header", .object(file.header))
        if let step = file.header["step"]?.integer { report.line("step \(step)") }
        for member in file.header.members where member.key != "step" {
            report.line("\(member.key): \(Self.shortened(JSONWriter.compact.string(member.value)))")
        }
        report.add("roles", .array(Self.roles(file).map { Self.add($0, to: &report) }))
        report.add("bytes", .integer(file.byteCount))
        report.add("raw_bytes", .integer(file.rawByteCount))
        report.add("ratio", .double(Self.ratio(file.rawByteCount, file.byteCount)))
        report.add("sha256", .string(file.sha256))
        report.add("tensors", .array(file.streams.map { Self.add($0, of: file, to: &report) }))
        report.line(
            "\(file.streams.count) tensors, \(ByteText.text(file.rawByteCount)) in \(ByteText.text(file.byteCount)), "
                + "ratio \(Self.text(Self.ratio(file.rawByteCount, file.byteCount)))")
        report.line("SHA-256 \(file.sha256)")
        return report
    }

    /// The tensors of one role, together.
    private struct RoleTotal {
        let role: StreamRole
        var tensorCount = 0
        var elementCount = 0
        var codedByteCount = 0

        var byteCount: Int { elementCount * MemoryLayout<Float>.size }
    }

    private static func roles(_ file: CheckpointFile) -> [RoleTotal] {
        var totals: [RoleTotal] = []
        for stream in file.streams {
            let place = totals.firstIndex { $0.role == stream.role } ?? totals.count
            if place == totals.count { totals.append(RoleTotal(role: stream.role)) }
            totals[place].tensorCount += 1
            totals[place].elementCount += stream.count
            totals[place].codedByteCount += stream.codedByteCount
        }
        return totals
    }

    private static func add(_ total: RoleTotal, to report: inout InspectionReport) -> JSONValue {
        let ratio = ratio(total.byteCount, total.codedByteCount)
        report.line(
            "role \(total.role.rawValue): \(total.tensorCount) tensors, \(total.elementCount) elements, "
                + "\(ByteText.text(total.codedByteCount)), ratio \(text(ratio))")
        return .object(
            JSONObject([
                ("role", .string(total.role.rawValue)), ("tensors", .integer(total.tensorCount)),
                ("elements", .integer(total.elementCount)), ("raw_bytes", .integer(total.byteCount)),
                ("coded_bytes", .integer(total.codedByteCount)), ("ratio", .double(ratio)),
            ]))
    }

    private static func add(
        _ stream: StreamDescription, of file: CheckpointFile, to report: inout InspectionReport
    ) -> JSONValue {
        var members: [(String, JSONValue)] = [
            ("name", .string(stream.name)), ("role", .string(stream.role.rawValue)), ("type", .string("F32")),
            ("shape", .array(stream.shape.map(JSONValue.integer))),
            ("transform", .string(stream.transform.rawValue)), ("bytes", .integer(stream.byteCount)),
            ("coded_bytes", .integer(stream.codedByteCount)), ("sha256", .string(stream.sha256)),
        ]
        var line = "  \(stream.name)  \(stream.role.rawValue) \(stream.shape)  \(ByteText.text(stream.codedByteCount))"
        if let original = stream.copyOf {
            let other = file.streams[original]
            members.append(
                (
                    "same_as",
                    .object(JSONObject([("name", .string(other.name)), ("role", .string(other.role.rawValue))]))
                ))
            line += "  same as \(other.name) \(other.role.rawValue)"
        }
        report.line(line)
        return .object(JSONObject(members))
    }

    /// Raw bytes for each coded one; 0 where nothing is coded.
    private static func ratio(_ rawByteCount: Int, _ codedByteCount: Int) -> Double {
        codedByteCount > 0 ? Double(rawByteCount) / Double(codedByteCount) : 0
    }

    private static func text(_ ratio: Double) -> String { NumberText.fixed(ratio, digits: 3) }

    /// A value of the header, short enough for a line.
    private static func shortened(_ text: String) -> String { text.count > 200 ? text.prefix(200) + "…" : text }
}
