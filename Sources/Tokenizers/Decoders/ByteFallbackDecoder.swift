internal import System

/// Runs of tokens `<0xXX>` back to bytes; a run that is no UTF-8 becomes one U+FFFD for each of its bytes, so that nothing
/// of a run is certain before it ends.
struct ByteFallbackDecoder: DecoderComponent, TokenwiseDecoder {
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

    /// The run so far.
    var memory: [UInt8] { [] }

    func decode(_ token: [UInt8], _ run: inout [UInt8], _ output: inout [TokenPart]) {
        if let byte = byte(token) { return run.append(byte) }
        finish(&run, &output)
        output.append(.whole(token))
    }

    func finish(_ run: inout [UInt8], _ output: inout [TokenPart]) {
        guard !run.isEmpty else { return }
        if String(validating: run, as: UTF8.self) != nil {
            output.append(.whole(run))
        } else {
            for _ in run { output.append(.whole(Self.replacement)) }
        }
        run.removeAll()
    }
}
