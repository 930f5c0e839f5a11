internal import System

/// Makes spaces visible and cuts before them.
struct MetaspacePreTokenizer: PreTokenizer {
    static let typeName = "Metaspace"
    private let options: MetaspaceOptions

    init(_ source: ComponentSource) throws(Failure) { options = try MetaspaceOptions(source) }

    var needsOrigin: Bool { options.prepends == .first }

    func split(_ text: inout PieceList) {
        // Pieces keep their number under the replacement, so each is rewritten by itself.
        var output = AlignedText(tracksOffsets: text.text.tracksOffsets)
        var moved: [Range<Int>] = []
        for (index, range) in text.pieces.enumerated() {
            var piece = text.text.slice(range)
            piece.replace([0x20], with: options.replacement)
            let isFirst = text.isAtStart && index == 0 && range.lowerBound == 0
            let start = output.count
            let mayPrepend = options.prepends == .always || options.prepends == .first && isFirst
            if mayPrepend, !piece.bytes.starts(with: options.replacement) {
                let origin = piece.original(0..<piece.count).lowerBound
                output.append(options.replacement, origin: origin..<origin)
            }
            output.append(piece, 0..<piece.count)
            moved.append(start..<output.count)
        }
        text.text = output
        text.pieces = moved
        if options.splits {
            text.split(by: StringRule(needle: options.replacement), behavior: .mergedWithNext, inverted: false)
        }
    }
}

/// The keys that the Metaspace pre-tokenizer and decoder share.
struct MetaspaceOptions: Sendable {
    enum Prepending: String, CaseIterable {
        case always, first, never
    }

    let replacement: [UInt8]
    let prepends: Prepending
    let splits: Bool

    /// Reads them, with the older key `add_prefix_space` in place of `prepend_scheme`.
    init(_ source: ComponentSource) throws(Failure) {
        replacement = try source.character("replacement")
        splits = try source.bool("split", default: true)
        let addsPrefix = try source.bool("add_prefix_space", default: true)
        guard let name = try source.string("prepend_scheme") else {
            prepends = addsPrefix ? .always : .never
            return
        }
        guard let scheme = Prepending(rawValue: name) else {
            throw source.failure(
                .badData, "\"\(name)\" is not one of \(Prepending.allCases.map(\.rawValue).joined(separator: ", "))",
                key: "prepend_scheme")
        }
        prepends = scheme
    }
}
