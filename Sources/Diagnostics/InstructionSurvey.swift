package import Kernels

/// Which of the processor's instructions for numbers this program has kernels for, and which lie idle.
package struct InstructionSurvey: Sendable {
    /// Instructions as people name them, with the kernel's names for them in `/proc/cpuinfo`.
    package struct Group: Sendable {
        package let name: String
        /// All of them make the group present.
        package let features: [String]
        /// The weakest set of kernels that is compiled for them; nil where no kernel is.
        package let usedFrom: InstructionSet?

        init(_ name: String, _ features: [String], from set: InstructionSet? = nil) {
            self.name = name
            self.features = features
            usedFrom = set
        }
    }

    /// Groups that the selected kernels use.
    package let used: [Group]
    /// Groups that this processor has and that a stronger set than the selected one would use.
    package let notSelected: [Group]
    /// Groups that this processor has and no kernel uses.
    package let unused: [Group]

    /// Compares features with the kernels of a set.
    ///
    /// - Parameters:
    ///   - features: as the kernel spells them, see `ProcessorInfo.features`.
    ///   - selected: the set whose kernels run.
    package init(features: [String], selected: InstructionSet) {
        let features = Set(features)
        let present = Self.known.filter { $0.features.allSatisfy(features.contains) }
        used = present.filter { group in group.usedFrom.map { $0 <= selected } ?? false }
        notSelected = present.filter { group in group.usedFrom.map { $0 > selected } ?? false }
        unused = present.filter { $0.usedFrom == nil }
    }

    /// Everything that computes on vectors or matrices, x86-64 before arm64, weaker before stronger.
    private static let known: [Group] = [
        Group("SSE2", ["sse2"], from: .portable),
        Group("SHA", ["sha_ni"], from: .portable),
        Group("AVX2", ["avx2"], from: .avx2),
        Group("FMA", ["fma"], from: .avx2),
        Group("F16C", ["f16c"], from: .avx2),
        Group("BMI2", ["bmi2"], from: .avx2),
        Group("AVX-512 F", ["avx512f"], from: .avx512),
        Group("AVX-512 CD", ["avx512cd"], from: .avx512),
        Group("AVX-512 BW", ["avx512bw"], from: .avx512),
        Group("AVX-512 DQ", ["avx512dq"], from: .avx512),
        Group("AVX-512 VL", ["avx512vl"], from: .avx512),
        Group("AVX-512 BF16", ["avx512_bf16"], from: .avx512bf16),
        Group("AVX-512 VNNI", ["avx512_vnni"]),
        Group("AVX-512 FP16", ["avx512_fp16"]),
        Group("AVX-512 VBMI", ["avx512vbmi"]),
        Group("AVX-512 VBMI2", ["avx512_vbmi2"]),
        Group("AVX-512 IFMA", ["avx512ifma"]),
        Group("AVX-512 BITALG", ["avx512_bitalg"]),
        Group("AVX-512 VPOPCNTDQ", ["avx512_vpopcntdq"]),
        Group("AVX-VNNI", ["avx_vnni"]),
        Group("AVX-IFMA", ["avx_ifma"]),
        Group("AMX TILE", ["amx_tile"]),
        Group("AMX BF16", ["amx_bf16"]),
        Group("AMX INT8", ["amx_int8"]),
        Group("AMX FP16", ["amx_fp16"]),
        Group("NEON", ["asimd"], from: .portable),
        Group("NEON SHA-256", ["sha2"], from: .portable),
        Group("NEON FP16", ["asimdhp"]),
        Group("NEON dot product", ["asimddp"]),
        Group("NEON int8 matrices", ["i8mm"]),
        Group("NEON BF16", ["bf16"]),
        Group("SVE", ["sve"]),
        Group("SVE2", ["sve2"]),
        Group("SME", ["sme"]),
    ]
}
