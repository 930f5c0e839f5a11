internal import CZstd
internal import System

/// Decodes zstd frames as a stream (RFC 8878; several frames and skippable ones are accepted) with bounded memory.
///
/// Sizes that a file states about itself are never believed: memory is that of the window, at most 128 MiB, and the
/// decoded bytes are counted against a budget while they come (a gigabyte of zeros is 33 kB of zstd).
final class ZstdDecoder {
    /// log2 of the largest window that is accepted, the limit of the `zstd` tool.
    private static let windowLog: Int32 = 27
    /// The first bytes of a frame (RFC 8878, 3.1.1).
    static let magic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]

    private let stream: OpaquePointer
    private let file: String
    private let input: UnsafeRawBufferPointer
    /// Bytes of the input that were decoded.
    private(set) var position = 0
    /// 0 between frames, as `ZSTD_decompressStream` returned it.
    private var pending = 0
    private var budget: Int
    private let byteLimit: Int

    /// - Parameters:
    ///   - input: the compressed file; must outlive the decoder.
    ///   - file: its name, for messages.
    ///   - byteLimit: the most bytes that are decoded.
    init(_ input: UnsafeRawBufferPointer, file: String, byteLimit: Int) {
        guard let stream = ZSTD_createDStream() else { fatalError("no memory for a zstd decoder") }
        ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, Self.windowLog)
        self.stream = stream
        self.input = input
        self.file = file
        self.byteLimit = byteLimit
        budget = byteLimit
    }

    deinit { ZSTD_freeDStream(stream) }

    /// Decodes the next bytes.
    ///
    /// - Returns: how many bytes of `buffer` were filled; 0 at the end.
    /// - Throws: `badData` where the data is damaged, ends inside a frame, wants a larger window or exceeds the budget.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
        while position < input.count || pending != 0 {
            var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: position)
            var target = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
            let frameStart = position
            let result = ZSTD_decompressStream(stream, &target, &source)
            guard ZSTD_isError(result) == 0 else {
                throw Failure(
                    .badData, "the zstd data cannot be decoded: \(String(cString: ZSTD_getErrorName(result)))",
                    at: .init(file: file, byteOffset: frameStart),
                    remedy: "Compress it again, with a window of at most 128 MiB (without --long=28 or more)")
            }
            position = source.pos
            pending = result
            if target.pos > 0 {
                guard target.pos <= budget else {
                    throw Failure(
                        .badData, "the zstd data holds more than the \(byteLimit) bytes accepted for one file",
                        at: .init(file: file), remedy: "Decompress it and check what it is")
                }
                budget -= target.pos
                return target.pos
            }
            if position == input.count, pending != 0 {
                throw Failure(
                    .badData, "the zstd data ends inside a frame", at: .init(file: file, byteOffset: input.count),
                    remedy: "Copy the file again: its end is missing")
            }
        }
        return 0
    }
}
