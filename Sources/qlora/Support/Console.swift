internal import Glibc
internal import Logging
internal import System

/// Where a verb speaks: results on standard output, everything else on standard error.
///
/// With `--json`, standard output carries the one document given to `result(json:text:)`, or the lines of `line(_:)`
/// for verbs whose result is a stream of JSON lines. With `--quiet`, notes and progress are silent.
struct Console: Sendable {
    let isJSON: Bool
    let isQuiet: Bool
    /// Notes (`info`), warnings and errors, on standard error.
    let log: Logger

    init(isJSON: Bool, isQuiet: Bool) {
        self.isJSON = isJSON
        self.isQuiet = isQuiet
        var log = Logger(label: "qlora")
        log.logLevel = isQuiet ? .warning : .info
        self.log = log
    }

    // MARK: Results

    /// The result of a verb: `json` with `--json`, else `text`. Call it once.
    func result(json: JSONValue, text: @autoclosure () -> String) throws(Failure) {
        try line(isJSON ? JSONWriter.compact.string(json) : text())
    }

    /// One line of a result that is itself a stream of lines, or of a text result that grows (not with `--json`).
    func line(_ text: String) throws(Failure) { try write(text + "\n") }

    /// A piece of a text result without a line end, visible at once: generated text.
    func write(_ text: String) throws(Failure) {
        try StandardStreams.write(Array(text.utf8), to: STDOUT_FILENO, named: "standard output")
    }

    // MARK: Notes

    /// Tells the person something that is not a result; silent with `--quiet`.
    func note(_ text: String) { log.info("\(text)") }

    /// Something that the person should look at; never silent.
    func warn(_ text: String) { log.warning("\(text)") }

    /// Asks a person, who answers by a line; an empty one is yes. Without a terminal nobody is asked, and it is yes.
    ///
    /// A signal ends the waiting, as yes: whoever goes on finds it pending.
    func confirm(_ question: String) -> Bool {
        guard StandardStreams.isTerminal(STDIN_FILENO), StandardStreams.isTerminal(STDERR_FILENO) else { return true }
        StandardStreams.writeParagraph("\(question) [Y/n]")
        guard let answer = StandardStreams.readLine(while: { Signals.pending == nil }) else { return true }
        return !answer.lowercased().hasPrefix("n")
    }

    /// Says why the verb ends.
    func fail(_ failure: Failure) { log.error("\(failure)") }

    /// A progress bar over `total` units on a terminal; nothing elsewhere and with `--quiet`.
    func progress(_ title: String, total: Int) -> ProgressBar {
        ProgressBar(title: title, total: total, isVisible: !isQuiet && StandardStreams.isTerminal(STDERR_FILENO))
    }
}

/// Prints log messages on standard error, each as one paragraph.
private struct StandardErrorLog: LogHandler {
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel: Logger.Level = .info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let prefix =
            switch event.level {
            case .trace, .debug: "qlora: debug: "
            case .info, .notice: ""
            case .warning: "qlora: warning: "
            case .error, .critical: "qlora: error: "
            }
        var text = prefix + "\(event.message)"
        for (key, value) in (event.metadata ?? [:]).merging(metadata, uniquingKeysWith: { own, _ in own })
            .sorted(by: { $0.key < $1.key })
        {
            text += " \(key)=\(value)"
        }
        StandardStreams.writeParagraph(text)
    }
}

extension Console {
    /// Directs swift-log to standard error; once per process, before the first logger is made.
    static func bootstrapLogging() {
        LoggingSystem.bootstrap { _ in StandardErrorLog() }
    }
}
