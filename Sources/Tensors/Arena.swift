#if canImport(Glibc)
internal import Glibc
#endif

/// Owns memory aligned to 64 bytes (a cache line, a zmm register), zeroed.
///
/// Large memory comes from the kernel as it is: pages are taken when they are first written, and in pieces of 2 MB where
/// the kernel has them, so that walking rows that lie far apart does not miss the translation cache at every step.
public struct AlignedMemory: ~Copyable, @unchecked Sendable {
    // Unchecked: the owner never touches the bytes itself; access is partitioned by whoever holds the views.

    public let base: UnsafeMutableRawPointer
    public let byteCount: Int
    /// The mapping that holds the memory, where it is one.
    private let mapping: UnsafeMutableRawBufferPointer?

    /// From this many bytes on memory is mapped.
    private static let mappedByteCount = 4 << 20
    private static let hugePageByteCount = 2 << 20

    /// Takes `byteCount` bytes. The caller has checked the size against its budget: exhaustion ends the process.
    public init(byteCount: Int) {
        self.byteCount = byteCount
        #if canImport(Glibc)
        if byteCount >= Self.mappedByteCount {
            let length = byteCount + Self.hugePageByteCount
            guard
                let start = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                start != MAP_FAILED
            else { fatalError("the system gives no \(byteCount) bytes of memory") }
            base = start.alignedUp(toMultipleOf: Self.hugePageByteCount)
            mapping = UnsafeMutableRawBufferPointer(start: start, count: length)
            // Only advice: a kernel without large pages refuses it.
            _ = madvise(base, byteCount, MADV_HUGEPAGE)
            return
        }
        #endif
        mapping = nil
        base = UnsafeMutableRawPointer.allocate(byteCount: max(byteCount, 64), alignment: 64)
        base.initializeMemory(as: UInt8.self, repeating: 0, count: max(byteCount, 64))
    }

    deinit {
        #if canImport(Glibc)
        if let mapping {
            munmap(mapping.baseAddress, mapping.count)
            return
        }
        #endif
        base.deallocate()
    }

    /// The memory as floats.
    public var floats: UnsafeMutablePointer<Float> { base.assumingMemoryBound(to: Float.self) }
}

/// A place in an arena, known before the arena exists.
public struct ArenaSlot: Sendable {
    public let byteOffset: Int
    public let byteCount: Int
}

/// Lays out one arena: all sizes are summed before the first step, and nothing allocates inside it.
public struct ArenaPlan: Sendable {
    public private(set) var byteCount = 0
    /// What each slot is for and its size in bytes, in order: the itemised memory of a run.
    public private(set) var items: [(name: String, byteCount: Int)] = []

    public init() {}

    /// Reserves room for `count` elements of a type, aligned to 64 bytes.
    public mutating func reserve<Element>(_ name: String, _ type: Element.Type, count: Int) -> ArenaSlot {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
        guard !overflow, bytes >= 0, bytes < 1 << 48 else {
            fatalError("the arena slot \(name) has an impossible size")
        }
        let padded = (bytes + 63) & ~63
        let slot = ArenaSlot(byteOffset: byteCount, byteCount: bytes)
        byteCount += padded
        items.append((name, padded))
        return slot
    }
}

/// The memory of one plan.
public final class Arena: @unchecked Sendable {
    // Unchecked: slots do not overlap, and each is written by whoever its owner partitions it to.

    private let memory: AlignedMemory

    public init(_ plan: ArenaPlan) { memory = AlignedMemory(byteCount: plan.byteCount) }

    public var byteCount: Int { memory.byteCount }

    /// The elements of a slot.
    public func elements<Element>(_ slot: ArenaSlot, as type: Element.Type) -> UnsafeMutableBufferPointer<Element> {
        guard slot.byteOffset + slot.byteCount <= max(memory.byteCount, 64) else {
            fatalError("an arena slot belongs to another plan")
        }
        let base = (memory.base + slot.byteOffset).assumingMemoryBound(to: Element.self)
        return UnsafeMutableBufferPointer(start: base, count: slot.byteCount / MemoryLayout<Element>.stride)
    }

    /// A slot as a matrix of `rows` rows; the slot may be larger.
    public func matrix(_ slot: ArenaSlot, rows: Int, columns: Int) -> FloatMatrix {
        let floats = elements(slot, as: Float.self)
        guard rows * columns <= floats.count, let base = floats.baseAddress else {
            fatalError("a matrix of \(rows) x \(columns) does not fit its arena slot")
        }
        return FloatMatrix(base: base, rows: rows, columns: columns)
    }
}
