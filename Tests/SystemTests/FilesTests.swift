import Glibc
import System
import TestSupport
import Testing

@Suite struct FilesTests {
    let directory = TemporaryDirectory()

    @Test func readsWholeFiles() throws {
        let path = directory.file("a.json")
        try AtomicFile.write("{\"a\": 1}", to: path)
        #expect(try FileReader.read(path) == Array("{\"a\": 1}".utf8))
        #expect(try FileReader.readJSONObject(path)["a"]?.integer == 1)
        #expect(try FileSystem.list(directory.path) == ["a.json"])
    }

    @Test func refusesWhatIsNoRegularFile() throws {
        let pipe = directory.file("pipe")
        #expect(mkfifo(pipe, 0o600) == 0)
        let link = directory.file("link")
        try AtomicFile.write("x", to: directory.file("target"))
        #expect(symlink(directory.file("target"), link) == 0)
        let cases: [(path: String, follows: Bool, kind: Failure.Kind, text: String)] = [
            (pipe, true, .badData, "is a pipe where a regular file is expected"),
            (directory.path, true, .badData, "is a directory where a regular file is expected"),
            ("/dev/zero", true, .badData, "is a device where a regular file is expected"),
            (link, false, .badData, "is a symbolic link where a regular file is expected"),
            (directory.file("none"), true, .inputMissing, "there is no such file"),
            (directory.file("target/below"), true, .inputMissing, "there is no such file"),
            (directory.file(String(repeating: "n", count: 300)), true, .inputMissing, "the path is too long"),
            ("a\0b", true, .badData, "the path contains a NUL byte"),
        ]
        for item in cases {
            for found in [
                failure { _ = try FileReader.read(item.path, followsLink: item.follows) },
                failure { _ = try MappedFile(item.path, followsLink: item.follows) },
            ] {
                #expect(found?.kind == item.kind)
                #expect(found?.what.contains(item.text) == true, "\(String(describing: found))")
            }
        }
        #expect(try FileReader.read(link) == [0x78])
    }

    @Test func refusesTooLargeAndNotUTF8() throws {
        let path = directory.file("a")
        try AtomicFile.write([0x61, 0xC3, 0xA4, 0xFF, 0x61], to: path)
        #expect(
            failure { _ = try FileReader.read(path, limit: 4) }?.what.contains("has 5 bytes, more than the 4") == true)
        let text = failure { _ = try FileReader.readText(path) }
        #expect(text?.place.byteOffset == 3)
        #expect(text?.what == "the text is not UTF-8")
        try AtomicFile.write("[1]", to: path)
        #expect(failure { _ = try FileReader.readJSONObject(path) }?.what.contains("holds an array") == true)
        try AtomicFile.write("{\n \"a\": x}", to: path)
        #expect(failure { _ = try FileReader.readJSON(path) }?.place.text == "\(path):2:7: byte 8")
    }

    @Test func mapsEmptyAndFullFiles() throws {
        let path = directory.file("a")
        try AtomicFile.write([], to: path)
        #expect(try MappedFile(path).byteCount == 0)
        try AtomicFile.write(Array(repeating: 7, count: 100_000), to: path)
        let mapped = try MappedFile(path)
        #expect(mapped.bytes.allSatisfy { $0 == 7 })
        try mapped.throwIfChanged()
        mapped.release(0..<100_000)
        #expect(mapped.bytes[99_999] == 7)
        // Replaced by a rename: the open file is still whole.
        try AtomicFile.write([1], to: path)
        try mapped.throwIfChanged()
        #expect(mapped.bytes[0] == 7)
    }

    @Test func survivesTruncationWhileMapped() throws {
        let path = directory.file("a")
        try AtomicFile.write(Array(repeating: 7, count: 1 << 20), to: path)
        let mapped = try MappedFile(path)
        let other = try MappedFile(path)
        #expect(mapped.bytes[5000] == 7)
        #expect(truncate(path, 4096) == 0)
        #expect(mapped.bytes[500_000] == 0)
        #expect(mapped.bytes[100] == 7)
        #expect(MappedFile.anyFault)
        for file in [mapped, other] {
            let found = failure { try file.throwIfChanged() }
            #expect(found?.kind == .inputOutput)
            #expect(found?.what == "the file was truncated from 1048576 to 4096 bytes while in use")
            #expect(found?.place.file == path)
        }
        // Grown again: the mark of the page that was missing stays.
        #expect(truncate(path, 1 << 20) == 0)
        #expect(failure { try mapped.throwIfChanged() }?.what == "the file could not be read while in use")
        #expect(failure { try other.throwIfChanged() }?.what == "the file was changed while in use")
    }

    @Test func aBusErrorElsewhereStillEndsTheProcess() async {
        await #expect(processExitsWith: .signal(SIGBUS)) {
            let directory = TemporaryDirectory()
            let path = directory.file("a")
            try AtomicFile.write(Array(repeating: 7, count: 8192), to: path)
            let registered = try MappedFile(path)
            let descriptor = open(path, O_RDWR)
            let foreign = mmap(nil, 8192, PROT_READ, MAP_PRIVATE, descriptor, 0)
            // Removed first: nothing after the fault could.
            try FileSystem.removeTree(directory.path)
            ftruncate(descriptor, 0)
            print(registered.bytes[0], foreign!.load(fromByteOffset: 4096, as: UInt8.self))
        }
    }

    @Test func anAtomicFileAppearsWholeOrNotAtAll() throws {
        let path = directory.file("a")
        try AtomicFile.write("old", to: path)
        do {
            let file = try AtomicFile(path)
            try file.append(Array("new".utf8))
            #expect(try FileSystem.list(directory.path).count == 2)
        }
        #expect(try FileSystem.list(directory.path) == ["a"])
        #expect(try FileReader.readText(path) == "old")
        let file = try AtomicFile(path)
        try file.append(Array("wor".utf8))
        [UInt8(ascii: "W")].withUnsafeBytes { bytes in try? file.write(bytes, at: 0) }
        try file.append(Array("ld".utf8))
        try file.commit()
        #expect(try FileReader.readText(path) == "World")
        #expect(try FileSystem.list(directory.path) == ["a"])
    }

    @Test func aFileSizeLimitLeavesTheOldFile() async {
        await #expect(processExitsWith: .exitCode(42)) {
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 4096, rlim_max: 4096)
            let directory = TemporaryDirectory()
            let path = directory.file("a")
            try AtomicFile.write("old", to: path)
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            let found = failure { try AtomicFile.write(Array(repeating: 1, count: 10_000), to: path) }
            let isNamed = found?.kind == .inputOutput && found?.what.contains("the file needs 10000 bytes") == true
            let isIntact = try FileReader.readText(path) == "old" && FileSystem.list(directory.path) == ["a"]
            try FileSystem.removeTree(directory.path)
            exit(isNamed && isIntact ? 42 : 1)
        }
    }

    @Test func namesOutputThatCannotBeCreated() throws {
        let missing = failure { try AtomicFile.write("x", to: directory.file("none/a")) }
        #expect(missing?.kind == .cannotCreate)
        #expect(missing?.what == "cannot create the file: No such file or directory")
        let taken = failure { try AtomicFile.write("x", to: directory.path) }
        #expect(taken?.what == "is a directory where a file is to be written")
        #expect(failure { try AtomicFile.write("x", to: "/proc/none/a") }?.kind == .cannotCreate)
    }

    @Test func createsAndRemovesDirectories() throws {
        let path = directory.file("a/b/c")
        try FileSystem.createDirectory(path)
        try FileSystem.createDirectory(path)
        for name in ["w", "x", "y", "z"] { try AtomicFile.write("x", to: path + "/" + name) }
        let found = OutputDirectory.notEmpty(path, holding: try FileSystem.list(path), remedy: "Use --overwrite")
        #expect(found.kind == .cannotCreate)
        #expect(
            found.description == "\(path): the output directory is not empty: it holds w, x, y, …. Use --overwrite.")
        let file = failure { try FileSystem.createDirectory(path + "/w") }
        #expect(file?.what == "is a regular file where a directory is to be created")
        #expect((FileSystem.freeByteCount(near: path + "/none/none") ?? 0) > 0)
        try FileSystem.removeTree(directory.file("a"))
        #expect(try FileSystem.list(directory.path).isEmpty)
    }

    @Test func takesPathsApart() {
        #expect(["/a/b", "b", "/b", "/", "a/b/"].map(FileSystem.parent) == ["/a", ".", "/", "/", "a"])
        #expect(["/a/b", "b", "/a/b/"].map(FileSystem.lastComponent) == ["b", "b", "b"])
        #expect(FileSystem.join("a", "b") == "a/b")
        #expect(FileSystem.join("a/", "/b") == "/b")
    }
}
