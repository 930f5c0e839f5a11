import System
import TestSupport
import Testing

@Suite struct DiskProbeTests {
    @Test func speedIsMeasuredAndNothingIsLeft() throws {
        let directory = TemporaryDirectory()
        let probe = try DiskProbe(directory: directory.path)
        #expect(probe.byteCount >= 4 << 20)
        #expect(probe.bytesPerSecond > 1e4 && probe.bytesPerSecond < 1e12)
        #expect(probe.commitSeconds > 0 && probe.commitSeconds < 60)
        #expect(try FileSystem.list(directory.path).isEmpty)
    }

    @Test func aDirectoryThatIsNoneIsRefused() {
        let directory = TemporaryDirectory()
        let refused = failure { _ = try DiskProbe(directory: directory.file("missing")) }
        #expect(refused?.kind == .cannotCreate)
        #expect(refused?.what.contains("cannot create a file in it") == true)
    }
}
