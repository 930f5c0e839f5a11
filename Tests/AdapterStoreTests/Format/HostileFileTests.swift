import AdapterStore
import System
import TestSupport
import Testing

/// Files that nobody vouches for: each is refused with the file and the byte, none crashes or takes memory by its word.
@Suite struct HostileFileTests {
    let directory = TemporaryDirectory()
    let tensors = SampleTensors.adapter(seed: 11)

    private func original() throws -> ContainerBytes {
        let path = directory.file("step-000000010.qckpt")
        _ = try CheckpointWriter.write(
            tensors.streams, header: JSONObject([("step", .integer(10))]), to: path, codec: testCodec())
        return ContainerBytes(try FileReader.read(path))
    }

    private func refusal(_ bytes: [UInt8]) throws -> Failure? {
        let path = directory.write("bad.qckpt", bytes)
        return failure {
            let file = try CheckpointFile(path, codec: testCodec(threads: 1))
            try file.verify()
        }
    }

    /// Expects a refusal with a text, naming the file and an offset.
    private func expectRefusal(
        _ bytes: [UInt8], _ text: String, _ kind: Failure.Kind = .badData, _ place: SourceLocation = #_sourceLocation
    ) throws {
        let found = try refusal(bytes)
        #expect(found?.kind == kind, "\(String(describing: found))", sourceLocation: place)
        #expect(found?.what.contains(text) == true, "\(String(describing: found))", sourceLocation: place)
        #expect(found?.place.file == directory.file("bad.qckpt"), sourceLocation: place)
        #expect(found?.place.byteOffset != nil, sourceLocation: place)
    }

    @Test func whatIsRewrittenUnchangedIsAccepted() throws {
        let original = try original()
        #expect(original.sealed() == original.bytes)
        #expect(try refusal(original.rewriting { $0 }) == nil)
    }

    @Test func theFixedPartsAreChecked() throws {
        let original = try original()
        let count = original.bytes.count
        try expectRefusal([], "does not begin as one")
        try expectRefusal(
            Array("not a checkpoint at all, but long enough to hold a footer".utf8) + [UInt8](repeating: 0, count: 80),
            "does not begin as one")
        try expectRefusal(Array(original.bytes.prefix(50)), "the end of the checkpoint is missing")
        try expectRefusal(Array(original.bytes.dropLast()), "the end of the checkpoint is missing")
        try expectRefusal(original.bytes + [0], "the end of the checkpoint is missing")
        // A whole footer behind another: lengths disagree.
        try expectRefusal(original.bytes + original.bytes.suffix(80), "its footer says \(count)")
        try expectRefusal(original.sealed { $0.replace(8, with: [2, 0, 0, 0]) }, "version 2", .unsupported)
        try expectRefusal(original.sealed { $0.replace(12, with: [1, 0, 0, 0]) }, "flags 1", .unsupported)
        let footer = count - 80
        for (offset, text) in [
            (footer, "does not lie between"), (footer + 8, "does not lie between"), (footer + 16, "larger than"),
            (footer + 64, "its footer says"),
        ] {
            for value in [UInt64.max, 1 << 63, 1 << 62] {
                try expectRefusal(original.sealed { $0.replace(offset, with: ContainerBytes.word(value)) }, text)
            }
        }
        try expectRefusal(original.sealed { $0.replace(footer + 24, with: [0]) }, "its hash is another")
        try expectRefusal(original.bytes.replacing(footer + 40, with: [0, 0]), "the SHA-256 of the file is another")
        // The index states one byte more or less than it holds.
        let indexByteCount = original.indexByteCount
        for wrong in [0, 1, indexByteCount - 1, indexByteCount + 1, 32 << 20] {
            try expectRefusal(
                original.sealed { $0.replace(footer + 16, with: ContainerBytes.word(UInt64(wrong))) },
                "content of another size")
        }
    }

    @Test func theIndexDescribesEveryByteOnce() throws {
        let original = try original()
        let cases: [(String, String, String)] = [
            ("\"header\":{", "\"heading\":{", "lacks its header"),
            ("\"groups\":[{", "\"groups\":[[],{", "role is not"),
            ("\"role\":\"p\",\"transform\"", "\"role\":\"P\",\"transform\"", "role is not"),
            ("\"planes\":[[16,", "\"planes\":[[17,", "does not follow the one before"),
            ("\"planes\":[[16,", "\"planes\":[[-1,", "does not follow the one before"),
            ("\"planes\":[[16,", "\"planes\":[[16.0,", "is not [offset"),
            ("\"planes\":[[16,", "\"planes\":[[16,9223372036854775807,", "is not [offset"),
            ("\"planes\":[[16,", "\"planes\":[[16,1,1,\"0123456789abcdef\"],[17,", "all their planes"),
            ("\"dtype\":\"F32\"", "\"dtype\":\"F64\"", "dtype"),
            ("\"shape\":[4,64]", "\"shape\":[4,65]", "does not follow the one before it"),
            ("\"shape\":[4,64]", "\"shape\":[4,63]", "does not follow the one before it"),
            ("\"shape\":[4,64]", "\"shape\":[-4,-64]", "no natural number"),
            ("\"shape\":[4,64]", "\"shape\":[4.0,64]", "no natural number"),
            ("\"shape\":[4,64]", "\"shape\":[4611686018427387904,4]", "impossibly large"),
            ("\"shape\":[4,64]", "\"shape\":[1,1,1,1,1,1,1,4,64]", "no shape of at most 8"),
            ("\"group\":0,\"start\":0", "\"group\":1,\"start\":0", "does not follow the one before it"),
            ("\"group\":0,\"start\":0", "\"group\":-1,\"start\":0", "does not follow the one before it"),
            ("\"group\":0,\"start\":0", "\"group\":0,\"start\":4", "does not follow the one before it"),
            ("\"group\":0,\"start\":0", "\"same_as\":0", "the same as none before it"),
            ("\"group\":0,\"start\":0", "\"same_as\":-1", "the same as none before it"),
            ("\"start\":256,", "\"start\":0,", "does not follow the one before it"),
            ("layers.0.q_proj.lora_B", "layers.0.q_proj.lora_A", "appears twice"),
            ("model.layers.0.q_proj.lora_A", "", "no usable name"),
            ("model.layers.0.q_proj.lora_A", "a\\u0000b", "no usable name"),
            ("model.layers.0.q_proj.lora_A", String(repeating: "n", count: 1025), "no usable name"),
            ("\"sha256\":\"", "\"sha256\":\"G", "no SHA-256"),
            ("\"header\":{", "\"header\":\(String(repeating: "[", count: 100_000)),{", "no JSON document"),
            ("{\"header\"", "{\"groups\":[],\"header\"", "no JSON document"),
        ]
        for (text, replacement, message) in cases {
            let bytes = try original.rewriting { index in
                guard let changed = index.replacingFirst(text, with: replacement) else {
                    fatalError("the index does not hold \(text)")
                }
                return changed
            }
            try expectRefusal(bytes, message)
        }
        try expectRefusal(
            try original.rewriting { index in
                index.replacingFirst("rotated-planes", with: "ordered-difference") ?? index
            }, "transform \"ordered-difference\" is not supported", .unsupported)
        // Streams that leave a group unfilled: the last one is missing.
        try expectRefusal(
            try original.rewriting { index in
                guard let last = index.rangeOfLast(",{\"name\":") else { fatalError("no last stream") }
                return index[..<last] + "]}"
            }, "do not fill the groups")
        let wrongDigest = try original.rewriting { index in
            guard
                let place = index.replacingFirst(
                    "\"sha256\":\"", with: "\"sha256\":\"\(String(repeating: "0", count: 64))\",\"was\":\"")
            else { fatalError("no digest") }
            return place
        }
        try expectRefusal(wrongDigest, "its SHA-256 is another")
    }

    @Test func framesMustBeWhatTheIndexSays() throws {
        let original = try original()
        let plane = try original.firstCodedPlane()
        let frame = Array(original.bytes[plane])
        // Damage inside a frame whose every hash was made right again.
        for offset in [0, 4, 5, frame.count / 2, frame.count - 1] {
            var bad = frame
            bad[offset] ^= 0x40
            let found = try refusal(try original.replacingPlane(plane, with: bad))
            #expect(
                found?.kind == .badData && found?.place.byteOffset == plane.lowerBound, "\(String(describing: found))")
        }
        // A skippable frame, a second frame behind a shorter first one, no checksum, a dictionary, a forged size.
        let skippable: [UInt8] =
            [0x50, 0x2A, 0x4D, 0x18] + ContainerBytes.word(UInt64(frame.count - 8)).prefix(4)
            + [UInt8](repeating: 0, count: frame.count - 8)
        try expectRefusal(try original.replacingPlane(plane, with: skippable), "no zstd frame begins here")
        var twice = Array(frame.dropLast(13)) + [0x28, 0xB5, 0x2F, 0xFD, 0x20, 0, 1, 0, 0, 0, 0, 0, 0]
        try expectRefusal(try original.replacingPlane(plane, with: twice), "damaged")
        twice = frame
        twice[4] &= ~4
        try expectRefusal(try original.replacingPlane(plane, with: twice), "no checksum")
        twice = frame
        twice[4] |= 1
        try expectRefusal(try original.replacingPlane(plane, with: twice), "dictionary")
        // 26 bytes that announce 2^60.
        let forged: [UInt8] =
            [0x28, 0xB5, 0x2F, 0xFD, 0xE4] + ContainerBytes.word(1 << 60) + [UInt8](repeating: 1, count: 13)
        try expectRefusal(try original.replacingPlane(plane, with: forged), "content of another size")
        // A window of 2^41 bytes.
        let wide: [UInt8] =
            [0x28, 0xB5, 0x2F, 0xFD, 0xC4, 0xF8] + ContainerBytes.word(UInt64(256)) + [UInt8](repeating: 1, count: 13)
        try expectRefusal(try original.replacingPlane(plane, with: wide), "window")
    }

    @Test func readsRefuseWhatDoesNotFit() throws {
        _ = try original()
        let file = try CheckpointFile(directory.file("step-000000010.qckpt"), codec: testCodec())
        let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 255)
        defer { buffer.deallocate() }
        buffer.update(repeating: 1)
        let name = "model.layers.0.q_proj.lora_A"
        let wrongSize = failure { try file.read(name, .parameters, into: buffer) }
        #expect(wrongSize?.what.contains("[4, 64]") == true)
        #expect(buffer.allSatisfy { $0.isNaN })
        buffer.update(repeating: 1)
        let missing = failure { try file.read("none", .parameters, into: buffer) }
        #expect(missing?.place.tensor == "none")
        #expect(buffer.allSatisfy { $0.isNaN })
        let otherRole = failure { try file.read(name, StreamRole(rawValue: "x"), into: buffer) }
        #expect(otherRole?.kind == .badData)
        let tooLarge = failure {
            _ = try CheckpointFile(directory.file("step-000000010.qckpt"), codec: testCodec(), rawByteLimit: 10_000)
        }
        #expect(tooLarge?.what.contains("more than the 10000 accepted") == true)
    }
}
