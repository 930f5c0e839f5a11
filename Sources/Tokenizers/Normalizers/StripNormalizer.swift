internal import System

/// Removes white space at the ends of a piece.
struct StripNormalizer: NormalizerComponent {
    static let typeName = "Strip"
    private let stripsLeft: Bool
    private let stripsRight: Bool

    init(_ source: ComponentSource) throws(Failure) {
        stripsLeft = try source.bool("strip_left", default: true)
        stripsRight = try source.bool("strip_right", default: true)
    }

    func normalize(_ text: inout AlignedText) {
        let range = text.bytes.withUnsafeBufferPointer { bytes -> Range<Int> in
            guard let pointer = bytes.baseAddress else { return 0..<0 }
            let start = stripsLeft ? WhiteSpace.end(pointer, from: 0, to: bytes.count) : 0
            let end = stripsRight ? WhiteSpace.start(pointer, before: bytes.count, from: start) : bytes.count
            return start..<end
        }
        text = text.slice(range)
    }
}
