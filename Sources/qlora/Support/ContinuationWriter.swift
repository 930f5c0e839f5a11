internal import Tokenizers

/// Turns generated ids into text as they come: never half a character, and nothing from a stop text on.
struct ContinuationWriter {
    private var decoder: StreamDecoder
    private let stops: [String]
    /// Text that may be the beginning of a stop text and is not shown yet.
    private var pending = ""
    /// What has been shown.
    private(set) var text = ""
    private var isStopped = false
    /// Scalars of the prompt that the decoder has kept back.
    private var promptRest: Int

    /// - Parameters:
    ///   - stops: texts that end the generation; they are not shown.
    ///   - prompt: the ids before, which decide how the first token is spaced.
    init(_ tokenizer: Tokenizer, stops: [String], prompt: [Int32]) {
        decoder = tokenizer.streamDecoder(skipSpecialTokens: true)
        for id in prompt { _ = decoder.append(id) }
        promptRest = decoder.rest.unicodeScalars.count
        self.stops = stops.filter { !$0.isEmpty }
    }

    /// Takes an id; gives the text that can be shown and whether a stop text came.
    mutating func add(_ id: Int32) -> (text: String, isStopped: Bool) {
        take(decoder.append(id))
        guard !stops.isEmpty else { return (release(pending.unicodeScalars.count), false) }
        // A stop text may be there before its last token is certain.
        let shown = pending + continuation(decoder.rest)
        if let first = stops.compactMap({ shown.firstRange(of: $0)?.lowerBound }).min() {
            pending = String(shown[..<first])
            isStopped = true
        }
        return (release(isStopped ? pending.unicodeScalars.count : pending.unicodeScalars.count - heldBack), isStopped)
    }

    /// The rest, after the last id.
    mutating func finish() -> String {
        if !isStopped { take(decoder.finish()) }
        return release(pending.unicodeScalars.count)
    }

    /// The part of a text out of the decoder that is not the prompt's.
    private func continuation(_ text: String) -> String { String(text.unicodeScalars.dropFirst(promptRest)) }

    private mutating func take(_ text: String) {
        pending += continuation(text)
        promptRest = max(0, promptRest - text.unicodeScalars.count)
    }

    /// Scalars at the end of the pending text that may begin a stop text.
    private var heldBack: Int {
        let scalars = Array(pending.unicodeScalars)
        var longest = 0
        for stop in stops.map({ Array($0.unicodeScalars) }) {
            for length in stride(from: min(stop.count - 1, scalars.count), to: longest, by: -1)
            where scalars.suffix(length).elementsEqual(stop.prefix(length)) {
                longest = length
                break
            }
        }
        return longest
    }

    private mutating func release(_ count: Int) -> String {
        let scalars = pending.unicodeScalars
        let cut = scalars.index(scalars.startIndex, offsetBy: count)
        let shown = String(scalars[..<cut])
        pending = String(scalars[cut...])
        text += shown
        return shown
    }
}
