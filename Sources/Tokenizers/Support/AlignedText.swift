/// Text on its way through the pipeline: valid UTF-8 and, where offsets are wanted, for every byte the range of the
/// original text that it stands for.
///
/// Every byte of a character has the range of the whole character; inserted text has an empty range.
struct AlignedText: Sendable {
    var bytes: [UInt8]
    /// First original byte of each byte; empty where offsets are not tracked.
    var starts: [Int]
    /// One past the last original byte of each byte; empty where offsets are not tracked.
    var ends: [Int]
    let tracksOffsets: Bool
    /// Whether this is the piece with which the original text begins; only of a piece that was not rewritten yet.
    private(set) var isAtStart = false

    init(tracksOffsets: Bool) {
        bytes = []
        starts = []
        ends = []
        self.tracksOffsets = tracksOffsets
    }

    /// Text without an origin.
    init(_ bytes: [UInt8]) {
        self.init(tracksOffsets: false)
        self.bytes = bytes
    }

    /// A piece of the original text, which begins at byte `base` of it.
    init(_ piece: UnsafeBufferPointer<UInt8>, base: Int, tracksOffsets: Bool) {
        self.init(tracksOffsets: tracksOffsets)
        bytes = Array(piece)
        isAtStart = base == 0
        guard tracksOffsets else { return }
        starts.reserveCapacity(bytes.count)
        ends.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            let end = min(bytes.count, index + UTF8Decoding.byteCount(first: bytes[index]))
            for _ in index..<end {
                starts.append(base + index)
                ends.append(base + end)
            }
            index = end
        }
    }

    var count: Int { bytes.count }

    /// The original range of a range of bytes; `0..<0` where offsets are not tracked.
    func original(_ range: Range<Int>) -> Range<Int> {
        guard tracksOffsets else { return 0..<0 }
        guard !range.isEmpty else {
            let position = range.lowerBound < count ? starts[range.lowerBound] : ends.last ?? 0
            return position..<position
        }
        let start = starts[range.lowerBound]
        return start..<max(start, ends[range.upperBound - 1])
    }

    /// Appends a range of another text with its origin.
    mutating func append(_ other: AlignedText, _ range: Range<Int>) {
        bytes.append(contentsOf: other.bytes[range])
        guard tracksOffsets else { return }
        starts.append(contentsOf: other.starts[range])
        ends.append(contentsOf: other.ends[range])
    }

    /// Appends new bytes that stand for one range of the original.
    mutating func append(_ new: [UInt8], origin: Range<Int>) {
        bytes.append(contentsOf: new)
        guard tracksOffsets else { return }
        for _ in new {
            starts.append(origin.lowerBound)
            ends.append(origin.upperBound)
        }
    }

    /// The part of a text.
    func slice(_ range: Range<Int>) -> AlignedText {
        if range == 0..<count { return self }
        var part = AlignedText(tracksOffsets: tracksOffsets)
        part.append(self, range)
        return part
    }

    /// Rewrites every character: `body` appends what one becomes, nothing to remove it.
    mutating func rewrite(_ body: (_ scalar: UInt32, _ output: inout [UInt8]) -> Void) {
        var output = AlignedText(tracksOffsets: tracksOffsets)
        output.bytes.reserveCapacity(count)
        var index = 0
        while index < count {
            let (scalar, length) = bytes.withUnsafeBufferPointer { UTF8Decoding.scalar($0.baseAddress!, index) }
            let before = output.count
            body(scalar, &output.bytes)
            if tracksOffsets {
                for _ in before..<output.count {
                    output.starts.append(starts[index])
                    output.ends.append(ends[index])
                }
            }
            index += length
        }
        self = output
    }

    /// Where `needle` begins, left to right without overlap; `needle` is not empty.
    func occurrences(of needle: [UInt8]) -> [Int] {
        var found: [Int] = []
        guard needle.count <= count else { return found }
        bytes.withUnsafeBufferPointer { bytes in
            let first = needle[0]
            var index = 0
            let last = bytes.count - needle.count
            while index <= last {
                guard bytes[index] == first else {
                    index += 1
                    continue
                }
                var offset = 1
                while offset < needle.count, bytes[index + offset] == needle[offset] { offset += 1 }
                if offset == needle.count {
                    found.append(index)
                    index += needle.count
                } else {
                    index += 1
                }
            }
        }
        return found
    }

    /// Replaces every occurrence of `needle` by `replacement`.
    mutating func replace(_ needle: [UInt8], with replacement: [UInt8]) {
        replace(occurrences(of: needle).map { $0..<$0 + needle.count }, with: replacement)
    }

    /// Replaces these ranges, which are in order and apart, by `replacement`.
    mutating func replace(_ ranges: [Range<Int>], with replacement: [UInt8]) {
        guard !ranges.isEmpty else { return }
        var output = AlignedText(tracksOffsets: tracksOffsets)
        output.bytes.reserveCapacity(count + ranges.count * replacement.count)
        var position = 0
        for range in ranges {
            output.append(self, position..<range.lowerBound)
            output.append(replacement, origin: original(range))
            position = range.upperBound
        }
        output.append(self, position..<count)
        self = output
    }
}
