internal import DecoderModels
internal import Kernels
internal import Measurement
internal import ModelFiles
internal import Reports
internal import System

/// What `measure` found: `report.json`, the table on standard output, `report.html`.
struct MeasureReport {
    private let verb: Measure
    private let data: MeasuredData
    private let rows: [MeasuredRow]
    private let context: ComputeContext
    private let name: String
    private let identity: String
    private let parameterCount: Int

    /// Reads the weights and the data once more, for their hashes.
    init(
        _ verb: Measure, _ directory: ModelDirectory, _ data: MeasuredData, rows: [MeasuredRow], context: ComputeContext
    ) throws(Failure) {
        self.verb = verb
        self.data = data
        self.rows = rows
        self.context = context
        name = directory.originalName ?? FileSystem.lastComponent(directory.path)
        identity = try directory.identity()
        parameterCount = directory.checkpoint.tensorNames.reduce(0) {
            $0 + (directory.checkpoint.tensor(named: $1)?.elementCount ?? 0)
        }
    }

    // MARK: - report.json

    /// The document of `report.json`; `version` counts its forms.
    var json: JSONValue {
        .object(
            JSONObject([
                ("kind", .string("measure")), ("version", .integer(2)), ("program", .string("qlora \(QLoRA.version)")),
                (
                    "model",
                    .object(
                        JSONObject([
                            ("name", .string(name)), ("sha256", .string(identity)),
                            ("parameters", .integer(parameterCount)),
                        ]))
                ),
                ("data", .object(JSONObject(data.json + [("files", DataFile.json(data.files))]))),
                ("options", .object(JSONObject(options))),
                (
                    "machine",
                    .object(
                        JSONObject([
                            ("processor", .string(ProcessorInfo.current.modelName)),
                            ("threads", .integer(context.pool.threadCount)),
                            ("instruction_set", .string(context.kernels.instructionSet.rawValue)),
                        ]))
                ),
                (
                    "intervals",
                    .object(
                        JSONObject([
                            ("method", .string("paired bootstrap over rows, percentiles")),
                            ("resamples", .integer(PairedBootstrap.resampleCount)),
                            ("confidence", .double(PairedBootstrap.confidence)),
                        ]))
                ),
                ("rows", .array(rows.map(\.json))),
            ]))
    }

    private var options: [(String, JSONValue)] {
        var options: [(String, JSONValue)] = [
            ("formats", .array(verb.formats.elements.map(JSONValue.string))),
            ("block_sizes", .array(verb.blockSizes.elements.map(JSONValue.integer))),
            ("ranks", .array(verb.rankOrder.map(JSONValue.integer))),
            ("compute", .string(context.computeType.rawValue)),
            ("seed", .number(JSONNumber(text: String(verb.loop.seed)))),
        ]
        if verb.trainsAdapters {
            options += [
                ("alpha", .double(verb.alpha)), ("targets", .string(verb.targets)),
                (
                    "training",
                    .array(
                        verb.loop.trainArguments(compute: context.computeType.rawValue).map(JSONValue.string))
                ),
            ]
        }
        return options
    }

    // MARK: - Text

    /// A line on standard error when a row is done.
    static func note(_ row: MeasuredRow) -> String {
        var text = row.format.label + (row.rank == 0 ? "" : ", rank \(row.rank)")
        text += ": loss \(NumberText.fixed(row.loss.value, digits: 4))"
        if let difference = row.lossDifference { text += " (\(EstimateText.signed(difference, digits: 4)))" }
        return text + ", \(ByteText.text(row.size.fileByteCount)) on disk, peak memory "
            + ByteText.text(row.run.peakResidentByteCount)
    }

    /// The table, at most 100 columns wide.
    var text: String {
        let columns: [(title: String, width: Int)] = [
            ("format", -8), ("block", 5), ("rank", 5), ("disk MiB", 9), ("bits", 6), ("peak MiB", 9), ("loss", 8),
            ("difference [95 %]", 27), ("KL nats", 9), ("top-1 %", 8), ("token/s", 8),
        ]
        func line(_ cells: [String]) -> String {
            zip(columns, cells).map { column, cell in
                let padding = String(repeating: " ", count: max(0, abs(column.width) - cell.count))
                return column.width < 0 ? cell + padding : padding + cell
            }.joined()
        }
        return ([line(columns.map(\.title))] + rows.map { line(Self.cells($0)) }).joined(separator: "\n")
    }

    private static func mebibytes(_ bytes: Int) -> String {
        NumberText.fixed(Double(bytes) / 1_048_576, digits: bytes < 10 << 20 ? 2 : 1)
    }

    private static func cells(_ row: MeasuredRow) -> [String] {
        var difference = "-"
        if let estimate = row.lossDifference {
            difference = EstimateText.signed(estimate, digits: 4).split(separator: ",").joined()
        }
        return [
            row.format.name, row.format.blockSize.map(String.init) ?? "-", String(row.rank),
            mebibytes(row.size.fileByteCount), NumberText.fixed(row.size.bitsPerLinearWeight, digits: 2),
            mebibytes(row.run.peakResidentByteCount), NumberText.fixed(row.loss.value, digits: 4), difference,
            row.divergence.map { NumberText.fixed($0.value, digits: 5) } ?? "-",
            row.agreement.map { NumberText.fixed($0.value * 100, digits: 2) } ?? "-",
            NumberText.fixed(row.run.tokensPerSecond, digits: 0),
        ]
    }

    // MARK: - report.html

    /// The page.
    var html: String {
        var parts: [HTMLPage.Part] = [.paragraph(summary)]
        for rank in verb.rankOrder {
            let group = rows.filter { $0.rank == rank }
            parts.append(.heading(rank == 0 ? "The formats as they are" : "After training adapters of rank \(rank)"))
            parts.append(.plots(plots(group, rank: rank)))
            parts.append(.table(table(group, trained: rank > 0)))
        }
        parts += [.heading("What the columns mean"), .definitions(definitions), .heading("How it was made")]
        parts.append(.definitions(provenance))
        return HTMLPage(title: "Memory and accuracy of \(name)", parts: parts).text
    }

    private var summary: String {
        let tokens = rows.first?.run.tokens.reduce(0, +) ?? 0
        return
            "\(name) has \(parameterCount) parameters. Each line below is the model stored in one format and scored in "
            + "a process of its own on the same \(data.scored.count) rows with \(tokens) scored tokens, and compared with "
            + "the unquantized model position by position. Further down and further left is better."
    }

    private func plots(_ group: [MeasuredRow], rank: Int) -> [ScatterPlot] {
        let reference = group.first { $0.format == .none }?.loss.value ?? 0
        func plot(_ title: String, _ x: String, _ bytes: (MeasuredRow) -> Int) -> ScatterPlot {
            let points = group.map { row in
                ScatterPlot.Point(
                    label: row.format.label, x: Double(bytes(row)) / 1_048_576, y: row.loss.value,
                    bar: row.lossDifference?.interval.map {
                        reference + $0.lowerBound...reference + $0.upperBound
                    }, series: row.format == .none ? 0 : 1)
            }
            return ScatterPlot(title: title, xTitle: x, yTitle: "loss, nats per token", points: points) {
                NumberText.fixed($0, digits: $1)
            }
        }
        return [
            plot("Loss against peak memory while scoring", "peak resident memory, MiB") {
                $0.run.peakResidentByteCount
            },
            plot("Loss against size of the weight files", "weight files, MiB") { $0.size.fileByteCount },
        ]
    }

    private func table(_ group: [MeasuredRow], trained: Bool) -> HTMLTable {
        var columns: [HTMLTable.Column] = [
            .init("Format", isText: true), .init("Block"), .init("Disk, MiB"), .init("Bits per linear weight"),
            .init("Bits per parameter"), .init("Base mapped, MiB"), .init("Peak memory, MiB"),
            .init("of it anonymous, MiB"), .init("Loss"), .init("Perplexity"), .init("Loss difference [95 %]"),
            .init("KL divergence, nats [95 %]"), .init("Top-1 agreement [95 %]"), .init("Tokens/s"),
        ]
        if trained { columns += [.init("Training peak, MiB"), .init("Training, s")] }
        let lines = group.map { row -> [String] in
            var cells = [
                row.format.name, row.format.blockSize.map(String.init) ?? "–", Self.mebibytes(row.size.fileByteCount),
                NumberText.fixed(row.size.bitsPerLinearWeight, digits: 3),
                NumberText.fixed(row.size.bitsPerParameter, digits: 3), Self.mebibytes(row.run.baseByteCount),
                Self.mebibytes(row.run.peakResidentByteCount), Self.mebibytes(row.run.anonymousByteCount),
                NumberText.fixed(row.loss.value, digits: 4), NumberText.fixed(row.perplexity, digits: 3),
                row.lossDifference.map { EstimateText.signed($0, digits: 4) } ?? "–",
                row.divergence.map { EstimateText.plain($0, digits: 5) } ?? "–",
                row.agreement.map { EstimateText.percent($0, digits: 2) } ?? "–",
                NumberText.fixed(row.run.tokensPerSecond, digits: 0),
            ]
            if trained {
                cells += [
                    row.training.map { Self.mebibytes($0.peakResidentByteCount) } ?? "–",
                    row.training.map { NumberText.fixed($0.seconds, digits: 1) } ?? "–",
                ]
            }
            return cells
        }
        return HTMLTable(columns: columns, rows: lines)
    }

    private var definitions: [(term: String, meaning: String)] {
        var definitions = [
            (
                "Format",
                "How the linear layers are stored. none is the model as it is; int8 and int4 are symmetric integers, nf4 "
                    + "and fp4 the 4-bit types of QLoRA; +dq means that the scales are quantized too."
            ),
            ("Block", "Weights that share one scale: fewer are more exact, and need more bits."),
            (
                "Disk",
                "The weight files of a directory made by qlora quantize with exactly this format and block size, embeddings "
                    + "kept as they are."
            ),
            (
                "Bits per linear weight",
                "Stored bits, scales and tables included, for each weight of the linear layers, which are what is quantized."
            ),
            ("Bits per parameter", "The same for all parameters of the model, embeddings and norms included."),
            (
                "Base mapped",
                "Bytes of the weights as the program maps them from the files. The system can drop these pages and read "
                    + "them again."
            ),
            (
                "Peak memory",
                "The largest resident memory (VmHWM) of a process that does nothing but score the rows with this model; "
                    + "anonymous memory is the part that belongs to no file and must fit."
            ),
            ("Loss", "Mean over the scored tokens of the negative natural logarithm of the token's probability."),
            ("Perplexity", "The exponential of the loss."),
            (
                "Loss difference",
                "Loss minus that of the unquantized model on the same tokens. Error bars in the plots are its interval, "
                    + "drawn at the loss."
            ),
            (
                "KL divergence",
                "Mean over the scored positions of KL(unquantized || this) over the whole vocabulary, in double precision: "
                    + "0 means the same predictions."
            ),
            (
                "Top-1 agreement",
                "Share of the scored positions where both models hold the same token for the likeliest."
            ),
            (
                "[95 %]",
                "Interval of the paired bootstrap: \(PairedBootstrap.resampleCount) times rows are drawn with replacement, "
                    + "the same for both models, and the 2.5th and 97.5th percentiles are taken. Rows are drawn and not "
                    + "tokens, because the tokens of a row depend on each other."
            ),
            ("Tokens/s", "Tokens of the rows over the time of the scoring pass, loading not counted."),
        ]
        if verb.trainsAdapters {
            definitions.append(
                (
                    "Training",
                    "Every format was trained on the same rows, in the same order, from the same seed, for the same steps. "
                        + "It is compared with the unquantized model trained in the same way, so the difference is what "
                        + "training on fewer bits costs."
                ))
        }
        return definitions
    }

    private var provenance: [(term: String, meaning: String)] {
        var terms = [
            ("Program", "qlora \(QLoRA.version), products in \(context.computeType.rawValue)"),
            ("Model", "\(name), SHA-256 \(identity)"),
            (
                "Rows",
                data.files.map { "\($0.name), SHA-256 \($0.digest)" }.joined(separator: "; ")
                    + "; at most \(data.length) tokens are seen at once"
            ),
            (
                "Machine",
                "\(ProcessorInfo.current.modelName), \(context.pool.threadCount) threads, instruction set "
                    + context.kernels.instructionSet.rawValue
            ),
        ]
        if verb.trainsAdapters {
            terms.append(
                (
                    "Training",
                    "\(data.training.count) rows; qlora train --alpha \(verb.alpha) --targets \(verb.targets) "
                        + verb.loop.trainArguments(compute: context.computeType.rawValue).joined(separator: " ")
                ))
        }
        return terms
    }
}
