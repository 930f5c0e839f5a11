import System
import TestSupport
import Testing

/// `doctor` from outside.
@Suite(.enabled(if: QLoRACommand.isBuilt, "the program was not built beside the tests"))
struct DoctorTests {
    @Test func examinesThisMachine() throws {
        let directory = TemporaryDirectory()
        let result = runQLoRA(arguments: ["doctor", "--json", "--directory", directory.path, "--threads", "2"])
        #expect(result.status == 0, "\(result.standardError)")
        let document = try JSONParser.parse(result.standardOutput)
        #expect(document["self_test"]?["passed"]?.bool == true)
        let sets = document["self_test"]?["instruction_sets"]?.array ?? []
        #expect(sets.first?["instruction_set"]?.string == "portable")
        #expect(sets.count == document["kernels"]?["supported"]?.array?.count)
        #expect(sets.allSatisfy { ($0["checks"]?.array?.count ?? 0) > 60 })
        #expect(document["kernels"]?["selected"]?.string == sets.last?["instruction_set"]?.string)
        #expect(document["instructions"]?["used"]?.array?.isEmpty == false)
        #expect(document["peak"]?.array?.allSatisfy { ($0["gigaflops"]?.double ?? 0) > 0 } == true)
        #expect(document["memory_read"]?.array?.map { $0["threads"]?.integer } == [1, 2])
        #expect(document["disk"]?["directory"]?.string == FileSystem.canonicalPath(directory.path))
        #expect(document["disk"]?["bytes_per_second"]?.double ?? 0 > 0)
        #expect(document["libraries"]?["openblas_core"]?.string?.isEmpty == false)
        #expect(try FileSystem.list(directory.path).isEmpty)
    }

    @Test func textNamesEverythingAndAForcedSet() {
        let result = runQLoRA(arguments: ["doctor"], environment: ["QLORA_ISA": "portable"])
        #expect(result.status == 0, "\(result.standardError)")
        #expect(result.standardError.isEmpty)
        for title in [
            "program", "processor", "cores", "instructions", "kernels", "self-test", "peak", "memory read", "memory",
            "disk", "libraries",
        ] {
            #expect(result.standardOutput.contains("\n\(title) ") || result.standardOutput.hasPrefix(title), "\(title)")
        }
        #expect(result.standardOutput.contains("portable: 111 comparisons passed; the closest, "))
        #expect(result.standardOutput.contains("present but unused: "))
    }

    @Test func wrongDirectoriesAndSetsAreRefused() {
        let directory = runQLoRA(arguments: ["doctor", "--directory", "/nowhere/at/all"])
        #expect(directory.status == 66)
        #expect(directory.standardError.contains("/nowhere/at/all: there is no such directory. Give --directory"))
        let set = runQLoRA(arguments: ["doctor"], environment: ["QLORA_ISA": "avx1024"])
        #expect(set.status == 64)
    }
}
