import AdapterStore
import Kernels
import System
import TestSupport
import Testing

/// `inspect` of a checkpoint from outside.
@Suite(.enabled(if: QLoRACommand.isBuilt)) struct InspectCheckpointTests {
    let directory = TemporaryDirectory()

    /// A checkpoint of two tensors, the second one three times.
    private func write(_ name: String) throws -> String {
        let path = directory.file(name)
        let codec = CheckpointCodec(kernels: KernelTable(.portable), pool: WorkerPool(threadCount: 1))
        let values = (0..<4096).map { Float($0) * 0.001 }, zeros = [Float](repeating: 0, count: 4096)
        try values.withUnsafeBufferPointer { values in
            try zeros.withUnsafeBufferPointer { zeros in
                _ = try CheckpointWriter.write(
                    [
                        CheckpointStream(name: "q.lora_A", role: .parameters, shape: [8, 512], values: values),
                        CheckpointStream(name: "q.lora_B", role: .parameters, shape: [512, 8], values: zeros),
                        CheckpointStream(name: "q.lora_A", role: .firstMoment, shape: [8, 512], values: zeros),
                        CheckpointStream(name: "q.lora_A", role: .secondMoment, shape: [8, 512], values: zeros),
                    ], header: JSONObject([("step", .integer(12)), ("base", .string("sha256:ab"))]), to: path,
                    codec: codec)
            }
        }
        return path
    }

    @Test func itsHeaderAndTensorsAreShown() throws {
        let path = try write("step-000000012.qckpt")
        let found = runQLoRA(arguments: ["inspect", path, "--json", "--verify"])
        #expect(found.status == 0, "\(found.standardError)")
        let document = try JSONParser.parse(found.standardOutput)
        #expect(document["kind"]?.string == "checkpoint" && document["verified"]?.bool == true)
        #expect(document["step"]?.integer == 12 && document["header"]?["base"]?.string == "sha256:ab")
        #expect(document["bytes"]?.integer == FileSystem.status(path)?.byteCount)
        #expect(document["sha256"]?.string == (try FileDigest.hex(path)))
        #expect(document["raw_bytes"]?.integer == 4 * 4096 * 4)
        #expect(document["roles"]?.array?.compactMap { $0["role"]?.string } == ["p", "m", "v"])
        #expect(document["roles"]?.array?.compactMap { $0["elements"]?.integer } == [8192, 4096, 4096])
        let tensors = document["tensors"]?.array ?? []
        #expect(tensors.count == 4 && tensors[0]["shape"]?.array?.compactMap(\.integer) == [8, 512])
        #expect(tensors[0]["transform"]?.string == "rotated-planes" && tensors[0]["sha256"]?.string?.count == 64)
        #expect(tensors[3]["same_as"]?["name"]?.string == "q.lora_B" && tensors[3]["coded_bytes"]?.integer == 0)

        let text = runQLoRA(arguments: ["inspect", path]).standardOutput
        for part in [
            "checkpoint", "step 12", "base: \"sha256:ab\"", "role p: 2 tensors", "same as q.lora_B p", "SHA-256",
        ] {
            #expect(text.contains(part), "\(text)")
        }
    }

    /// Known by its first bytes where the name is another, and by its name where those are damaged.
    @Test func aDamagedOneIsNamedWithTheByte() throws {
        let path = try write("renamed")
        #expect(runQLoRA(arguments: ["inspect", path]).standardOutput.contains("checkpoint"))
        var bytes = try FileReader.read(path)
        bytes[0] ^= 1
        let damaged = directory.write("step-000000012.qckpt.corrupt", bytes)
        let found = runQLoRA(arguments: ["inspect", damaged])
        #expect(found.status == 65)
        #expect(found.standardError.contains("\(damaged): byte 0: is no checkpoint"), "\(found.standardError)")
    }
}
