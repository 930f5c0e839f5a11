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
        var segments: [(kind: Kind, text: String)] = []
        for (index, id) in row.ids.enumerated() {
            let isSupervised = index > 0 && row.labels[index] != TrainingRow.ignored
            let kind: Kind = !isSupervised ? .context : row.isTemplate?[index] == true ? .template : .supervised
            let text = decoder.append(id)
            if segments.last?.kind == kind {
                segments[segments.count - 1].text += text
            } else {
                segments.append((kind, text))
            }
        }
        let rest = decoder.finish()
        if !segments.isEmpty { segments[segments.count - 1].text += rest }
        return segments
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

    /// Text without characters that would steer a terminal.
    private func safe(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let isControl = scalar.properties.generalCategory == .control && scalar != "\n" && scalar != "\t"
            result.append(isControl ? "\u{FFFD}" : scalar)
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
