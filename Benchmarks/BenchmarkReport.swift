internal import Kernels
internal import System

/// What a benchmark found, for people on standard output and for `--json=FILE`.
struct BenchmarkReport {
    private var rows: [JSONValue] = []
    private let fields: [(String, JSONValue)]

    init(subject: String, instructionSet: InstructionSet, threads: Int) {
        fields = [
            ("subject", .string(subject)), ("machine", .string(ProcessorInfo.current.modelName)),
            ("cores", .integer(ProcessorInfo.current.coreCount)),
            ("instruction_set", .string(instructionSet.rawValue)), ("threads", .integer(threads)),
        ]
    }

    mutating func add(_ row: [(String, JSONValue)]) { rows.append(.object(JSONObject(row))) }

    func write(to path: String?) throws(Failure) {
        guard let path else { return }
        let document = JSONValue.object(JSONObject(fields + [("results", .array(rows))]))
        try AtomicFile.write(JSONWriter.pretty.bytes(document) + [0x0A], to: path)
    }
}

extension JSONValue {
    /// A measured number, with four significant digits.
    static func measured(_ value: Double) -> JSONValue {
        guard value.isFinite, value != 0 else { return .double(0) }
        var scale = 1.0
        while abs(value) * scale < 1000 { scale *= 10 }
        return .double((value * scale).rounded() / scale)
    }
}
