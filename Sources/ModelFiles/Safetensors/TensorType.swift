/// Element types of safetensors files, in the order of the reference writer's enumeration (its files are sorted by it,
/// descending).
public enum TensorType: String, Sendable, CaseIterable {
    case bool = "BOOL"
    case float4 = "F4"
    case float6E2M3 = "F6_E2M3"
    case float6E3M2 = "F6_E3M2"
    case unsigned8 = "U8"
    case signed8 = "I8"
    case float8E5M2 = "F8_E5M2"
    case float8E4M3 = "F8_E4M3"
    case float8E8M0 = "F8_E8M0"
    case float8E4M3FNUZ = "F8_E4M3FNUZ"
    case float8E5M2FNUZ = "F8_E5M2FNUZ"
    case signed16 = "I16"
    case unsigned16 = "U16"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case signed32 = "I32"
    case unsigned32 = "U32"
    case float32 = "F32"
    case complex64 = "C64"
    case float64 = "F64"
    case signed64 = "I64"
    case unsigned64 = "U64"

    /// The place in the reference writer's order.
    var rank: Int {
        guard let rank = Self.ranks[self] else { fatalError("an element type is missing from its own list") }
        return rank
    }

    private static let ranks = Dictionary(uniqueKeysWithValues: allCases.enumerated().map { ($1, $0) })

    /// Bits of one element.
    public var bitCount: Int {
        switch self {
        case .float4: 4
        case .float6E2M3, .float6E3M2: 6
        case .bool, .unsigned8, .signed8, .float8E5M2, .float8E4M3, .float8E8M0, .float8E4M3FNUZ, .float8E5M2FNUZ: 8
        case .signed16, .unsigned16, .float16, .bfloat16: 16
        case .signed32, .unsigned32, .float32: 32
        case .complex64, .float64, .signed64, .unsigned64: 64
        }
    }

    /// The name that PyTorch gives the type, as configurations and quantization states spell it: `bfloat16`.
    public var torchName: String {
        switch self {
        case .bool: "bool"
        case .float4: "float4_e2m1fn_x2"
        case .float6E2M3: "float6_e2m3"
        case .float6E3M2: "float6_e3m2"
        case .unsigned8: "uint8"
        case .signed8: "int8"
        case .float8E5M2: "float8_e5m2"
        case .float8E4M3: "float8_e4m3fn"
        case .float8E8M0: "float8_e8m0fnu"
        case .float8E4M3FNUZ: "float8_e4m3fnuz"
        case .float8E5M2FNUZ: "float8_e5m2fnuz"
        case .signed16: "int16"
        case .unsigned16: "uint16"
        case .float16: "float16"
        case .bfloat16: "bfloat16"
        case .signed32: "int32"
        case .unsigned32: "uint32"
        case .float32: "float32"
        case .complex64: "complex64"
        case .float64: "float64"
        case .signed64: "int64"
        case .unsigned64: "uint64"
        }
    }
}
