package import System

/// What happens to a row that cannot be read: `--bad-rows`.
package enum BadRowRule: String, Sendable, CaseIterable {
    /// Stop with the row's error.
    case error
    /// Leave it out and count it.
    case skip
}

/// How data files become rows.
package struct DatasetOptions: Sendable {
    /// The format of every row; nil recognises each by its keys.
    package var format: (any RowFormat.Type)?
    package var columns = ColumnMapping()
    package var badRows = BadRowRule.error
    package var length = LengthRule(maximumLength: nil)
    package var limits = DataLimits()
    /// Whether files are hashed while they are read.
    package var hashesFiles = false

    package init() {}
}

/// What reading data gave and left out.
package struct DatasetSummary: Sendable {
    /// Rows after the length rule, their tokens, and the tokens that a loss is computed for.
    package internal(set) var rowCount = 0
    package internal(set) var tokenCount = 0
    package internal(set) var supervisedTokenCount = 0
    /// Rows left out because they could not be read, and the errors of the first ten.
    package internal(set) var skippedCount = 0
    package internal(set) var skipped: [Failure] = []
    /// Rows with more tokens than the largest length: left out, truncated, or split.
    package internal(set) var droppedCount = 0
    package internal(set) var truncatedCount = 0
    package internal(set) var splitCount = 0
    /// Parts of split rows left out because none of their tokens is supervised.
    package internal(set) var emptyPartCount = 0
    /// Rows as they stand in the files, by format.
    package internal(set) var formatCounts: [String: Int] = [:]
    /// Conversations by the way in which their masks were made.
    package internal(set) var maskCounts: [String: Int] = [:]
    /// Tokens of the longest row.
    package internal(set) var longestRow = 0
    /// The SHA-256 of each file, where that was asked for and all of it was read.
    package internal(set) var digests: [String] = []
}

/// Rows read from files, in the order of the files and of their rows.
package struct Dataset: Sendable {
    package var rows: [TrainingRow]
    /// The files that were read; `TrainingRow.sourceFile` is an index of it.
    package let files: [String]
    package let summary: DatasetSummary

    /// Reads files whole. Memory is 8 bytes a token, 9 for conversations.
    ///
    /// - Throws: as `forEachRow`; and `badData` where no row is left.
    package static func load(files: [String], options: DatasetOptions, encoder: RowEncoder) throws(Failure) -> Dataset {
        var rows: [TrainingRow] = []
        let summary = try forEachRow(files: files, options: options, encoder: encoder) { (row) throws(Failure) in
            rows.append(row)
        }
        return Dataset(rows: rows, files: files, summary: summary)
    }

    /// Reads files row by row: JSON lines or a JSON array, zstd-compressed or not, recognised by their content. Memory
    /// is that of one row.
    ///
    /// - Parameters:
    ///   - limit: reading stops once this many rows have been given out.
    ///   - body: takes each row after the length rule. It has at least one supervised token.
    /// - Returns: the counts.
    /// - Throws: `inputMissing`; `badData` with file, line, column, field and value for a row that cannot be read or has
    ///   no supervised token (unless rows are skipped), for a row longer than allowed, and where no row is left;
    ///   `interrupted` where a signal came; and what `body` throws.
    package static func forEachRow(
        files: [String], options: DatasetOptions, encoder: RowEncoder, limit: Int = .max,
        _ body: (TrainingRow) throws(Failure) -> Void
    ) throws(Failure) -> DatasetSummary {
        try options.length.validate()
        var summary = DatasetSummary()
        for (index, file) in files.enumerated() {
            let countBefore = summary
            let input = try DataInput(file, limits: options.limits, hashes: options.hashesFiles)
            var reader = try RecordReader(input, limits: options.limits)
            var recordCount = 0
            while summary.rowCount < limit, let record = try reader.next() {
                try Signals.throwIfInterrupted()
                recordCount += 1
                let row: DataRow, parts: [RowTokens], formatName: String
                do throws(Failure) {
                    row = try DataRow(record, file: file, columns: options.columns, limits: options.limits)
                    let format = if let format = options.format { format } else { try RowFormats.recognise(row) }
                    parts = try format.tokens(of: row, with: encoder)
                    formatName = format.name
                    for tokens in parts { try checkSupervision(tokens, row: row) }
                } catch {
                    guard options.badRows == .skip, error.kind == .badData else { throw error }
                    summary.skippedCount += 1
                    if summary.skipped.count < 10 { summary.skipped.append(error) }
                    continue
                }
                summary.formatCounts[formatName, default: 0] += 1
                if let way = parts.first?.maskWay { summary.maskCounts[way, default: 0] += 1 }
                for tokens in parts {
                    try emit(tokens, row: row, file: index, length: options.length, summary: &summary, body)
                }
            }
            if let digest = input.digest { summary.digests.append(digest) }
            guard summary.rowCount < limit else { return summary }
            guard recordCount > 0 else {
                throw Failure(.badData, "the file holds no rows", at: .init(file: file), remedy: "Check the path")
            }
            if summary.rowCount == countBefore.rowCount {
                let skipped = summary.skippedCount - countBefore.skippedCount
                let dropped = summary.droppedCount - countBefore.droppedCount
                let first =
                    skipped > 0 && countBefore.skipped.count < summary.skipped.count
                    ? "; the first: \(summary.skipped[countBefore.skipped.count].description.dropLast())" : ""
                throw Failure(
                    .badData,
                    "none of the file's \(recordCount) rows is left: \(skipped) could not be read, \(dropped) are longer "
                        + "than the maximum length\(first)", at: .init(file: file))
            }
        }
        guard !files.isEmpty else { throw Failure(.usage, "no data file was given", remedy: "Give --data FILE") }
        return summary
    }

    private static func checkSupervision(_ tokens: RowTokens, row: DataRow) throws(Failure) {
        guard tokens.ids.count >= 2 else {
            throw row.failure(
                "the row has fewer than two tokens: nothing to predict",
                remedy: "Remove the row, or give --bad-rows skip")
        }
        guard TrainingRow.supervisedTokenCount(tokens.labels[...]) > 0 else {
            throw row.failure(
                "no token of the row is supervised: every label after the first is -100",
                remedy: "Remove the row, or give --bad-rows skip")
        }
    }

    /// Applies the length rule to a row that has supervised tokens.
    private static func emit(
        _ tokens: RowTokens, row: DataRow, file: Int, length: LengthRule, summary: inout DatasetSummary,
        _ body: (TrainingRow) throws(Failure) -> Void
    ) throws(Failure) {
        let parts = try length.parts(of: tokens, row: row)
        let isWhole = parts.first?.count == tokens.ids.count
        if parts.isEmpty { summary.droppedCount += 1 }
        if length.overlong == .truncate, !isWhole, !parts.isEmpty { summary.truncatedCount += 1 }
        if parts.count > 1 { summary.splitCount += 1 }
        for part in parts {
            let supervised = TrainingRow.supervisedTokenCount(tokens.labels[part])
            guard supervised > 0 else {
                guard parts.count > 1 else {
                    throw row.failure(
                        "none of the first \(part.count) of the row's \(tokens.ids.count) tokens is supervised: "
                            + "truncating it leaves nothing to learn",
                        remedy: "Raise --max-length, or choose --overlong drop or split")
                }
                summary.emptyPartCount += 1
                continue
            }
            var bytes = tokens.supervisedByteCount
            if !isWhole, let byteCounts = tokens.byteCounts {
                bytes = part.reduce(0) { $0 + (tokens.labels[$1] == TrainingRow.ignored ? 0 : byteCounts[$1]) }
            }
            summary.rowCount += 1
            summary.tokenCount += part.count
            summary.supervisedTokenCount += supervised
            summary.longestRow = max(summary.longestRow, part.count)
            try body(
                TrainingRow(
                    ids: Array(tokens.ids[part]), labels: Array(tokens.labels[part]), sourceFile: file,
                    sourceLine: row.line, textByteCount: bytes, isTemplate: tokens.isTemplate.map { Array($0[part]) }))
        }
    }
}
