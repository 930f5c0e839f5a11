/// The limits that control groups (a container, a systemd slice) put on this process, versions 1 and 2.
///
/// Every group from the process's own up to the mounted root counts: the tightest limit holds.
package struct ControlGroup: Sendable {
    /// Processors' worth of time the process may use; nil without a quota.
    package let processorQuota: Double?
    /// The smallest memory limit in bytes; nil without one.
    package let memoryLimit: Int?
    /// Bytes that can still be taken under every memory limit; nil without one. Page cache that the kernel would drop
    /// first counts as free.
    package let memoryAvailable: Int?

    /// Reads the limits now: some ten small files, below a millisecond.
    ///
    /// - Parameter root: a folder that stands for `/`, for tests.
    package init(root: String = "") {
        let groups = (KernelText.read(root + "/proc/self/cgroup") ?? "").split(separator: "\n").map(Membership.init)
        let mounts = (KernelText.read(root + "/proc/self/mountinfo") ?? "").split(separator: "\n").compactMap(
            Mount.init)

        /// The folders of the groups that a controller's limits come from, the innermost first.
        func folders(_ controller: String) -> (paths: [String], isVersion2: Bool) {
            if let mount = mounts.last(where: { !$0.isVersion2 && $0.controllers.contains(controller) }),
                let group = groups.first(where: { $0.controllers.contains(controller) })
            {
                return (mount.folders(of: group.path, root: root), false)
            }
            if let mount = mounts.last(where: \.isVersion2), let group = groups.first(where: \.controllers.isEmpty) {
                return (mount.folders(of: group.path, root: root), true)
            }
            return ([], true)
        }

        let processor = folders("cpu")
        processorQuota = processor.paths.compactMap { Self.quota($0, isVersion2: processor.isVersion2) }.min()
        let memory = folders("memory")
        let limits = memory.paths.compactMap { Self.memory($0, isVersion2: memory.isVersion2) }
        memoryLimit = limits.map(\.limit).min()
        memoryAvailable = limits.map(\.available).min()
    }

    private static func quota(_ folder: String, isVersion2: Bool) -> Double? {
        let quota: Int?, period: Int?
        if isVersion2 {
            let words = (KernelText.read(folder + "/cpu.max") ?? "").split(whereSeparator: \.isWhitespace)
            guard words.count == 2 else { return nil }
            (quota, period) = (Int(words[0]), Int(words[1]))
        } else {
            quota = KernelText.number(folder + "/cpu.cfs_quota_us")
            period = KernelText.number(folder + "/cpu.cfs_period_us")
        }
        guard let quota, let period, quota > 0, period > 0 else { return nil }
        return Double(quota) / Double(period)
    }

    private static func memory(_ folder: String, isVersion2: Bool) -> (limit: Int, available: Int)? {
        // Version 1 writes "no limit" as the largest multiple of a page, beyond any machine.
        let names =
            isVersion2
            ? (limits: ["memory.max", "memory.high"], usage: "memory.current", cache: "inactive_file")
            : (limits: ["memory.limit_in_bytes"], usage: "memory.usage_in_bytes", cache: "total_inactive_file")
        let limits = names.limits.compactMap { KernelText.number("\(folder)/\($0)") }.filter { $0 >= 0 && $0 < 1 << 60 }
        guard let limit = limits.min() else { return nil }
        let usage = KernelText.number("\(folder)/\(names.usage)") ?? 0
        let cache = KernelText.number(names.cache, in: KernelText.read("\(folder)/memory.stat") ?? "") ?? 0
        return (limit, max(0, limit - max(0, usage - cache)))
    }
}

/// A line of `/proc/self/cgroup`: `4:memory:/path`, or `0::/path` for version 2.
private struct Membership {
    let controllers: [String]
    let path: String

    init(_ line: Substring) {
        let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        controllers = fields.count == 3 ? fields[1].split(separator: ",").map(String.init) : ["unreadable"]
        path = fields.count == 3 ? String(fields[2]) : "/"
    }
}

/// A line of `/proc/self/mountinfo` that mounts a hierarchy of control groups:
/// `36 35 98:0 /root /mount/point rw,noatime master:1 - cgroup source rw,memory`.
private struct Mount {
    let isVersion2: Bool
    let controllers: [String]
    /// The group that is visible at the mount point: in a container the container's own.
    private let root: String
    private let point: String

    init?(_ line: Substring) {
        guard let separator = line.firstRange(of: " - ") else { return nil }
        let before = line[..<separator.lowerBound].split(separator: " ")
        let after = line[separator.upperBound...].split(separator: " ")
        guard before.count >= 5, after.count >= 3, after[0] == "cgroup" || after[0] == "cgroup2" else { return nil }
        isVersion2 = after[0] == "cgroup2"
        controllers = after[2].split(separator: ",").map(String.init)
        root = Self.unescaped(before[3])
        point = Self.unescaped(before[4])
    }

    /// The folder of a group and those of the groups around it, the innermost first. A group outside of what is mounted
    /// (a path of the host, seen from a container) is the mounted one.
    func folders(of group: String, root prefix: String) -> [String] {
        var below = group.split(separator: "/")
        let top = root.split(separator: "/")
        below = below.starts(with: top) ? Array(below.dropFirst(top.count)) : []
        if below.contains("..") { below = [] }
        return (0...below.count).reversed().map { depth in
            ([prefix + point] + below.prefix(depth).map(String.init)).joined(separator: "/")
        }
    }

    /// Spaces and the like are written as octal numbers: `\040`.
    private static func unescaped(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.first {
            if byte == UInt8(ascii: "\\"), let value = UInt8(String(rest.dropFirst().prefix(3)) ?? "", radix: 8) {
                bytes.append(value)
                rest = rest.dropFirst(4)
            } else {
                bytes.append(byte)
                rest = rest.dropFirst()
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
