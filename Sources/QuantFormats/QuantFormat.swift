/// A way of storing weights in few bits: blocks of consecutive elements share a scale.
public struct QuantFormat: Sendable {
    /// The name on the command line and in files: `nf4`, `int8`, ….
    public let name: String
    package let coding: Coding
    /// Whether bitsandbytes has the format, so that a directory of it can be read by transformers.
    public let isBitsandbytes: Bool

    package init(name: String, coding: Coding, isBitsandbytes: Bool) {
        self.name = name
        self.coding = coding
        self.isBitsandbytes = isBitsandbytes
    }

    /// What a code stands for before it is scaled.
    package enum Coding: Sendable {
        /// 4 bits, an index into 16 values; the bytes lie as those of bitsandbytes do.
        case table4(FourBitTable)
        /// 8 bits, an integer from -127 to 127.
        case signed8
    }

    /// Bits of one code.
    public var codeBits: Int {
        switch coding {
        case .table4: 4
        case .signed8: 8
        }
    }

    /// Whether the scales can be quantized again ("double quantization").
    public var canDoubleQuantize: Bool {
        switch coding {
        case .table4: true
        case .signed8: false
        }
    }

    /// Bytes of the codes of `count` elements; an odd 4-bit count is padded with one code.
    package func codeByteCount(_ count: Int) -> Int {
        switch coding {
        case .table4: count / 2 + count % 2
        case .signed8: count
        }
    }

    /// The block sizes that are accepted: those of bitsandbytes.
    public static let blockSizes = [32, 64, 128, 256, 512, 1024, 2048, 4096]
}

/// The registry: a new format is one file in `Formats` and one line here.
public enum QuantFormats {
    public static let all: [QuantFormat] = [.nf4, .fp4, .int8, .int4]

    /// The format of a name, nil where there is none.
    public static func named(_ name: String) -> QuantFormat? { all.first { $0.name == name } }
}
