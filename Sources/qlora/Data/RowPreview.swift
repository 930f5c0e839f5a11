internal import Datasets
internal import System
internal import Tokenizers

/// Rows as text, with what is supervised marked.
struct RowPreview {
    private let tokenizer: Tokenizer
    private let inColour: Bool

    init(_ tokenizer: Tokenizer, inColour: Bool) {
        self.tokenizer = tokenizer
        self.inColour = inColour
    }

    private enum Kind: String {
        /// Not supervised.
        case context
        /// Supervised.
        case supervised
        /// Supervised, and the template's own text.
        case template
    }

    /// The text of a row in pieces of one kind.
    private func segments(_ row: TrainingRow) -> [(kind: Kind, text: String)] {
        var decoder = tokenizer.streamDecoder(skipSpecialTokens: false)
        var text: [Unicode.Scalar] = []
        /// Where in the text each segment begins.
        var starts: [(kind: Kind, scalar: Int)] = []
        for (index, id) in row.ids.enumerated() {
            let isSupervised = index > 0 && row.labels[index] != TrainingRow.ignored
            let kind: Kind = !isSupervised ? .context : row.isTemplate?[index] == true ? .template : .supervised
            if starts.last?.kind != kind {
                starts.append((kind, index == 0 ? 0 : text.count + decoder.rest.unicodeScalars.count))
            }
            text.append(contentsOf: decoder.append(id).unicodeScalars)
        }
        text.append(contentsOf: decoder.finish().unicodeScalars)
        var segments: [(kind: Kind, text: String)] = []
        var rest = text[...]
        for (index, start) in starts.enumerated() {
            let end = index + 1 < starts.count ? starts[index + 1].scalar : text.count
            let part = rest.prefix(max(0, end - start.scalar))
            rest = rest.dropFirst(part.count)
            segments.append((start.kind, Self.string(part)))
        }
        if !segments.isEmpty { segments[segments.count - 1].text += Self.string(rest) }
        return segments
    }

    private static func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        String(String.UnicodeScalarView(scalars))
    }

    /// A heading and the marked text.
    func text(_ row: TrainingRow, number: Int, file: String) -> String {
        let supervised = row.supervisedTokenCount
        var text =
            "--- row \(number), \(file):\(row.sourceLine): \(row.ids.count) tokens, \(supervised) supervised\n"
        for segment in segments(row) {
            switch (segment.kind, inColour) {
            case (.context, true): text += "\u{1B}[2m\(safe(segment.text))\u{1B}[0m"
            case (.supervised, true): text += "\u{1B}[32m\(safe(segment.text))\u{1B}[0m"
            case (.template, true): text += "\u{1B}[36m\(safe(segment.text))\u{1B}[0m"
            case (.context, false): text += safe(segment.text)
            case (.supervised, false): text += "⟦\(safe(segment.text))⟧"
            case (.template, false): text += "⟦‹\(safe(segment.text))›⟧"
            }
        }
        return text + "\n"
    }

    /// Characters that turn the direction of the text behind them: what is shown would not stand where it is.
    private static let directions: [ClosedRange<UInt32>] = [0x202A...0x202E, 0x2066...0x2069]

    /// Text without characters that would steer a terminal.
    private func safe(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let isControl = scalar.properties.generalCategory == .control && scalar != "\n" && scalar != "\t"
            let turns = Self.directions.contains { $0.contains(scalar.value) }
            result.append(isControl || turns ? "\u{FFFD}" : scalar)
        }
        return String(result)
    }

    func json(_ row: TrainingRow, file: String) -> JSONValue {
        .object(
            JSONObject([
                ("file", .string(file)), ("line", .integer(row.sourceLine)),
                ("ids", .array(row.ids.map { .integer(Int($0)) })),
                ("labels", .array(row.labels.map { .integer(Int($0)) })),
                (
                    "segments",
                    .array(
                        segments(row).map { segment in
                            .object(
                                JSONObject([("kind", .string(segment.kind.rawValue)), ("text", .string(segment.text))]))
                        })
                ),
            ]))
    }
}
