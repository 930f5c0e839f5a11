internal import Glibc

/// What this process takes of the machine's memory, and how much more it may take.
public enum MemoryProbe {
    /// Memory of this process in bytes, as the kernel counts it.
    public struct Usage: Sendable {
        /// Pages in memory now: anonymous, of files, and shared.
        public let resident: Int
        /// The most that was ever resident, pages of mapped files included.
        public let peakResident: Int
        /// Pages that belong to no file: what must fit, because nothing but a swap could take them.
        public let anonymous: Int
        /// Pages of mapped files, which the kernel may drop and read again.
        public let file: Int
        /// Address space, taken or merely reserved.
        public let virtual: Int
    }

    /// The usage now; 20 microseconds. Zeros where there is no `/proc`.
    public static func usage() -> Usage {
        let status = KernelText.read("/proc/self/status") ?? ""
        func bytes(_ key: String) -> Int { KernelText.bytes(key, in: status) ?? 0 }
        return Usage(
            resident: bytes("VmRSS:"), peakResident: bytes("VmHWM:"), anonymous: bytes("RssAnon:"),
            file: bytes("RssFile:"), virtual: bytes("VmSize:"))
    }

    /// The process's fair share of memory in bytes: pages that several processes map are divided among them. Walks all
    /// page tables, some milliseconds for large mappings; nil where the kernel does not tell.
    public static func proportionalByteCount() -> Int? {
        KernelText.read("/proc/self/smaps_rollup").flatMap { KernelText.bytes("Pss:", in: $0) }
    }

    /// What keeps the process from taking more.
    public enum Bound: String, Sendable {
        /// Memory of the machine that is free or can be freed.
        case machine = "the machine's available memory"
        /// A limit of a control group: a container's or a service's.
        case controlGroup = "the memory limit of the control group"
        /// `ulimit -v`.
        case addressSpace = "the limit on address space (ulimit -v)"
    }

    /// What may still be taken.
    public struct Available: Sendable {
        /// The smallest of the bounds, in bytes.
        public let byteCount: Int
        /// The bound that gave it.
        public let bound: Bound
    }

    /// Bytes that can still be taken, and which bound says so; below a millisecond. Budgets are checked against it
    /// before memory is taken, because nobody can catch being killed.
    public static func available() -> Available { available(root: "", addressSpace: addressSpaceLeft()) }

    /// Bytes that can still be taken.
    public static var availableByteCount: Int { available().byteCount }

    /// - Parameters:
    ///   - root: a folder that stands for `/`.
    ///   - addressSpace: bytes left of the limit on address space; nil without a limit.
    package static func available(root: String, addressSpace: Int?) -> Available {
        var bounds: [Available] = []
        if let text = KernelText.read(root + "/proc/meminfo"),
            let bytes = KernelText.bytes("MemAvailable:", in: text) ?? KernelText.bytes("MemFree:", in: text)
        {
            bounds.append(Available(byteCount: bytes, bound: .machine))
        }
        if let bytes = ControlGroup(root: root).memoryAvailable {
            bounds.append(Available(byteCount: bytes, bound: .controlGroup))
        }
        if let addressSpace { bounds.append(Available(byteCount: addressSpace, bound: .addressSpace)) }
        // Without any statement the physical memory is the best that is known.
        return bounds.min { $0.byteCount < $1.byteCount }
            ?? Available(byteCount: machineByteCount, bound: .machine)
    }

    /// Bytes of memory the machine has, whoever uses it.
    public static var machineByteCount: Int { max(0, sysconf(Int32(_SC_PHYS_PAGES))) * Int(getpagesize()) }

    private static func addressSpaceLeft() -> Int? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, let bytes = Int(exactly: limit.rlim_cur),
            bytes < 1 << 60
        else { return nil }
        return max(0, bytes - usage().virtual)
    }
}
