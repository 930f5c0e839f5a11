import Diagnostics
import Kernels
import Testing

@Suite struct SurveyTests {
    private func names(_ groups: [InstructionSurvey.Group]) -> [String] { groups.map(\.name) }

    @Test func idleInstructionsAreNamed() {
        let features = [
            "fpu", "sse2", "avx2", "fma", "f16c", "bmi2", "avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl",
            "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16", "amx_int8",
        ]
        let best = InstructionSurvey(features: features, selected: .avx512bf16)
        #expect(names(best.unused) == ["AVX-512 VNNI", "AMX TILE", "AMX BF16", "AMX INT8"])
        #expect(best.notSelected.isEmpty)
        #expect(names(best.used).first == "SSE2" && names(best.used).last == "AVX-512 BF16")
        let forced = InstructionSurvey(features: features, selected: .avx2)
        #expect(names(forced.used) == ["SSE2", "AVX2", "FMA", "F16C", "BMI2"])
        #expect(names(forced.notSelected).contains("AVX-512 BF16"))
        #expect(names(forced.unused) == names(best.unused))
    }

    @Test func armHasItsOwnNames() {
        let survey = InstructionSurvey(
            features: ["fp", "asimd", "sha2", "asimddp", "i8mm", "bf16", "sve"], selected: .portable)
        #expect(names(survey.used) == ["NEON", "NEON SHA-256"])
        #expect(names(survey.unused) == ["NEON dot product", "NEON int8 matrices", "NEON BF16", "SVE"])
    }

    @Test func librariesTellTheirVersions() {
        let libraries = Libraries()
        #expect(libraries.zstd.split(separator: ".").count == 3)
        #expect(libraries.zstdMayCorrupt == (libraries.zstd.hasPrefix("1.5.") && libraries.zstdNumber < 10505))
        #expect(libraries.system.hasPrefix("glibc "))
        #expect(!libraries.kernel.isEmpty && !libraries.architecture.isEmpty)
        #expect(!libraries.openBLAS.coreName.isEmpty)
    }
}
