internal import CIntrinsics

#if canImport(Glibc)
internal import Glibc
#endif

/// The instruction sets that kernels are compiled for, weakest first.
public enum InstructionSet: String, CaseIterable, Sendable, Comparable {
    case portable
    case avx2
    case avx512
    case avx512bf16

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    public static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }

    /// Whether this processor runs it and this build holds it.
    public var isSupported: Bool {
        let features = qk_cpu_features()
        return switch self {
        case .portable: true
        case .avx2: features & UInt32(QK_CPU_AVX2) != 0
        case .avx512: features & UInt32(QK_CPU_AVX512) != 0
        case .avx512bf16: features & UInt32(QK_CPU_AVX512BF16) != 0
        }
    }

    /// Every set that this machine runs, weakest first.
    public static var supported: [InstructionSet] { allCases.filter(\.isSupported) }

    /// Whether products with bfloat16 inputs have an instruction of their own; they are never emulated.
    public var hasBFloat16Products: Bool { self == .avx512bf16 }

    /// The set that `QLORA_ISA` forces, or the strongest one.
    ///
    /// - Throws: the value of `QLORA_ISA` if it names no set or one that this processor lacks.
    public static func selected() throws(UnusableInstructionSet) -> InstructionSet {
        guard let value = getenv("QLORA_ISA").map({ String(cString: $0) }), !value.isEmpty else {
            return supported.last ?? .portable
        }
        guard let set = InstructionSet(rawValue: value), set.isSupported else {
            throw UnusableInstructionSet(name: value)
        }
        return set
    }
}

/// `QLORA_ISA` names an instruction set that does not exist or that this processor lacks.
public struct UnusableInstructionSet: Error, Sendable {
    public let name: String
}
