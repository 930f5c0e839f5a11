internal import CZstd
internal import System

/// Compression parameters, from the stable interface of zstd; none above level 12 (the block splitter of upstream's
/// 1.5.0 to 1.5.4 can corrupt data from level 16 on, zstd issue 3517).
enum ZstdParameters: Sendable {
    /// Practically Huffman coding alone: matches of 7 bytes from a table of 64 entries are hardly ever found. Exponents
    /// and first mantissa bytes of weights and of Adam's m have no repetitions, only a skewed distribution, and this is
    /// both smaller and twice as fast as level 3.
    case entropyOnly
    /// Level 1: Adam's v has structure along rows and columns.
    case level1
    /// Level 9, for the index.
    case level9

    fileprivate func apply(to context: OpaquePointer) {
        ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters)
        var parameters: [(ZSTD_cParameter, Int32)] = [(ZSTD_c_checksumFlag, 1), (ZSTD_c_contentSizeFlag, 1)]
        switch self {
        case .entropyOnly:
            parameters += [
                (ZSTD_c_compressionLevel, 1), (ZSTD_c_strategy, Int32(ZSTD_fast.rawValue)), (ZSTD_c_minMatch, 7),
                (ZSTD_c_hashLog, 6), (ZSTD_c_windowLog, ZstdFrames.windowLog), (ZSTD_c_targetLength, 0),
            ]
        case .level1: parameters += [(ZSTD_c_compressionLevel, 1), (ZSTD_c_windowLog, ZstdFrames.windowLog)]
        case .level9: parameters += [(ZSTD_c_compressionLevel, 9), (ZSTD_c_windowLog, ZstdFrames.acceptedWindowLog)]
        }
        for (parameter, value) in parameters where ZSTD_isError(ZSTD_CCtx_setParameter(context, parameter, value)) != 0
        {
            fatalError("this libzstd does not know the compression parameter \(parameter.rawValue)")
        }
    }
}

/// Single zstd frames (RFC 8878) with a checksum and the content's size, of a form that can be checked before decoding.
enum ZstdFrames {
    /// log2 of the window: that of the largest plane, 256 KiB.
    static let windowLog: Int32 = 18
    /// Windows that are accepted, for the index too.
    fileprivate static let acceptedWindowLog: Int32 = 20

    /// Compresses into room that is too small for a frame not worth having.
    ///
    /// - Returns: the size of the frame, nil where it did not fit.
    static func compress(
        _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, _ parameters: ZstdParameters,
        context: ZstdCompressor
    ) -> Int? {
        parameters.apply(to: context.pointer)
        let size = ZSTD_compress2(
            context.pointer, target.baseAddress, target.count, source.baseAddress, source.count)
        return ZSTD_isError(size) == 0 ? size : nil
    }

    /// Why bytes are not exactly one frame of the form that `compress` writes, with content of this size; nil if they
    /// are one. Nothing the frame says about itself is used for anything but this comparison.
    static func objection(to frame: UnsafeRawBufferPointer, contentByteCount: Int) -> String? {
        guard frame.count >= 9, frame[0] == 0x28, frame[1] == 0xB5, frame[2] == 0x2F, frame[3] == 0xFD else {
            return "no zstd frame begins here"
        }
        // Frame header descriptor: bit 2 checksum, bit 3 reserved, bits 0 and 1 dictionary, bit 5 single segment.
        let descriptor = frame[4]
        guard descriptor & 3 == 0 else { return "the zstd frame wants a dictionary" }
        guard descriptor & 4 != 0 else { return "the zstd frame has no checksum" }
        guard descriptor & 8 == 0 else { return "the zstd frame uses a reserved bit" }
        if descriptor & 32 == 0, 10 + Int32(frame[5] >> 3) > acceptedWindowLog {
            return "the zstd frame wants a window of 2^\(10 + frame[5] >> 3) bytes"
        }
        let stated = ZSTD_getFrameContentSize(frame.baseAddress, frame.count)
        guard stated == UInt64(contentByteCount) else {
            return "the zstd frame states a content of another size than the index (\(contentByteCount) bytes)"
        }
        let size = ZSTD_findFrameCompressedSize(frame.baseAddress, frame.count)
        guard ZSTD_isError(size) == 0 else {
            return "the zstd frame is damaged: \(String(cString: ZSTD_getErrorName(size)))"
        }
        guard size == frame.count else { return "the zstd frame ends before the bytes that the index gives it" }
        return nil
    }

    /// Decodes one frame into exactly the room of its content.
    ///
    /// - Returns: why that was not possible, nil where it was.
    static func decode(
        _ frame: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, context: ZstdDecompressor
    ) -> String? {
        if let objection = objection(to: frame, contentByteCount: target.count) { return objection }
        let size = ZSTD_decompressDCtx(
            context.pointer, target.baseAddress, target.count, frame.baseAddress, frame.count)
        guard ZSTD_isError(size) == 0 else {
            return "the zstd frame is damaged: \(String(cString: ZSTD_getErrorName(size)))"
        }
        return size == target.count ? nil : "the zstd frame holds \(size) bytes instead of \(target.count)"
    }

    fileprivate static func limitWindow(of context: OpaquePointer) {
        ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, acceptedWindowLog)
    }
}

/// Owns a compression context: reused, because making one takes as long as compressing 100 kB.
final class ZstdCompressor: @unchecked Sendable {
    // Unchecked: used by one task at a time.
    fileprivate let pointer: OpaquePointer

    init() {
        guard let pointer = ZSTD_createCCtx() else { fatalError("no memory for a zstd encoder") }
        self.pointer = pointer
    }

    deinit { ZSTD_freeCCtx(pointer) }
}

/// Owns a decompression context.
final class ZstdDecompressor {
    fileprivate let pointer: OpaquePointer

    init() {
        guard let pointer = ZSTD_createDCtx() else { fatalError("no memory for a zstd decoder") }
        self.pointer = pointer
        ZstdFrames.limitWindow(of: pointer)
    }

    deinit { ZSTD_freeDCtx(pointer) }
}
