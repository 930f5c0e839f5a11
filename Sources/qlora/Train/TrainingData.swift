internal import ChatTemplates
internal import Datasets
internal import DecoderModels
internal import ModelFiles
internal import System
internal import Tokenizers

/// A data file by its name without folders, with its SHA-256 as it was when its rows were read.
struct DataFile {
    /// What the rows of a file are for.
    enum Use: String {
        /// Trained on; what `--eval-split` holds out comes from here, too.
        case training
        /// Scored only.
        case evaluation
    }

    let name: String
    let use: Use
    let digest: String

    /// The files of data that was read with `hashesFiles`.
    static func all(of dataset: Dataset, for use: Use) -> [DataFile] {
        zip(dataset.files, dataset.summary.digests).map {
            DataFile(name: FileSystem.lastComponent($0), use: use, digest: $1)
        }
    }

    /// A list, in the order of the command line: files of one name in different folders are two.
    static func json(_ files: [DataFile]) -> JSONValue {
        .array(
            files.map { file in
                .object(
                    JSONObject([
                        ("name", .string(file.name)), ("use", .string(file.use.rawValue)),
                        ("sha256", .string(file.digest)),
                    ]))
            })
    }
}

/// The rows of a training run: those trained on and those held out.
struct TrainingData {
    let training: [TrainingRow]
    let evaluation: [TrainingRow]
    /// What reading left out, in words; empty where nothing was.
    let omissions: [String]
    /// The files, each with its SHA-256.
    let files: [DataFile]
    /// What conversations were rendered with; nil where rows were taken as they are.
    let chatRenderer: ChatRenderer?

    /// Reads the files of `--data` and `--eval-data`, or splits the former.
    static func load(_ verb: Train, _ base: DecoderModel, _ directory: ModelDirectory, length: Int, seed: UInt64) throws
        -> TrainingData
    {
        try OptionValue.requireLength(length)
        let encoder = try RowEncoder.forModel(directory, base.configuration, verb.rows)
        func load(_ files: [String], _ rule: LengthRule) throws(Failure) -> Dataset {
            var options = try verb.rows.datasetOptions(rule)
            options.hashesFiles = true
            return try Dataset.load(files: files, options: options, encoder: encoder)
        }
        let dataset = try load(verb.data, LengthRule(maximumLength: length, overlong: verb.overlong))
        guard verb.evalData.isEmpty else {
            let held = try load(verb.evalData, LengthRule(maximumLength: nil))
            return TrainingData(
                training: dataset.rows, evaluation: held.rows,
                omissions: omissions(dataset.summary) + omissions(held.summary),
                files: DataFile.all(of: dataset, for: .training) + DataFile.all(of: held, for: .evaluation),
                chatRenderer: encoder.chatRenderer)
        }
        let split = try EvaluationSplit(fraction: verb.evalSplit, seed: seed).indices(rowCount: dataset.rows.count)
        return TrainingData(
            training: split.training.map { dataset.rows[$0] }, evaluation: split.evaluation.map { dataset.rows[$0] },
            omissions: omissions(dataset.summary), files: DataFile.all(of: dataset, for: .training),
            chatRenderer: encoder.chatRenderer)
    }

    static func omissions(_ summary: DatasetSummary) -> [String] {
        var words: [String] = []
        if summary.skippedCount > 0 {
            let first = summary.skipped.first.map { "; the first: \($0)" } ?? ""
            words.append("\(summary.skippedCount) rows could not be read and were left out\(first)")
        }
        if summary.droppedCount > 0 { words.append("\(summary.droppedCount) rows longer than the limit were left out") }
        if summary.truncatedCount > 0 { words.append("\(summary.truncatedCount) rows were cut to the limit") }
        if summary.splitCount > 0 { words.append("\(summary.splitCount) rows were split at the limit") }
        // The usual ways go without saying; `data check` tells them all.
        if let count = summary.maskCounts[MaskWay.turns.rawValue] {
            words.append("\(count) conversations were \(MaskWay.turns.summary)")
        }
        return words
    }
}
