import ModelFiles
import QuantFormats
import Quantization
import System
import TestSupport
import Testing

/// What quantization refuses, and that nothing is left behind.
@Suite struct RefusalTests {
    @Test func quantizedModels() throws {
        for options in [QuantizationOptions(), QuantizationOptions(format: .int8)] {
            let workshop = Workshop()
            try workshop.quantize(try workshop.makeModel(), options)
            let error = failure { try workshop.quantize(workshop.output, to: workshop.directory.file("again")) }
            #expect(error?.kind == .unsupported)
            #expect(error?.what.hasPrefix("the model is already quantized: ") == true)
        }
        // Without its configuration it is recognised by its tensors.
        let workshop = Workshop()
        let model = try workshop.makeModel()
        try workshop.quantize(model)
        try AtomicFile.write(try FileReader.read(model + "/config.json"), to: workshop.output + "/config.json")
        let error = failure { try workshop.quantize(workshop.output, to: workshop.directory.file("again")) }
        #expect(error?.what.contains("quant_state.bitsandbytes__nf4") == true)
    }

    @Test(arguments: ["q_proj", "embed_tokens", "norm"])
    func weightsThatAreNotFinite(_ module: String) throws {
        for (bits, text) in [(0x7F80_0000 as UInt32, "infinity"), (0xFFC0_0000, "NaN")] {
            let workshop = Workshop()
            let model = try workshop.makeModel { declaration, bytes in
                guard declaration.name.hasSuffix("\(module).weight") else { return }
                withUnsafeBytes(of: bits) { bytes.replaceSubrange(12..<16, with: $0) }
            }
            let error = failure { try workshop.quantize(model) }
            #expect(error?.kind == .badData)
            #expect(error?.what.hasPrefix("element 3 is \(text)") == true, "\(String(describing: error))")
            #expect(error?.place.tensor?.hasSuffix("\(module).weight") == true)
            #expect(workshop.names == ["model"])
        }
    }

    @Test func weightsThatDoNotFitTheConfiguration() throws {
        let cases: [(String, Failure.Kind, String, (inout TensorDeclaration, inout [UInt8]) -> Void)] = [
            (
                "another shape", .badData, "the shape is [32, 128] where [64, 64] is expected",
                { declaration, _ in
                    guard declaration.name.hasSuffix("q_proj.weight") else { return }
                    declaration = TensorDeclaration(name: declaration.name, type: declaration.type, shape: [32, 128])
                }
            ),
            (
                "another name", .badData, "1 tensors of the model are missing: model.layers.0.self_attn.q_proj.weight",
                { declaration, _ in
                    guard declaration.name.hasSuffix("q_proj.weight") else { return }
                    declaration = TensorDeclaration(
                        name: "model.layers.0.self_attn.x.weight", type: declaration.type, shape: declaration.shape)
                }
            ),
            (
                "another type", .unsupported, "is stored as I32; F32, BF16 and F16 weights can be quantized",
                { declaration, _ in
                    guard declaration.name.hasSuffix("q_proj.weight") else { return }
                    declaration = TensorDeclaration(
                        name: declaration.name, type: .signed32, shape: declaration.shape)
                }
            ),
        ]
        for (name, kind, what, change) in cases {
            let workshop = Workshop()
            let model = try workshop.makeModel(change: change)
            let error = failure { try workshop.quantize(model) }
            #expect(error?.kind == kind, "\(name)")
            #expect(error?.what == what, "\(name)")
            #expect(workshop.names == ["model"])
        }
        let workshop = Workshop()
        let error = failure { try workshop.quantize(try workshop.makeModel(type: .float64)) }
        #expect(error?.what == "is stored as F64; F32, BF16 and F16 weights can be quantized")
    }

    @Test func outputsThatCannotBeMade() throws {
        let workshop = Workshop()
        let model = try workshop.makeModel()
        workshop.directory.write("file", "text")
        var error = failure { try workshop.quantize(model, to: workshop.directory.file("file")) }
        #expect(error?.kind == .cannotCreate)
        error = failure { try workshop.quantize(model, to: model) }
        #expect(error?.kind == .cannotCreate)
        #expect(
            error?.what == "the output directory is not empty: it holds config.json, model.safetensors, tokenizer.json")
        error = failure { try workshop.quantize(model, to: workshop.directory.file("file/below")) }
        #expect(error?.kind == .cannotCreate)
        // An empty directory is taken, and what a killed run left without saying what it is, is removed.
        try FileSystem.createDirectory(workshop.output)
        try FileSystem.createDirectory(workshop.directory.file(".out.unfinished/model/x"))
        try workshop.quantize(model)
        #expect(workshop.names == ["file", "model", "out"])
    }

    @Test func optionsThatDoNotFit() throws {
        let workshop = Workshop()
        let model = try workshop.makeModel()
        var error = failure { try workshop.quantize(model, QuantizationOptions(blockSize: 48)) }
        #expect(error?.kind == .usage)
        #expect(error?.what == "the block size 48 is not supported")
        error = failure { try workshop.quantize(model, QuantizationOptions(memoryLimit: 1 << 20)) }
        #expect(error?.kind == .usage)
        #expect(error?.what.hasPrefix("the memory limit of 1048576 bytes is too low: ") == true)
        #expect(workshop.names == ["model"])
    }

    @Test func filesThatAreNotWhatTheReportSays() throws {
        let workshop = Workshop()
        try workshop.quantize(try workshop.makeModel())
        let hashes = try #require(try StoredHashes(directory: workshop.output))
        let path = workshop.output + "/model.safetensors"
        let bytes = try FileReader.read(path)
        // The last byte belongs to a JSON text beside a weight, the one in the middle to codes.
        for position in [bytes.count - 3, bytes.count - 5000] {
            var damaged = bytes
            damaged[position] ^= 1
            try AtomicFile.write(damaged, to: path)
            let error = failure {
                _ = try StoredVerification.hashes(
                    Checkpoint(file: path), expected: hashes, reportFile: "quantization_report.json")
            }
            #expect(error?.kind == .badData)
            #expect(error?.what.contains("but quantization_report.json says ") == true)
        }
        try AtomicFile.write(#"{"tensors": [{"name": "a"}]}"#, to: workshop.output + "/quantization_report.json")
        #expect(
            failure { _ = try StoredHashes(directory: workshop.output) }?.place.field == "tensors[0]")
        try AtomicFile.write(#"{"tensors": 1}"#, to: workshop.output + "/quantization_report.json")
        #expect(failure { _ = try StoredHashes(directory: workshop.output) }?.what == "is no array")
    }
}
