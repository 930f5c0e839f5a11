internal import System

/// Runs of tokens `<0xXX>` back to bytes; a run that is no UTF-8 becomes one U+FFFD for each of its bytes.
struct ByteFallbackDecoder: Decoder {
    static let typeName = "ByteFallback"
    private static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]

    init(_ source: ComponentSource) throws(Failure) {}

    private func byte(_ token: [UInt8]) -> UInt8? {
        guard token.count == 6, token.starts(with: "<0x".utf8), token[5] == UInt8(ascii: ">") else { return nil }
        guard let high = Self.digit(token[3]), let low = Self.digit(token[4]) else { return nil }
        return high << 4 | low
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    func decode(_ tokens: inout [[UInt8]]) {
        var output: [[UInt8]] = []
        output.reserveCapacity(tokens.count)
        var run: [UInt8] = []
        func finishRun() {
            guard !run.isEmpty else { return }
            if String(validating: run, as: UTF8.self) != nil {
                output.append(run)
            } else {
                for _ in run { output.append(Self.replacement) }
            }
            run.removeAll()
        }
        for token in tokens {
            if let byte = byte(token) {
                run.append(byte)
            } else {
                finishRun()
                output.append(token)
            }
        }
        finishRun()
        tokens = output
    }

    func unfinishedCount(_ tokens: [[UInt8]]) -> Int {
        var tail: [UInt8] = []
        for token in tokens.suffix(3).reversed() {
            guard let byte = byte(token) else { break }
            tail.insert(byte, at: 0)
        }
        return UTF8Decoding.unfinishedCount(tail)
    }
}
