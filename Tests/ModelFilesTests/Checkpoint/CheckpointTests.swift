import Glibc
import ModelFiles
import System
import TestSupport
import Testing

@Suite struct CheckpointTests {
    let directory = TemporaryDirectory()

    private func weights(_ name: String, _ value: Float) -> TensorFile {
        var file = TensorFile()
        file.add(name, [2], floats: [value, value])
        return file
    }

    @Test func readsShardsOfTheReference() throws {
        let checkpoint = try Checkpoint(directory: Fixture.path("sharded"))
        #expect(checkpoint.files.count == 4)
        #expect(
            checkpoint.tensorNames == [
                "lm_head.weight", "model.a.weight", "model.b.weight", "model.c.weight", "model.d.weight",
                "model.huge.weight",
            ])
        #expect(checkpoint.byteCount == 784)
        #expect(try checkpoint.vector(named: "model.huge.weight", count: 100).count == 100)
        #expect(checkpoint.contains(module: "model.a") && !checkpoint.contains(module: "model.z"))
    }

    @Test func writesShardsLikeTheReference() throws {
        let source = try Checkpoint(directory: Fixture.path("sharded"))
        let order = try #require(FileReader.readJSON(Fixture.path("sharded/order.json")).array).compactMap(\.string)
        let writer = try CheckpointWriter(
            directory: directory.path,
            tensors: order.map { try TensorDeclaration(source.requiredTensor(named: $0).entry) },
            maximumShardByteCount: 220)
        for name in order.reversed() { try writer.write(name, source.requiredTensor(named: name).bytes) }
        try writer.finish()
        let names = writer.fileNames + ["model.safetensors.index.json"]
        #expect(try FileSystem.list(directory.path) == names)
        for name in names {
            #expect(
                try FileReader.read(directory.file(name)) == FileReader.read(Fixture.path("sharded/\(name)")), "\(name)"
            )
        }
    }

    @Test func lateTensorsGoToTheShardBesideTheirWeight() throws {
        let writer = try CheckpointWriter(
            directory: directory.path,
            tensors: [
                .init(name: "a.weight", type: .unsigned8, shape: [9]),
                .init(name: "b.weight", type: .unsigned8, shape: [9]),
            ],
            late: [(.init(name: "b.weight.state", maximumByteCount: 50), "b.weight")], maximumShardByteCount: 10)
        try writer.writeLate("b.weight.state", [1, 2, 3])
        for name in ["a.weight", "b.weight"] {
            try [UInt8](repeating: 7, count: 9).withUnsafeBytes { try writer.write(name, $0) }
        }
        try writer.finish()
        let checkpoint = try Checkpoint(directory: directory.path)
        let state = try checkpoint.requiredTensor(named: "b.weight.state")
        #expect(state.file.path.hasSuffix("model-00002-of-00002.safetensors") && Array(state.bytes) == [1, 2, 3])
        let index = try FileReader.readJSONObject(directory.file("model.safetensors.index.json"))
        #expect(index["metadata"]?["total_size"]?.integer == 21)
    }

    @Test func anAliasOfTheMetadataIsFollowedOnce() throws {
        try weights("lm_head.weight", 3).write(
            directory.file("model.safetensors"),
            metadata: [
                ("format", "pt"), ("model.embed_tokens.weight", "lm_head.weight"), ("x", "model.embed_tokens.weight"),
            ])
        let checkpoint = try Checkpoint(directory: directory.path)
        #expect(try checkpoint.vector(named: "model.embed_tokens.weight", count: 2).elements.elementsEqual([3, 3]))
        #expect(checkpoint.contains(module: "model.embed_tokens"))
        #expect(checkpoint.tensor(named: "x") == nil)
        try checkpoint.check(expected: ["model.embed_tokens", "lm_head"])
    }

    @Test func missingAndUnexpectedTensorsAreListed() throws {
        var file = TensorFile()
        for name in ["a.weight", "a.weight.absmax", "rotary_emb.inv_freq", "layers.0.rotary_emb.inv_freq", "norm"] {
            file.add(name, [1], floats: [1])
        }
        file.add("a\u{300}", [1], floats: [1])
        try file.write(directory.file("model.safetensors"))
        let checkpoint = try Checkpoint(directory: directory.path)
        try checkpoint.check(expected: ["a", "norm", "a\u{300}"])
        let unexpected = failure { try checkpoint.check(expected: ["a", "norm"]) }
        #expect(unexpected?.what == "1 tensors do not belong to the model of config.json: a\u{300}")
        let accent = failure { try checkpoint.check(expected: ["a", "norm", "\u{E0}"]) }
        #expect(accent?.what == "1 tensors of the model are missing: \u{E0}")
        let missing = failure { try checkpoint.check(expected: (0..<7).map { "m\($0)" }) }
        #expect(missing?.what == "7 tensors of the model are missing: m0, m1, m2, m3, m4 and 2 more")
        let absent = failure { _ = try checkpoint.vector(named: "b.a.weight", count: 1) }
        #expect(absent?.what == "the tensor is missing; there are a.weight")
        #expect(absent?.place.tensor == "b.a.weight")
    }

    @Test func truncationWhileInUseIsAnError() throws {
        var file = TensorFile()
        file.add("m.weight", [512, 256], floats: [Float](repeating: 1, count: 1 << 17))
        let path = directory.file("model.safetensors")
        try file.write(path)
        let checkpoint = try Checkpoint(directory: directory.path)
        let loaded = try checkpoint.storedMatrix(module: "m", rows: 512, columns: 256)
        #expect(truncate(path, 8192) == 0)
        let tensor = try checkpoint.requiredTensor(named: "m.weight")
        #expect(tensor.bytes.loadUnaligned(fromByteOffset: 400_000, as: Float.self) == 0)
        let found = failure { try checkpoint.throwIfChanged() }
        #expect(found?.kind == .inputOutput)
        #expect(found?.description.contains("\(path): the file was truncated from") == true)
        #expect(loaded.byteCount == 1 << 19)
    }

    // MARK: - Indexes and paths

    struct IndexCase: Sendable, CustomTestStringConvertible {
        let index: String
        let message: String
        var kind = Failure.Kind.badData
        var testDescription: String { message }
    }

    private static func map(_ text: String) -> String { "{\"metadata\":{},\"weight_map\":\(text)}" }

    private static func shard(_ name: String) -> String { map("{\"a\":\"\(name)\"}") }

    /// One.safetensors holds `a`, two.safetensors `b`; link.safetensors leads to one of them, pipe.safetensors is a pipe.
    static let indexCases: [IndexCase] = [
        .init(index: shard("../one.safetensors"), message: "the shard name \"../one.safetensors\" contains \"/\""),
        .init(index: shard("/etc/passwd"), message: "the shard name \"/etc/passwd\" contains \"/\""),
        .init(
            index: shard("a/../../x.safetensors"), message: "the shard name \"a/../../x.safetensors\" contains \"/\""),
        .init(index: shard("..%2fone.safetensors"), message: "the shard name \"..%2fone.safetensors\" contains \"%\""),
        .init(
            index: shard("one\\u0000.safetensors"), message: "the shard name \"one.safetensors\" contains character 0"),
        .init(index: shard("one\\n.safetensors"), message: "contains character 10"),
        .init(index: shard("\\\\one.safetensors"), message: "contains \"\\\""),
        .init(index: shard("~.safetensors"), message: "contains \"~\""),
        .init(index: shard("öne.safetensors"), message: "contains \"ö\""),
        .init(index: shard("."), message: "the shard name \".\" is a directory"),
        .init(index: shard(".."), message: "the shard name \"..\" is a directory"),
        .init(index: shard(""), message: "the shard name is empty"),
        .init(
            index: shard(String(repeating: "x", count: 250) + ".safetensors"),
            message: "the shard name has 262 bytes, more than 255"),
        .init(index: shard("one.bin"), message: "the shard \"one.bin\" is not a .safetensors file"),
        .init(
            index: shard("link.safetensors"),
            message: "was named by model.safetensors.index.json: such links are followed only into the blobs"),
        .init(index: shard("pipe.safetensors"), message: "is a pipe where a regular file is expected"),
        .init(index: shard("folder.safetensors"), message: "is a directory where a regular file is expected"),
        .init(
            index: shard("absent.safetensors"),
            message: "the file is missing although model.safetensors.index.json names it", kind: .inputMissing),
        .init(
            index: shard("dangling.safetensors"), message: "the symbolic link leads to nowhere, where there is nothing",
            kind: .inputMissing),
        .init(index: shard("cut.safetensors"), message: "the file has 3 bytes; a safetensors file begins with"),
        .init(
            index: map("{\"a\":\"one.safetensors\",\"c\":\"one.safetensors\"}"),
            message: "the index says that one.safetensors holds the tensor, but it does not"),
        .init(
            index: map("{\"a\":\"one.safetensors\",\"b\":\"three.safetensors\"}"),
            message: "three.safetensors holds the tensor, but the index does not name it"),
        .init(
            index: map("{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\",\"c\":\"three.safetensors\"}"),
            message: "both two.safetensors and three.safetensors hold the tensor"),
        .init(index: map("{\"a\":7}"), message: "holds a number where a file name is expected"),
        .init(index: map("{}"), message: "names no tensor"),
        .init(index: map("[]"), message: "holds an array where an object of tensor and file names is expected"),
        .init(index: "{}", message: "the field is missing"),
        .init(index: "[]", message: "holds an array where a JSON object is expected"),
        .init(
            index: map("{\"a\":\"one.safetensors\",\"a\":\"two.safetensors\"}"),
            message: "the key \"a\" appears twice in one object"),
        .init(index: "{\"weight_map\":", message: "JSON text ends where a value is expected"),
    ]

    @Test(arguments: indexCases) func aHostileIndexIsRefused(_ item: IndexCase) throws {
        try weights("a", 1).write(directory.file("one.safetensors"))
        try weights("b", 2).write(directory.file("two.safetensors"))
        var three = weights("b", 2)
        three.add("c", [1], floats: [1])
        try three.write(directory.file("three.safetensors"))
        symlink("one.safetensors", directory.file("link.safetensors"))
        symlink("nowhere", directory.file("dangling.safetensors"))
        mkfifo(directory.file("pipe.safetensors"), 0o600)
        try FileSystem.createDirectory(directory.file("folder.safetensors"))
        directory.write("cut.safetensors", [1, 2, 3])
        directory.write("model.safetensors.index.json", item.index)
        let found = try #require(failure { _ = try Checkpoint(directory: directory.path) })
        #expect(found.kind == item.kind)
        #expect(found.what.contains(item.message), "\(found)")
        #expect(found.place.file?.hasPrefix(directory.path) == true)
    }

    // MARK: - Links

    @Test func aSnapshotOfTheCacheIsFollowedIntoItsBlobs() throws {
        let cache = directory.file("models--org--a-name")
        let snapshot = cache + "/snapshots/0123"
        try FileSystem.createDirectory(snapshot + "/sub")
        try FileSystem.createDirectory(cache + "/blobs")
        try weights("a", 1).write(cache + "/blobs/feed")
        try AtomicFile.write("{\"weight_map\":{\"a\":\"one.safetensors\"}}", to: cache + "/blobs/beef")
        try AtomicFile.write("{}", to: cache + "/blobs/c0de")
        for (place, up) in [(snapshot, "../../blobs/"), (snapshot + "/sub", "../../../blobs/")] {
            symlink(up + "feed", place + "/one.safetensors")
            symlink(up + "beef", place + "/model.safetensors.index.json")
            symlink(up + "c0de", place + "/config.json")
            #expect(try Checkpoint(directory: place).vector(named: "a", count: 2).elements.elementsEqual([1, 1]))
            #expect(try Checkpoint(directory: place).files[0].path == place + "/one.safetensors")
        }
        #expect(try ModelDirectory(snapshot).originalName == "org/a-name")
        // Anywhere else a link that the index names is refused, in a snapshot too.
        unlink(snapshot + "/one.safetensors")
        try weights("a", 1).write(cache + "/elsewhere")
        symlink("../../elsewhere", snapshot + "/one.safetensors")
        #expect(
            failure { _ = try Checkpoint(directory: snapshot) }?.what.contains("followed only into the blobs") == true)
        unlink(snapshot + "/one.safetensors")
        symlink("../../blobs/again", snapshot + "/one.safetensors")
        symlink("../elsewhere", cache + "/blobs/again")
        #expect(
            failure { _ = try Checkpoint(directory: snapshot) }?.what
                == "is a symbolic link where a regular file is expected")
    }

    @Test func aLinkThatTheUserNamedIsFollowedOnce() throws {
        let model = directory.file("model")
        try FileSystem.createDirectory(model)
        try weights("a", 1).write(directory.file("target"))
        symlink("../target", model + "/model.safetensors")
        symlink("model", directory.file("alias"))
        #expect(try Checkpoint(directory: directory.file("alias")).tensorNames == ["a"])
        unlink(model + "/model.safetensors")
        symlink("../second", model + "/model.safetensors")
        symlink("target", directory.file("second"))
        #expect(
            failure { _ = try Checkpoint(directory: model) }?.description
                == "\(model)/model.safetensors: is a symbolic link where a regular file is expected. Put the file itself in its place."
        )
    }
}
