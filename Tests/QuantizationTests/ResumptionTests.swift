import Kernels
import ModelFiles
import QuantFormats
import Quantization
import System
import TestSupport
import Testing

/// Interrupted work goes on: what comes out is what an undisturbed run makes, to the bit, whatever happened before.
@Suite struct ResumptionTests {
    /// A workshop with a model and what an undisturbed run makes of it.
    private final class Bench {
        let workshop = Workshop()
        let model: String
        let options: QuantizationOptions
        let expected: [String: [UInt8]]

        init(_ options: QuantizationOptions = QuantizationOptions(), ties: Bool = false) throws {
            self.options = options
            model = try workshop.makeModel(ties: ties)
            try workshop.quantize(model, options)
            expected = try Self.files(workshop.output)
            try FileSystem.removeTree(workshop.output)
        }

        static func files(_ path: String) throws -> [String: [UInt8]] {
            try Dictionary(
                uniqueKeysWithValues: FileSystem.list(path).map { ($0, try FileReader.read(path + "/" + $0)) })
        }

        var folder: String { workshop.directory.file(".out.unfinished") }
        var weights: String { folder + "/model/.model.safetensors.unfinished" }
        var journal: String { folder + "/journal" }

        /// Quantizes as the verb does.
        ///
        /// - Returns: tensors that were found, and calls that were made.
        @discardableResult func run(
            _ operations: FailingOperations? = nil, options: QuantizationOptions? = nil, overwrite: Bool = false,
            interval: Double = 30
        ) throws -> (found: Int, calls: Int) {
            let operations = operations ?? FailingOperations(failing: .max, persists: false, error: 0)
            var writing = CheckpointQuantizer.Writing(), found = 0
            writing.resumes = true
            writing.overwrite = overwrite
            writing.operations = operations
            writing.synchronizeInterval = interval
            writing.onResume = { count, _ in found = count }
            _ = try CheckpointQuantizer(
                ModelDirectory(model), options: options ?? self.options, kernels: workshop.kernels,
                pool: WorkerPool(threadCount: 2)
            ).write(to: workshop.output, writing)
            return (found, operations.callCount)
        }

        /// A run that ends at a call, as by a kill: nothing that it would do behind it happens.
        func kill(at call: Int, error: Int32 = 28) throws -> Failure? {
            failure { try run(FailingOperations(failing: call, persists: true, error: error)) }
        }

        func expectWhole(_ comment: @autoclosure () -> String = "") throws {
            #expect(try Self.files(workshop.output) == expected, "\(comment())")
            #expect(workshop.names == ["model", "out"], "\(comment())")
            try FileSystem.removeTree(workshop.output)
        }
    }

    static let variants: [QuantizationOptions] = [
        QuantizationOptions(), QuantizationOptions(format: .int8, embeddingFormat: .nf4),
        QuantizationOptions(format: .fp4, isDoubleQuantized: false, shardByteCount: 9_000),
        QuantizationOptions(shardByteCount: 9_000), QuantizationOptions(format: nil),
    ]

    @Test("Killed at every call, with the write before it torn", arguments: variants.indices)
    func everyCall(variant: Int) throws {
        let bench = try Bench(Self.variants[variant])
        let callCount = try bench.run().calls
        try bench.expectWhole()
        #expect(callCount > 30)
        for call in 0..<callCount {
            let failure = try #require(try bench.kill(at: call), "call \(call)")
            #expect(failure.kind == .inputOutput)
            // Where the last call fails, the name is there and may be lost with the power, which the failure says.
            let isThere = FileSystem.linkStatus(bench.workshop.output) != nil
            #expect(isThere == (call == callCount - 1), "call \(call)")
            if !isThere { try bench.run() }
            try bench.expectWhole("call \(call)")
        }
    }

    @Test("Killed again and again, with data made durable behind every tensor")
    func repeatedKills() throws {
        let bench = try Bench()
        // So many calls suffice for a tensor, its line and its durability, and for the end.
        let calls = 16
        var runs = 0, found = 0, isDone = false
        while !isDone {
            runs += 1
            try #require(runs < 20)
            do {
                let operations = FailingOperations(failing: calls, persists: true, error: 5)
                found = try bench.run(operations, interval: 0).found
                isDone = true
            } catch { #expect((error as? Failure)?.kind == .inputOutput, "\(error)") }
        }
        #expect(runs > 5 && found > 10, "\(runs) runs, the last found \(found)")
        try bench.expectWhole()
    }

    @Test("What is whole is not made again, and the message says what is kept")
    func goesOn() throws {
        let bench = try Bench()
        let callCount = try bench.run().calls
        try bench.expectWhole()
        let failure = try #require(try bench.kill(at: callCount * 2 / 3))
        #expect(failure.what.contains("of 12 tensors are kept in \(bench.folder)"), "\(failure)")
        #expect(failure.remedy?.hasSuffix("The same command goes on") == true, "\(failure)")
        #expect(failure.what.contains("the disk is full"))
        let (found, calls) = try bench.run()
        #expect((5...11).contains(found))
        #expect(calls < callCount * 2 / 3)
        try bench.expectWhole()
    }

    /// An interrupted run with most tensors in the files.
    private func interrupted(_ bench: Bench) throws {
        let failure = try bench.kill(at: 55)
        try #require(failure != nil)
        try #require(FileSystem.isRegularFile(bench.weights) && FileSystem.isRegularFile(bench.journal))
    }

    @Test("Damage to what is kept costs the tensors it hits, never the result")
    func damage() throws {
        let bench = try Bench()
        try interrupted(bench)
        let weights = try FileReader.read(bench.weights), journal = try FileReader.read(bench.journal)
        func check(_ what: String, _ weights: [UInt8]?, _ journal: [UInt8]?) throws {
            try FileSystem.createDirectory(bench.folder + "/model")
            for (bytes, path) in [(weights, bench.weights), (journal, bench.journal)] {
                if let bytes { try AtomicFile.write(bytes, to: path) } else { try FileSystem.removeFile(path) }
            }
            try bench.run()
            try bench.expectWhole(what)
        }
        try check("as it was", weights, journal)
        var generator = MersenneTwister(seed: 7)
        for _ in 0..<40 {
            var bytes = weights
            let position = Int(generator.next()) % bytes.count
            bytes[position] ^= 1 << UInt8(generator.next() % 8)
            try check("bit at \(position) of the weights", bytes, journal)
            var lines = journal
            let place = Int(generator.next()) % lines.count
            lines[place] ^= 1 << UInt8(generator.next() % 8)
            try check("bit at \(place) of the journal", weights, lines)
            try check("journal cut at \(place)", weights, Array(journal.prefix(place)))
            try check("weights cut at \(position)", Array(weights.prefix(position)), journal)
            // Pages that a power loss took.
            var zeros = weights
            for index in position..<min(position + 4096, zeros.count) { zeros[index] = 0 }
            try check("zeros at \(position)", zeros, journal)
        }
        try check("more weights", weights + [UInt8](repeating: 1, count: 100_000), journal)
        try check("no weights", nil, journal)
        try check("no journal", weights, nil)
        try check("another journal", weights, Array("0123456789abcdef {}\n".utf8))
        try check("a line twice", weights, journal + journal.split(separator: 0x0A).last! + [0x0A])
    }

    @Test("Files of a run that was killed behind its last tensor are taken up again")
    func finishedFiles() throws {
        let bench = try Bench()
        let callCount = try bench.run().calls
        try bench.expectWhole()
        // The last calls make the directory durable, rename it and make that durable.
        _ = try bench.kill(at: callCount - 3)
        #expect(FileSystem.isRegularFile(bench.folder + "/model/model.safetensors"))
        bench.workshop.directory.write(".out.unfinished/model/.config.json.tmp.1.1", "torn")
        #expect(try bench.run().found == 12)
        try bench.expectWhole()
    }

    // MARK: - Other work

    private static let changes: [(name: String, change: @Sendable (inout QuantizationOptions) -> Void)] = [
        ("--format was nf4 and is fp4", { $0.format = .fp4 }), ("--block-size was 64 and is 32", { $0.blockSize = 32 }),
        ("--double-quant was true and is false", { $0.isDoubleQuantized = false }),
        (#"--keep was [] and is ["q_proj"]"#, { $0.keep = ["q_proj"] }),
        ("--embeddings was none and is int8", { $0.embeddingFormat = .int8 }),
        ("--memory-limit was not given and is 134217728", { $0.memoryLimit = 128 << 20 }),
    ]

    @Test("Other options are named and refused; with overwrite they begin anew", arguments: changes.indices)
    func otherOptions(index: Int) throws {
        let (name, change) = Self.changes[index]
        let bench = try Bench()
        try interrupted(bench)
        var options = bench.options
        change(&options)
        let refused = try #require(failure { try bench.run(options: options) })
        #expect(refused.kind == .usage)
        #expect(refused.what.hasSuffix("was started otherwise: \(name)"), "\(refused)")
        #expect(refused.remedy?.contains("--overwrite") == true)
        #expect(try bench.run().found > 3)
        try bench.expectWhole()
        try interrupted(bench)
        #expect(try bench.run(options: options, overwrite: true).found == 0)
        let result = try Bench.files(bench.workshop.output)
        try FileSystem.removeTree(bench.workshop.output)
        try bench.workshop.quantize(bench.model, options)
        #expect(try Bench.files(bench.workshop.output) == result)
    }

    @Test("Another source, configuration or instruction set is named and refused")
    func otherSource() throws {
        let bench = try Bench()
        try interrupted(bench)
        func refusal() -> String { failure { try bench.run() }?.what ?? "accepted" }
        let configuration = try FileReader.read(bench.model + "/config.json")
        try AtomicFile.write(configuration + [0x20], to: bench.model + "/config.json")
        #expect(refusal().contains("the source's config.json was "), "\(refusal())")
        try AtomicFile.write(configuration, to: bench.model + "/config.json")
        // The same bytes at another time may be others.
        try AtomicFile.write(
            FileReader.read(bench.model + "/model.safetensors"), to: bench.model + "/model.safetensors")
        #expect(refusal().contains("the source's model.safetensors was "), "\(refusal())")
        #expect(refusal().contains(" bytes of time "), "\(refusal())")
        let other = failure {
            var writing = CheckpointQuantizer.Writing()
            writing.resumes = true
            _ = try CheckpointQuantizer(
                ModelDirectory(bench.model), options: bench.options, kernels: KernelTable(.portable),
                pool: WorkerPool(threadCount: 1)
            ).write(to: bench.workshop.output, writing)
        }
        if InstructionSet.supported.count > 1 {
            #expect(other?.what.contains("the instruction set was ") == true, "\(String(describing: other))")
        }
        #expect(FileSystem.isRegularFile(bench.weights))
    }

    @Test("Overwriting replaces what quantize made, and nothing else")
    func overwriting() throws {
        let bench = try Bench()
        let output = bench.workshop.output
        try bench.run(options: QuantizationOptions(format: .int8))
        let refused = failure { try bench.run() }
        #expect(refused?.kind == .cannotCreate)
        #expect(refused?.remedy == "Give --overwrite to replace the quantized model in it, or name another directory")
        let former = try Bench.files(output)
        // The old model is there until the new one is.
        let failed = failure {
            try bench.run(FailingOperations(failing: 40, persists: true, error: 28), overwrite: true)
        }
        #expect(failed?.kind == .inputOutput)
        #expect(try Bench.files(output) == former)
        #expect(try bench.run(overwrite: true).found > 0)
        try bench.expectWhole()
        try bench.run()
        bench.workshop.directory.write("out/notes.txt", "mine")
        let foreign = failure { try bench.run(overwrite: true) }
        #expect(foreign?.kind == .cannotCreate && foreign?.what.contains("notes.txt") == true)
        // A model that was not quantized is no output.
        let model = failure {
            var writing = CheckpointQuantizer.Writing()
            writing.overwrite = true
            _ = try CheckpointQuantizer(
                ModelDirectory(bench.model), options: bench.options, kernels: bench.workshop.kernels,
                pool: WorkerPool(threadCount: 1)
            ).write(to: bench.model, writing)
        }
        #expect(model?.kind == .cannotCreate)
        #expect(FileSystem.isRegularFile(bench.model + "/model.safetensors"))
    }

    @Test("What a run leaves that was killed when all was done is removed by the next one, refused or not")
    func leftovers() throws {
        let bench = try Bench()
        try bench.run()
        func leave() {
            try? FileSystem.createDirectory(bench.folder + "/replaced")
            bench.workshop.directory.write(".out.unfinished/journal", "0")
            bench.workshop.directory.write(".out.unfinished/replaced/config.json", "{}")
        }
        leave()
        #expect(failure { try bench.run() }?.kind == .cannotCreate)
        #expect(bench.workshop.names == ["model", "out"])
        leave()
        #expect(try bench.run(overwrite: true).found == 0)
        try bench.expectWhole()
    }

    @Test("A directory that another process makes is refused, with its number")
    func occupied() throws {
        let bench = try Bench()
        try FileSystem.createDirectory(bench.folder)
        let lock = try DirectoryLock(bench.folder, owner: "run")
        let refused = failure { try bench.run() }
        #expect(refused?.kind == .cannotCreate)
        #expect(refused?.what.hasPrefix("the output directory is in use by the run with process id ") == true)
        withExtendedLifetime(lock) {}
    }

    @Test("The program, killed and stopped at any moment", .enabled(if: QLoRACommand.isBuilt))
    func killedProgram() throws {
        guard let program = QLoRACommand.path else { return }
        let workshop = Workshop()
        let model = try workshop.makeModel(width: 1024, inner: 2816, vocabulary: 4000)
        let whole = runQLoRA(arguments: ["quantize", model, "-o", workshop.directory.file("whole")])
        #expect(whole.status == 0, "\(whole.standardError)")
        var ends: [Int32: Int] = [:]
        for (index, delay) in ["0.02", "0.03", "0.05", "0.04", "0.07", "0.06", "0.1"].enumerated() {
            let signal = index % 2 == 0 ? "KILL" : "TERM"
            let result = runCommand(
                path: "/bin/bash",
                arguments: [
                    "-c",
                    "\(program) quantize \(model) -o \(workshop.output) --overwrite & child=$!; sleep \(delay); "
                        + "kill -\(signal) $child 2>/dev/null; wait $child",
                ])
            #expect([0, 137, 143].contains(result.status), "\(result.standardError)")
            ends[result.status, default: 0] += 1
        }
        #expect(ends.count > 0)
        let last = runQLoRA(arguments: ["quantize", model, "-o", workshop.output, "--overwrite"])
        #expect(last.status == 0, "\(last.standardError)")
        #expect(try Bench.files(workshop.output) == Bench.files(workshop.directory.file("whole")))
        #expect(workshop.names == ["model", "out", "whole"])
    }
}
