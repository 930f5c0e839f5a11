internal import Glibc
internal import Synchronization
internal import System

/// Standard input, output and error as file descriptors, without buffers between: what is written is out.
enum StandardStreams {
    /// The widest line of a wrapped paragraph, in characters.
    private static let widestLine = 100

    /// Whether a progress bar stands in the last line of the terminal.
    private static let barIsDrawn = Mutex(false)

    static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

    /// Columns of the terminal at a descriptor, nil where it is none.
    static func columnCount(_ descriptor: Int32) -> Int? {
        var size = winsize()
        guard isTerminal(descriptor), ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
            return nil
        }
        return Int(size.ws_col)
    }

    /// Writes every byte, through interruptions and short writes.
    ///
    /// - Throws: `Failure` of kind `inputOutput` with the system's reason (disk full, reader gone).
    static func write(_ bytes: [UInt8], to descriptor: Int32, named name: String) throws(Failure) {
        do throws(SystemError) {
            try writeAll(bytes, to: descriptor)
        } catch {
            throw Failure(
                .inputOutput, "\(name) cannot be written: \(error.text)", remedy: "Check where it is redirected to")
        }
    }

    /// A line that a person types, without its end; nil at the end of input, or as soon as `isWanted` says no.
    static func readLine(while isWanted: () -> Bool) -> String? {
        var bytes: [UInt8] = []
        while isWanted() {
            var wait = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            // Signals end the call, whatever their handlers ask for.
            guard poll(&wait, 1, 1000) > 0 else { continue }
            var byte: UInt8 = 0
            guard read(STDIN_FILENO, &byte, 1) == 1 else { return nil }
            if byte == 0x0A { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte)
        }
        return nil
    }

    /// Writes a paragraph and a line end to standard error, wrapped at words on a terminal, over any progress bar.
    ///
    /// On anything but a terminal it stays one line, so that programs can match it. Errors of the write are ignored:
    /// there is nowhere left to tell them.
    static func writeParagraph(_ text: String) {
        let width = columnCount(STDERR_FILENO).map { min($0, widestLine) }
        let lines = width.map { wrap(text, width: $0) } ?? text
        barIsDrawn.withLock { isDrawn in
            let clear = isDrawn ? "\r\u{1B}[K" : ""
            isDrawn = false
            try? write(Array((clear + lines + "\n").utf8), to: STDERR_FILENO, named: "standard error")
        }
    }

    /// Draws a progress bar over the former one; nil removes it.
    static func drawBar(_ text: String?) {
        barIsDrawn.withLock { isDrawn in
            guard text != nil || isDrawn else { return }
            isDrawn = text != nil
            try? write(Array(("\r\u{1B}[K" + (text ?? "")).utf8), to: STDERR_FILENO, named: "standard error")
        }
    }

    /// Breaks lines at spaces so that none is longer than `width`, where words allow it.
    static func wrap(_ text: String, width: Int) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { paragraph in
            var lines: [String] = []
            for word in paragraph.split(separator: " ", omittingEmptySubsequences: false) {
                if let last = lines.last, last.count + 1 + word.count <= width {
                    lines[lines.count - 1] = last + " " + word
                } else {
                    lines.append(String(word))
                }
            }
            return lines.joined(separator: "\n")
        }.joined(separator: "\n")
    }
}
