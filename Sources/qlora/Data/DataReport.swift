internal import ChatTemplates
internal import Datasets
internal import System

/// What `data check` tells about rows.
struct DataReport {
    private let maximumLength: Int
    private var lengths: [Int] = []

    init(maximumLength: Int) { self.maximumLength = maximumLength }

    mutating func add(_ row: TrainingRow) { lengths.append(row.ids.count) }

    /// The length that a share of the rows does not exceed.
    private func quantile(_ share: Double, of sorted: [Int]) -> Int {
        sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))]
    }

    func json(_ summary: DatasetSummary) -> JSONValue {
        let sorted = lengths.sorted()
        let masks = MaskWay.allCases.map { ($0.rawValue, JSONValue.integer(summary.maskCounts[$0.rawValue] ?? 0)) }
        let formats = summary.formatCounts.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.integer($0.value)) }
        return .object(
            JSONObject([
                ("rows", .integer(summary.rowCount)), ("tokens", .integer(summary.tokenCount)),
                ("supervised_tokens", .integer(summary.supervisedTokenCount)),
                ("formats", .object(JSONObject(formats))), ("masks", .object(JSONObject(masks))),
                ("length_median", .integer(quantile(0.5, of: sorted))),
                ("length_95", .integer(quantile(0.95, of: sorted))),
                ("length_longest", .integer(summary.longestRow)), ("max_length", .integer(maximumLength)),
                ("skipped", .integer(summary.skippedCount)), ("dropped", .integer(summary.droppedCount)),
                ("truncated", .integer(summary.truncatedCount)), ("split", .integer(summary.splitCount)),
                ("errors", .array(summary.skipped.map { .string("\($0)") })),
            ]))
    }

    func text(_ summary: DatasetSummary) -> String {
        let sorted = lengths.sorted()
        let share = 100 * Double(summary.supervisedTokenCount) / Double(max(1, summary.tokenCount))
        let formats = summary.formatCounts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        var lines = [
            "\(summary.rowCount) rows (\(formats.joined(separator: ", "))), \(summary.tokenCount) tokens, "
                + "\(summary.supervisedTokenCount) supervised (\(NumberText.fixed(share, digits: 1)) %)",
            "length: median \(quantile(0.5, of: sorted)), 95 % at most \(quantile(0.95, of: sorted)), "
                + "longest \(summary.longestRow), allowed \(maximumLength)",
        ]
        for way in MaskWay.allCases {
            guard let count = summary.maskCounts[way.rawValue] else { continue }
            lines.append("\(count) conversations \(way.summary)")
        }
        lines += TrainingData.omissions(summary).filter { !$0.hasSuffix(MaskWay.turns.summary) }
        return lines.joined(separator: "\n")
    }
}
