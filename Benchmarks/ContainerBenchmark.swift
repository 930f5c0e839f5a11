internal import AdapterStore
internal import Diagnostics
internal import Glibc
internal import Kernels
internal import System

/// Size and speed of the checkpoint container: on the tensors of a real checkpoint, or on normally distributed ones
/// where none is given (their entropy is that of trained weights, Adam's m and v are not like them).
///
/// Speeds are in MB/s of float32: `codec` is transform, zstd and plane hashes alone; `file` adds the SHA-256 of every
/// tensor and of the file, reading back and comparing, fsync and rename.
struct ContainerBenchmark {
    let measuring: Measuring
    /// A checkpoint to take the tensors from.
    let checkpoint: String?
    /// A folder that gets the tensors of each role as raw float32, `ROLE.f32`, for other programs to compress.
    let dump: String?

    func run() throws {
        let codec = CheckpointCodec(
            kernels: KernelTable(try InstructionSet.selected()), pool: WorkerPool(threadCount: measuring.threadCount))
        let tensors = try Tensors(checkpoint, codec: codec)
        if let dump { try tensors.dump(to: dump) }
        let roles = tensors.streams.reduce(into: [StreamRole]()) { if !$0.contains($1.role) { $0.append($1.role) } }
        print(
            "libzstd \(Libraries().zstd), \(measuring.threadCount) threads, \(codec.kernels.instructionSet.rawValue)"
        )
        print("role        MB   ratio   bytes/element   codec encode   codec decode   file write   file read")
        for role in roles { try report(role.rawValue, tensors.streams.filter { $0.role == role }, codec) }
        if roles.count > 1 { try report("all", tensors.streams, codec) }
    }

    private func report(_ name: String, _ streams: [CheckpointStream], _ codec: CheckpointCodec) throws {
        var template = Array("/tmp/qlora-container-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("no temporary directory could be made") }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { try? FileSystem.removeTree(folder) }
        let path = FileSystem.join(folder, "a.qckpt")
        let summary = try CheckpointWriter.write(streams, header: JSONObject(), to: path, codec: codec)
        let file = try CheckpointFile(path, codec: codec)
        let megabytes = Double(summary.rawByteCount) / 1e6
        func speed(_ body: () throws -> Void) -> Double {
            megabytes / measuring.median(runs: 5, seconds: 0.5) { do { try body() } catch { fatalError("\(error)") } }
        }
        let encode = speed { _ = try CheckpointWriter.codedByteCount(streams, codec: codec) }
        let decode = speed { try file.verify(digests: false) }
        let write = speed { _ = try CheckpointWriter.write(streams, header: JSONObject(), to: path, codec: codec) }
        let read = speed { try CheckpointFile(path, codec: codec).verify() }
        let elements = Double(summary.rawByteCount) / 4
        print(
            padded(name, width: 8), aligned(megabytes, decimals: 1, width: 5),
            aligned(Double(summary.rawByteCount) / Double(summary.codedByteCount), decimals: 3, width: 7),
            aligned(Double(summary.byteCount) / elements, decimals: 3, width: 15),
            aligned(encode, decimals: 0, width: 14), aligned(decode, decimals: 0, width: 14),
            aligned(write, decimals: 0, width: 12), aligned(read, decimals: 0, width: 11))
    }

    /// Tensors in memory that stays until the process ends.
    private final class Tensors {
        private(set) var streams: [CheckpointStream] = []
        private var memory: [UnsafeMutableBufferPointer<Float>] = []

        init(_ checkpoint: String?, codec: CheckpointCodec) throws {
            guard let checkpoint else {
                var state: UInt64 = 1
                add("normal", .parameters, [16 << 20]) { _ in
                    var sum: Float = -6
                    for _ in 0..<12 {
                        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                        sum += Float(state >> 40) * 0x1p-24
                    }
                    return sum * 0.02
                }
                return
            }
            let file = try CheckpointFile(checkpoint, codec: codec)
            for stream in file.streams {
                add(stream.name, stream.role, stream.shape) { _ in 0 }
                try file.read(stream.name, stream.role, into: memory[memory.count - 1])
            }
        }

        private func add(_ name: String, _ role: StreamRole, _ shape: [Int], _ value: (Int) -> Float) {
            let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: shape.reduce(1, *))
            for index in buffer.indices { buffer[index] = value(index) }
            memory.append(buffer)
            streams.append(CheckpointStream(name: name, role: role, shape: shape, values: UnsafeBufferPointer(buffer)))
        }

        func dump(to folder: String) throws {
            try FileSystem.createDirectory(folder)
            var files: [StreamRole: AtomicFile] = [:]
            for stream in streams {
                let path = FileSystem.join(folder, "\(stream.role.rawValue).f32")
                let file = try files[stream.role] ?? AtomicFile(path)
                files[stream.role] = file
                try file.append(UnsafeRawBufferPointer(stream.values))
            }
            for file in files.values { try file.commit() }
        }
    }
}
