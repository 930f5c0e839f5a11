internal import Diagnostics
internal import System
internal import Tokenizers

/// Encoding a text file, line by line and as a whole, with the tokenizer of a directory; on one thread.
struct TokenizerBenchmark {
    let directory: String
    let textFile: String
    let measuring: Measuring

    /// Prints a line of tab-separated figures: directory, megabytes per second by lines and as a whole, ids by lines and
    /// as a whole.
    ///
    /// - Returns: false where a file cannot be read; the failure is printed.
    func run() -> Bool {
        do {
            let tokenizer = try TokenizerDirectory.load(directory).tokenizer
            let text = try FileReader.readText(textFile)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
            let megabytes = Double(text.utf8.count) * 1e-6
            var lineIDs = 0, textIDs = 0
            let byLines = measuring.median(runs: 5, seconds: 0.5) {
                lineIDs = lines.reduce(0) { $0 + tokenizer.encode($1, addSpecialTokens: false).count }
            }
            let whole = measuring.median(runs: 5, seconds: 0.5) {
                textIDs = tokenizer.encode(text, addSpecialTokens: false).count
            }
            print("\(directory)\t\(megabytes / byLines)\t\(megabytes / whole)\t\(lineIDs)\t\(textIDs)")
            return true
        } catch {
            print(error)
            return false
        }
    }
}
