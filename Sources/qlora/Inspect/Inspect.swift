internal import Adapters
internal import ArgumentParser
internal import ModelFiles
internal import Quantization
internal import System

/// `qlora inspect`: says what a directory or file is.
struct Inspect: VerbCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what a model, an adapter, a checkpoint of a run or a safetensors file is.",
        discussion: """
            Shows architecture, tensors, formats and bytes from the headers alone, and the hashes of the quantization \
            report where there is one. --verify reads everything: weights must be finite and equal the report's hashes,
            every tensor of a checkpoint its own.

            EXAMPLE:
              qlora inspect SmolLM2-135M-nf4 --verify
            """)

    @Argument(
        help: ArgumentHelp("A model or adapter directory, a .safetensors file or a .qckpt file.", valueName: "path"))
    var path: String

    @Flag(help: "Read and check everything. (default: only configurations and headers)")
    var verify = false

    @OptionGroup(title: "Common") var common: CommonOptions

    func run(console: Console) throws {
        Signals.install()
        guard let kind = InspectionKind.all.first(where: { $0.matches(path) }) else {
            fatalError("the last kind of inspection takes everything")
        }
        let report = try kind.report(self, console)
        try console.result(json: report.json, text: report.text)
    }

    /// The hashes of all tensors, where they were asked for or a report has them.
    private func hashes(_ checkpoint: Checkpoint, console: Console) throws -> [String: String] {
        let expected = FileSystem.isDirectory(path) ? try StoredHashes(directory: path) : nil
        guard verify else { return expected?.sha256 ?? [:] }
        let bar = console.progress("verify, MiB", total: checkpoint.byteCount >> 20)
        defer { bar.finish() }
        return try StoredVerification.hashes(
            checkpoint, expected: expected, reportFile: FileSystem.join(path, QuantizationReport.fileName),
            progress: { bar.update(to: $0 >> 20) })
    }

    func inspectFile(_ console: Console) throws -> InspectionReport {
        let checkpoint = try Checkpoint(file: path)
        let hashes = try hashes(checkpoint, console: console)
        var report = InspectionReport(kind: "safetensors", path: path, isVerified: verify)
        let metadata = checkpoint.files.flatMap(\.header.metadata)
        report.add("metadata", .object(JSONObject(metadata.map { ($0.key, .string($0.value)) })))
        for (key, value) in metadata { report.line("metadata \(key): \(value)") }
        try report.addTensors(of: checkpoint, hashes: hashes)
        return report
    }

    func inspectAdapter(_ console: Console) throws -> InspectionReport {
        let configuration = try AdapterDirectory.configuration(path)
        let weights = FileSystem.join(path, AdapterDirectory.weightsFileName)
        if verify { try configuration.requireSupported(file: FileSystem.join(path, AdapterConfiguration.fileName)) }
        let checkpoint = try Checkpoint(file: weights)
        let hashes = try hashes(checkpoint, console: console)
        var report = InspectionReport(kind: "adapter", path: path, isVerified: verify)
        let ranks = configuration.ranks
        let targets: [String] =
            switch configuration.targets {
            case .names(let names): names
            case .pattern(let pattern): ["/\(pattern)/"]
            case nil: []
            }
        report.add("base_model", configuration.baseModel.map(JSONValue.string) ?? .null)
        report.add("rank", .integer(ranks.rank))
        report.add("alpha", .double(ranks.alpha))
        report.add("rslora", .bool(ranks.isRankStabilized))
        report.add("dropout", .double(configuration.dropout))
        report.add("targets", .array(targets.map(JSONValue.string)))
        report.add("unsupported", .array(configuration.unsupported.map(JSONValue.string)))
        report.line(
            "LoRA of rank \(ranks.rank), alpha \(ranks.alpha)\(ranks.isRankStabilized ? ", rank-stabilized" : "")")
        report.line("base: \(configuration.baseModel ?? "not named")")
        report.line("targets: \(targets.isEmpty ? "not named" : targets.joined(separator: ", "))")
        if !configuration.unsupported.isEmpty {
            report.line("not supported: \(configuration.unsupported.joined(separator: ", "))")
        }
        try report.addTensors(of: checkpoint, hashes: hashes)
        return report
    }

    func inspectModel(_ console: Console) throws -> InspectionReport {
        let inspection = try ModelInspection(ModelDirectory(path))
        let hashes = try hashes(inspection.model.checkpoint, console: console)
        var report = InspectionReport(kind: "model", path: path, isVerified: verify)
        try report.describe(inspection, identity: verify ? inspection.model.identity() : nil, hashes: hashes)
        return report
    }
}
