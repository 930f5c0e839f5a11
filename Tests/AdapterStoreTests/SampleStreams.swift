import AdapterStore
import Glibc
import Kernels
import System

/// Tensors with the distributions of an adapter in training, from a seed. Their memory stays until the process ends, so
/// that streams need not be kept alive.
final class SampleTensors {
    private(set) var streams: [CheckpointStream] = []
    private var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(state: seed) }

    /// Adds a tensor whose elements a function of the index gives.
    func add(_ name: String, _ role: StreamRole, _ shape: [Int], _ value: (Int) -> Float) {
        let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: shape.reduce(1, *))
        for index in buffer.indices { buffer[index] = value(index) }
        streams.append(
            CheckpointStream(name: name, role: role, shape: shape, values: UnsafeBufferPointer(buffer)))
    }

    /// Adds a tensor of normally distributed values of one standard deviation.
    func addNormal(_ name: String, _ role: StreamRole, _ shape: [Int], deviation: Float = 0.02) {
        add(name, role, shape) { _ in normal() * deviation }
    }

    /// An adapter of a few layers with Adam's moments, in the order of a trainer.
    static func adapter(seed: UInt64, layers: Int = 2, width: Int = 64, rank: Int = 4) -> SampleTensors {
        let tensors = SampleTensors(seed: seed)
        for role in [StreamRole.parameters, .firstMoment, .secondMoment] {
            for layer in 0..<layers {
                for site in ["q_proj", "v_proj", "down_proj"] {
                    let name = "model.layers.\(layer).\(site)"
                    for (half, shape) in [("A", [rank, width]), ("B", [width, rank])] {
                        if role == .secondMoment {
                            tensors.add("\(name).lora_\(half)", role, shape) { _ in
                                let gradient = tensors.normal() * 1e-3
                                return gradient * gradient
                            }
                        } else {
                            tensors.addNormal(
                                "\(name).lora_\(half)", role, shape, deviation: role == .parameters ? 0.05 : 1e-4)
                        }
                    }
                }
            }
        }
        return tensors
    }

    /// A float with every bit random, of those that are finite.
    func anyFinite() -> Float {
        while true {
            let value = Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
            if value.isFinite { return value }
        }
    }

    /// Irwin-Hall: the sum of twelve even draws, less six.
    func normal() -> Float {
        var sum: Float = -6
        for _ in 0..<12 { sum += Float(random.next() >> 40) * 0x1p-24 }
        return sum
    }
}

/// Sebastiano Vigna's SplitMix64.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// The codec of the strongest instruction set.
func testCodec(threads: Int = 2, _ set: InstructionSet = InstructionSet.supported.last ?? .portable) -> CheckpointCodec
{
    CheckpointCodec(kernels: KernelTable(set), pool: WorkerPool(threadCount: threads))
}

/// All tensors of a file, each as the bits of its elements, by `role/name`.
func contents(_ file: CheckpointFile) throws -> [String: [UInt32]] {
    var result: [String: [UInt32]] = [:]
    for stream in file.streams {
        let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: stream.count)
        defer { buffer.deallocate() }
        try file.read(stream.name, stream.role, into: buffer)
        result["\(stream.role.rawValue)/\(stream.name)"] = buffer.map(\.bitPattern)
    }
    return result
}

/// The same of tensors in memory.
func contents(_ streams: [CheckpointStream]) -> [String: [UInt32]] {
    Dictionary(
        uniqueKeysWithValues: streams.map { ("\($0.role.rawValue)/\($0.name)", $0.values.map(\.bitPattern)) })
}

/// Puts bytes into a file as they are, without a commit and without waiting for the disk.
func put(_ bytes: [UInt8], into path: String) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0, write(descriptor, bytes, bytes.count) == bytes.count, close(descriptor) == 0 else {
        fatalError("\(path) cannot be written")
    }
}
