internal import Datasets
internal import DecoderModels
internal import ModelFiles
internal import System

/// The rows of `measure`, as token ids: those scored and those trained on.
struct MeasuredData {
    let scored: [TrainingRow]
    let training: [TrainingRow]
    /// Most tokens of a training row, and of a window.
    let length: Int
    /// What reading left out, in words.
    let omissions: [String]
    /// The files, each with its SHA-256.
    let files: [DataFile]

    static func load(_ verb: Measure, _ directory: ModelDirectory) throws -> MeasuredData {
        let reader = ConfigurationReader(fields: directory.configuration, file: directory.configurationFile)
        let configuration = try Architectures.configuration(reader)
        let length = verb.maxLength ?? min(1024, configuration.maximumPositions)
        try configuration.requireLength(length) { "Give --max-length \($0) or less" }
        try OptionValue.requireLength(length)
        _ = try verb.loop.settings(maximumLength: length)
        let encoder = try RowEncoder.forModel(directory, configuration, verb.rows)
        func load(_ files: [String], trains: Bool) throws -> Dataset {
            let rule =
                trains ? LengthRule(maximumLength: length, overlong: verb.overlong) : LengthRule(maximumLength: nil)
            var options = try verb.rows.datasetOptions(rule)
            options.hashesFiles = true
            return try Dataset.load(files: files, options: options, encoder: encoder)
        }
        guard verb.trainsAdapters else {
            let data = try load(verb.data, trains: false)
            return MeasuredData(
                scored: data.rows, training: [], length: length, omissions: TrainingData.omissions(data.summary),
                files: DataFile.all(of: data, for: .evaluation))
        }
        if !verb.trainData.isEmpty {
            let scored = try load(verb.data, trains: false), training = try load(verb.trainData, trains: true)
            return MeasuredData(
                scored: scored.rows, training: training.rows, length: length,
                omissions: TrainingData.omissions(scored.summary) + TrainingData.omissions(training.summary),
                files: DataFile.all(of: scored, for: .evaluation) + DataFile.all(of: training, for: .training))
        }
        let data = try load(verb.data, trains: true)
        let split = try EvaluationSplit(fraction: verb.evalSplit, seed: verb.loop.seed)
            .indices(rowCount: data.rows.count)
        guard !split.evaluation.isEmpty else {
            throw Failure(
                .usage, "--eval-split \(verb.evalSplit) of \(data.rows.count) rows leaves none to score",
                remedy: "Raise --eval-split, or give the training rows as --train-data")
        }
        return MeasuredData(
            scored: split.evaluation.map { data.rows[$0] }, training: split.training.map { data.rows[$0] },
            length: length, omissions: TrainingData.omissions(data.summary),
            files: DataFile.all(of: data, for: .training))
    }

    /// Writes rows as other processes read them.
    static func write(_ rows: [TrainingRow], to path: String) throws(Failure) {
        var file = try LineFile(path)
        for row in rows {
            try file.append(
                .object(
                    JSONObject([
                        ("input_ids", .array(row.ids.map { .integer(Int($0)) })),
                        ("labels", .array(row.labels.map { .integer(Int($0)) })),
                    ])))
        }
        try file.commit()
    }

    /// Members of `data` in `report.json`.
    var json: [(String, JSONValue)] {
        func counts(_ rows: [TrainingRow]) -> JSONValue {
            .object(
                JSONObject([
                    ("rows", .integer(rows.count)), ("tokens", .integer(rows.reduce(0) { $0 + $1.ids.count })),
                    ("supervised_tokens", .integer(rows.reduce(0) { $0 + $1.supervisedTokenCount })),
                ]))
        }
        return [("scored", counts(scored)), ("trained", counts(training)), ("max_length", .integer(length))]
    }
}
