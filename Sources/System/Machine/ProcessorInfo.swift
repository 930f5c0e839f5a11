internal import CSystem

/// The processors that this process may use.
public struct ProcessorInfo: Sendable {
    /// The name the processor gives itself; on arm64 its implementer and part numbers.
    public let modelName: String
    /// Hardware threads in the affinity mask.
    public let logicalCount: Int
    /// Numbers of the hardware threads in the affinity mask, ascending.
    public let affinity: [Int]
    /// Physical cores that have a hardware thread in the affinity mask.
    public let coreCount: Int
    /// Processors' worth of time a control group allows; nil without a quota.
    public let quota: Double?
    /// The features the kernel reports, in its spelling (`avx2`, `sha_ni`, `asimd`), in its order.
    public let features: [String]

    /// This machine, as it was when first asked for.
    public static let current: ProcessorInfo = {
        let mask = (0..<csystem_affinity_limit()).filter { csystem_affinity_contains($0) }.map(Int.init)
        return ProcessorInfo(root: "", affinity: mask)
    }()

    /// Threads that compute fastest: one for each physical core of the affinity mask, and not more than the control
    /// group's quota rounded up, because a second thread of a core shares its multipliers, and a thread above the quota
    /// stops all others.
    public var defaultThreadCount: Int {
        guard let quota, quota < Double(coreCount) else { return coreCount }
        return max(1, Int(quota.rounded(.up)))
    }

    /// `ProcessorInfo.current.defaultThreadCount`.
    public static var defaultThreadCount: Int { current.defaultThreadCount }

    /// - Parameters:
    ///   - root: a folder that stands for `/`.
    ///   - affinity: numbers of the hardware threads that may be used.
    package init(root: String, affinity: [Int]) {
        logicalCount = max(1, affinity.count)
        self.affinity = affinity.sorted()
        // Hardware threads of one core name the same siblings; one without a topology counts as a core.
        let cores = affinity.map { number in
            KernelText.read("\(root)/sys/devices/system/cpu/cpu\(number)/topology/thread_siblings_list")
                ?? "alone \(number)"
        }
        coreCount = max(1, Set(cores).count)
        quota = ControlGroup(root: root).processorQuota

        var fields: [String: String] = [:]
        for line in (KernelText.read(root + "/proc/cpuinfo") ?? "").split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let key = Self.trimmed(line[..<colon])
            // The first processor speaks for all.
            if fields[key] == nil { fields[key] = Self.trimmed(line[line.index(after: colon)...]) }
        }
        features = (fields["flags"] ?? fields["Features"] ?? "").split(separator: " ").map(String.init)
        if let name = fields["model name"] {
            modelName = name
        } else if let implementer = fields["CPU implementer"], let part = fields["CPU part"] {
            modelName = "ARM implementer \(implementer) part \(part)"
        } else {
            modelName = "unknown"
        }
    }

    private static func trimmed(_ text: Substring) -> String {
        text.split(whereSeparator: { $0 == " " || $0 == "\t" }).joined(separator: " ")
    }
}
