import TestSupport
import Testing

/// The frame that every verb stands in: version, help, usage errors.
@Suite(.enabled(if: QLoRACommand.isBuilt, "the program was not built beside the tests"))
struct FrameTests {
    @Test(arguments: ["-v", "--version"])
    func printsTheVersionOnStandardOutput(option: String) {
        let result = runQLoRA(arguments: [option])
        #expect(result.status == 0)
        #expect(result.standardOutput.wholeMatch(of: /qlora \d+\.\d+\.\d+\n/) != nil)
        #expect(result.standardError.isEmpty)
    }

    @Test func withoutAVerbItPrintsHelp() {
        let result = runQLoRA(arguments: [])
        #expect(result.status == 0)
        #expect(result.standardOutput.contains("USAGE: qlora"))
    }

    @Test func unknownVerbsAreWrongUsage() {
        let result = runQLoRA(arguments: ["tokenise"])
        #expect(result.status == 64)
        #expect(result.standardOutput.isEmpty)
        #expect(!result.standardError.isEmpty)
    }
}
