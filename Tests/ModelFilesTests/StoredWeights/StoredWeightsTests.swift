import Kernels
import ModelFiles
import System
import Tensors
import TestSupport
import Testing

@Suite struct StoredWeightsTests {
    let directory = TemporaryDirectory()

    /// All values of a matrix in float32, read by the kernels.
    private func values(_ loaded: LoadedMatrix) -> [Float] {
        let rows = loaded.matrix.rows, columns = loaded.matrix.columns
        let context = ComputeContext(
            kernels: KernelTable(.portable), pool: WorkerPool(threadCount: 1), computeType: .float32)
        var result = [Float](repeating: .nan, count: rows * columns)
        let ids = (0..<Int32(rows)).map { $0 }
        result.withUnsafeMutableBufferPointer { output in
            let view = FloatMatrix(base: output.baseAddress!, rows: rows, columns: columns)
            withExtendedLifetime(loaded) {
                ids.withUnsafeBufferPointer {
                    context.gatherRows(loaded.matrix, ids: $0.baseAddress!, count: rows, into: view)
                }
            }
        }
        return result
    }

    private func checkpoint(_ file: TensorFile) throws -> Checkpoint {
        try file.write(directory.file("model.safetensors"))
        return try Checkpoint(directory: directory.path)
    }

    @Test(arguments: [
        ("plain", 6, 40, "nf4", 64, false, "float32"), ("fp4", 8, 24, "fp4", 64, false, "bfloat16"),
        ("odd", 3, 5, "nf4", 64, false, "float16"), ("nested", 257, 32, "nf4", 32, true, "bfloat16"),
        ("storage", 8, 32, "nf4", 128, true, "bfloat16"),
    ])
    func weightsOfBitsandbytesHaveItsValues(
        module: String, rows: Int, columns: Int, format: String, blockSize: Int, isNested: Bool, source: String
    ) throws {
        let checkpoint = try Checkpoint(file: Fixture.path("quantized.safetensors"))
        let loaded = try checkpoint.storedMatrix(module: module, rows: rows, columns: columns)
        #expect(loaded.format == format && loaded.blockSize == blockSize && loaded.sourceType == source)
        #expect(loaded.isDoubleQuantized == isNested)
        #expect(loaded.sourceTensors.count == (isNested ? 6 : 4) && loaded.sourceTensors[0] == "\(module).weight")
        let expected = try checkpoint.floats(named: "expected.\(module)", shape: [rows, columns])
        #expect(values(loaded).elementsEqual(expected.elements))
    }

    @Test func plainTypesAreRead() throws {
        var file = TensorFile()
        let numbers: [Float] = [1, -2, 0.5, 65504, -0, 0x1p-14]
        file.add("a.weight", [2, 3], floats: numbers)
        file.add("b.weight", [2, 3], .bfloat16, bytes: numbers.flatMap { Fixture.bytes(UInt16($0.bitPattern >> 16)) })
        file.add(
            "c.weight", [2, 3], .float16,
            bytes: [0x3C00, 0xC000, 0x3800, 0x7BFF, 0x8000, 0x0400].flatMap(Fixture.bytes))
        file.add("d.weight", [2, 3], .float8E4M3, bytes: [UInt8](repeating: 0, count: 6))
        let checkpoint = try checkpoint(file)
        for (module, format) in [("a", "float32"), ("c", "float16"), ("b", "bfloat16")] {
            let loaded = try checkpoint.storedMatrix(module: module, rows: 2, columns: 3)
            #expect(loaded.format == format && loaded.blockSize == nil)
            if module != "b" { #expect(values(loaded) == numbers) }
            #expect(
                try checkpoint.floats(named: "\(module).weight", shape: [2, 3]).elements.elementsEqual(values(loaded)))
        }
        let other = failure { _ = try checkpoint.storedMatrix(module: "d", rows: 2, columns: 3) }
        #expect(
            other?.kind == .unsupported && other?.what == "is stored as F8_E4M3; F32, BF16 and F16 weights are read")
        let vector = failure { _ = try checkpoint.floats(named: "d.weight", shape: [2, 3]) }
        #expect(vector?.what == "is stored as F8_E4M3; float types up to 64 bits are read")
        let shape = failure { _ = try checkpoint.storedMatrix(module: "a", rows: 3, columns: 2) }
        #expect(shape?.what == "the shape is [2, 3] where [3, 2] is expected" && shape?.place.tensor == "a.weight")
        #expect(
            failure { _ = try checkpoint.vector(named: "a.weight", count: 6) }?.what
                == "the shape is [2, 3] where [6] is expected")
    }

    @Test func everyFloat16IsConvertedExactly() throws {
        let finite = (0...UInt16.max).filter { $0 & 0x7C00 != 0x7C00 }
        var file = TensorFile()
        file.add("a", [finite.count], .float16, bytes: finite.flatMap(Fixture.bytes))
        let vector = try checkpoint(file).vector(named: "a", count: finite.count)
        for (index, bits) in finite.enumerated() {
            let fraction = Float(bits & 0x3FF) / 1024, exponent = Int(bits >> 10 & 31)
            let power = (0..<abs(max(exponent, 1) - 15)).reduce(Float(1)) { value, _ in
                exponent > 15 ? value * 2 : value / 2
            }
            let magnitude = (exponent == 0 ? fraction : 1 + fraction) * power
            #expect(vector.elements[index].bitPattern == (bits & 0x8000 == 0 ? magnitude : -magnitude).bitPattern)
        }
    }

    @Test(arguments: [0, 1, 1023, 1024, 2500, 4999])
    func whatIsNotFiniteIsFound(index: Int) throws {
        for (type, bits, text) in [
            (TensorType.float32, [UInt8](arrayLiteral: 0, 0, 0x80, 0x7F), "infinity"),
            (.float32, [0, 0, 0xC0, 0xFF], "NaN"),
            (.bfloat16, [0x80, 0xFF], "infinity"), (.bfloat16, [0x81, 0x7F], "NaN"), (.float16, [0, 0x7C], "infinity"),
            (.float16, [1, 0xFC], "NaN"), (.float64, [0, 0, 0, 0, 0, 0, 0xF0, 0x7F], "infinity"),
        ] {
            let width = bits.count
            // The largest finite numbers of both signs everywhere else.
            let largest: [UInt8] =
                switch type {
                case .float16: [0xFF, 0x7B]
                case .bfloat16: [0x7F, 0xFF]
                case .float32: [0xFF, 0xFF, 0x7F, 0xFF]
                default: [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xEF, 0xFF]
                }
            var bytes = [UInt8]((0..<5000).flatMap { _ in largest })
            var file = TensorFile()
            file.add("a", [5000], type, bytes: bytes)
            try checkpoint(file).requiredTensor(named: "a").checkFinite()
            bytes.replaceSubrange(index * width..<(index + 1) * width, with: bits)
            file.add("a", [5000], type, bytes: bytes)
            let tensor = try checkpoint(file).requiredTensor(named: "a")
            let found = try #require(failure { try tensor.checkFinite() })
            #expect(found.what.hasPrefix("element \(index) is \(text)"), "\(type) \(found)")
            #expect(found.place.byteOffset == tensor.entry.byteOffset + index * width)
        }
    }

    @Test func ourInt8IsRead() throws {
        var file = TensorFile()
        let codes = (0..<96).map { Int8($0 * 2 - 96) }
        file.add("e.weight", [96, 1], .signed8, bytes: codes.map { UInt8(bitPattern: $0) })
        file.add("e.weight.absmax", [3], floats: [0.5, 2, 0.25])
        file.add(
            "e.weight.quant_state.qlora__int8",
            json: "{\"quant_type\": \"int8\", \"blocksize\": 32, \"dtype\": \"bfloat16\", \"shape\": [4, 24]}")
        let loaded = try checkpoint(file).storedMatrix(module: "e", rows: 4, columns: 24)
        #expect(loaded.format == "int8" && loaded.blockSize == 32 && loaded.byteCount > 108)
        #expect(values(loaded) == (0..<96).map { Float(codes[$0]) * [0.5, 2, 0.25][$0 / 32] })
        file["e.weight"]?.type = .unsigned8
        let checkpoint = try checkpoint(file)
        #expect(
            failure { _ = try checkpoint.storedMatrix(module: "e", rows: 4, columns: 24) }?.what
                == "is stored as U8 where I8 is expected")
    }

    // MARK: - Damaged quantized weights

    struct Damage: Sendable, CustomTestStringConvertible {
        let message: String
        let tensor: String
        let module: String
        let change: @Sendable (inout TensorFile) -> Void
        var testDescription: String { message }

        init(
            _ message: String, at tensor: String = "", of module: String = "plain",
            _ change: @escaping @Sendable (inout TensorFile) -> Void
        ) {
            self.message = message
            self.tensor = "\(module).weight\(tensor)"
            self.module = module
            self.change = change
        }

        /// Replaces a part of the quantization state's text.
        static func state(_ message: String, _ old: String, _ new: String, of module: String = "plain") -> Damage {
            Damage(message, at: ".quant_state.bitsandbytes__nf4", of: module) { file in
                let name = "\(module).weight.quant_state.bitsandbytes__nf4"
                let text = String(decoding: file[name]?.bytes ?? [], as: UTF8.self)
                file.add(
                    name, json: text.split(separator: old, omittingEmptySubsequences: false).joined(separator: new))
            }
        }
    }

    static let damages: [Damage] = [
        Damage("240 elements in nf4 take 120 bytes, but the weight has 119") {
            $0.add("plain.weight", [119, 1], bytes: [UInt8](repeating: 0, count: 119))
        },
        Damage("the parts absmax, quant_map lie beside the weight, but no quantization state") {
            $0["plain.weight.quant_state.bitsandbytes__nf4"] = nil
        },
        Damage("has 2 quantization states: quant_state.bitsandbytes__fp4, quant_state.bitsandbytes__nf4") {
            $0.add("plain.weight.quant_state.bitsandbytes__fp4", json: "{}")
        },
        Damage("the quantization quant_state.other__x is not read; these are: nf4, fp4, int8, int4") {
            $0["plain.weight.quant_state.bitsandbytes__nf4"] = nil
            $0.add("plain.weight.quant_state.other__x", json: "{}")
        },
        Damage("its part absmax is missing") { $0["plain.weight.absmax"] = nil },
        Damage("its part quant_map is missing") { $0["plain.weight.quant_map"] = nil },
        Damage("its part nested_absmax is missing", of: "nested") { $0["nested.weight.nested_absmax"] = nil },
        Damage("its part nested_quant_map is missing", of: "nested") { $0["nested.weight.nested_quant_map"] = nil },
        Damage("is F32 [3] where F32 [4] is expected", at: ".absmax") {
            $0.add("plain.weight.absmax", [3], floats: [1, 1, 1])
        },
        Damage("is U8 [4] where F32 [4] is expected", at: ".absmax") {
            $0.add("plain.weight.absmax", [4], bytes: [1, 1, 1, 1])
        },
        Damage("is F32 [15] where F32 [16] is expected", at: ".quant_map") {
            $0.add("plain.weight.quant_map", [15], floats: [Float](repeating: 0, count: 15))
        },
        Damage("is F32 [1] where F32 [2] is expected", at: ".nested_absmax", of: "nested") {
            $0.add("nested.weight.nested_absmax", [1], floats: [1])
        },
        Damage("is F32 [255] where F32 [256] is expected", at: ".nested_quant_map", of: "nested") {
            $0.add("nested.weight.nested_quant_map", [255], floats: [Float](repeating: 0, count: 255))
        },
        Damage("is F32 [257] where U8 [257] is expected", at: ".absmax", of: "nested") {
            $0.add("nested.weight.absmax", [257], floats: [Float](repeating: 0, count: 257))
        },
        Damage("element 2 is infinity, the first that is not finite", at: ".absmax") {
            $0.add("plain.weight.absmax", [4], floats: [1, 1, .infinity, 1])
        },
        Damage("element 0 is NaN", at: ".nested_absmax", of: "nested") {
            $0.add("nested.weight.nested_absmax", [2], floats: [.nan, 1])
        },
        Damage("element 15 is NaN, the first that is not finite", at: ".quant_map") {
            $0.add("plain.weight.quant_map", [16], floats: [Float](repeating: 0, count: 15) + [.nan])
        },
        Damage("parts that its format does not have lie beside the weight: zero_point") {
            $0.add("plain.weight.zero_point", [1], floats: [1])
        },
        Damage("parts that its format does not have lie beside the weight: nested_absmax") {
            $0.add("plain.weight.nested_absmax", [1], floats: [1])
        },
        Damage(
            "is F32 [1] where JSON text in a U8 tensor of one dimension is expected",
            at: ".quant_state.bitsandbytes__nf4"
        ) { $0.add("plain.weight.quant_state.bitsandbytes__nf4", [1], floats: [1]) },
        Damage("the JSON text has 65537 bytes, more than 65536", at: ".quant_state.bitsandbytes__nf4") {
            $0.add("plain.weight.quant_state.bitsandbytes__nf4", json: String(repeating: " ", count: 65537))
        },
        Damage("holds an array where a JSON object is expected", at: ".quant_state.bitsandbytes__nf4") {
            $0.add("plain.weight.quant_state.bitsandbytes__nf4", json: "[]")
        },
        .state("unexpected text after the JSON document", "}", "}}"),
        .state("the quantization state has an unknown field", "\"blocksize\"", "\"extra\": 1, \"blocksize\""),
        .state("the field is missing", "\"blocksize\": 64, ", ""),
        .state("is not \"nf4\", which the tensor's name says", "\"nf4\"", "\"fp4\""),
        .state("is none of the block sizes [32, 64, 128, 256, 512, 1024, 2048, 4096]", ": 64", ": 48"),
        .state("is none of float32, bfloat16, float16", "float32", "int8"),
        .state("is no array", "[6, 40]", "240"),
        .state("holds something else than positive integers", "[6, 40]", "[6, -40]"),
        .state("is not 256", ": 256", ": 128", of: "nested"),
        .state("is not float32", "\"nested_dtype\": \"float32\"", "\"nested_dtype\": \"float16\"", of: "nested"),
        Damage(
            "is no number that float32 holds", at: ".quant_state.bitsandbytes__nf4", of: "nested"
        ) { file in
            let name = "nested.weight.quant_state.bitsandbytes__nf4"
            let text = String(decoding: file[name]?.bytes ?? [], as: UTF8.self).split(separator: "\"nested_offset\"")[0]
            file.add(name, json: text + "\"nested_offset\": 1e300}")
        },
    ]

    @Test(arguments: damages) func damageIsNamed(_ item: Damage) throws {
        var file = try TensorFile.reading(Fixture.path("quantized.safetensors"))
        item.change(&file)
        let shape = item.module == "plain" ? (6, 40) : (257, 32)
        let checkpoint = try checkpoint(file)
        let found = try #require(
            failure { _ = try checkpoint.storedMatrix(module: item.module, rows: shape.0, columns: shape.1) })
        #expect(found.what == item.message, "\(found)")
        #expect(found.place.tensor == item.tensor)
        #expect(found.place.file == directory.file("model.safetensors"))
        #expect(found.place.byteOffset != nil)
    }

    @Test func aShapeOfAnotherModelIsRefused() throws {
        let checkpoint = try Checkpoint(file: Fixture.path("quantized.safetensors"))
        let found = failure { _ = try checkpoint.storedMatrix(module: "plain", rows: 40, columns: 6) }
        #expect(found?.what == "the quantization state has the shape [6, 40] where [40, 6] is expected")
    }
}
