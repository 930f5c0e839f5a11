import System
import Testing

@Suite struct ControlGroupTests {
    private static let version2Mount =
        "35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"

    @Test func noFilesMeanNoLimits() throws {
        let root = try FakeRoot([:])
        let group = ControlGroup(root: root.path)
        #expect(group.processorQuota == nil)
        #expect(group.memoryLimit == nil)
        #expect(group.memoryAvailable == nil)
    }

    /// The tightest limit of the group and those around it holds, each with its own usage.
    @Test func version2TakesTheTightestOfTheHierarchy() throws {
        let root = try FakeRoot([
            "proc/self/cgroup": "0::/user.slice/run.scope\n",
            "proc/self/mountinfo": Self.version2Mount,
            "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
            "sys/fs/cgroup/user.slice/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/user.slice/memory.max": "1000000\n",
            "sys/fs/cgroup/user.slice/memory.current": "900000\n",
            "sys/fs/cgroup/user.slice/memory.stat": "anon 500000\ninactive_file 300000\nactive_file 7\n",
            "sys/fs/cgroup/user.slice/run.scope/cpu.max": "max 100000\n",
            "sys/fs/cgroup/user.slice/run.scope/memory.max": "800000\n",
            "sys/fs/cgroup/user.slice/run.scope/memory.high": "max\n",
            "sys/fs/cgroup/user.slice/run.scope/memory.current": "100000\n",
        ])
        let group = ControlGroup(root: root.path)
        #expect(group.processorQuota == 1.5)
        #expect(group.memoryLimit == 800_000)
        // 1,000,000 less 900,000, of which 300,000 are page cache, is less than 800,000 less 100,000.
        #expect(group.memoryAvailable == 400_000)
    }

    /// In a container the group's own folder is what is mounted, whatever path of the host the process sees.
    @Test func version2InAContainer() throws {
        let root = try FakeRoot([
            "proc/self/cgroup": "0::/../../docker/abc\n",
            "proc/self/mountinfo": Self.version2Mount,
            "sys/fs/cgroup/memory.max": "5000\n",
            "sys/fs/cgroup/memory.high": "4000\n",
            "sys/fs/cgroup/memory.current": "6000\n",
            "sys/fs/cgroup/cpu.max": "50000 100000\n",
        ])
        let group = ControlGroup(root: root.path)
        #expect(group.memoryLimit == 4000)
        #expect(group.memoryAvailable == 0)
        #expect(group.processorQuota == 0.5)
    }

    @Test func version1WithBindMountAndEscapedMountPoint() throws {
        let root = try FakeRoot([
            "proc/self/cgroup": "5:cpu,cpuacct:/docker/abc/inner\n4:memory:/docker/abc\n0::/\n",
            "proc/self/mountinfo": """
            32 31 0:29 /docker/abc /sys/fs/cgroup\\040v1/cpu rw,relatime master:3 - cgroup cgroup rw,cpu,cpuacct
            35 31 0:32 /docker/abc /sys/fs/cgroup\\040v1/memory rw,relatime - cgroup cgroup rw,memory
            41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw

            """,
            "sys/fs/cgroup v1/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup v1/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup v1/cpu/inner/cpu.cfs_quota_us": "250000\n",
            "sys/fs/cgroup v1/cpu/inner/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup v1/memory/memory.limit_in_bytes": "1000\n",
            "sys/fs/cgroup v1/memory/memory.usage_in_bytes": "700\n",
            "sys/fs/cgroup v1/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 200\n",
        ])
        let group = ControlGroup(root: root.path)
        #expect(group.processorQuota == 2.5)
        #expect(group.memoryLimit == 1000)
        #expect(group.memoryAvailable == 500)
    }

    /// Version 1 writes "no limit" as the largest multiple of a page.
    @Test func version1WithoutLimit() throws {
        let root = try FakeRoot([
            "proc/self/cgroup": "4:memory:/\n3:cpu:/\n",
            "proc/self/mountinfo": "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "700\n",
        ])
        let group = ControlGroup(root: root.path)
        #expect(group.memoryLimit == nil)
        #expect(group.processorQuota == nil)
    }

    @Test(arguments: ["", "x", "-5 100000", "100000 0", "99999999999999999999 100000", "1 2 3", "\u{FFFD}\n\n"])
    func unreadableQuotasAreNone(text: String) throws {
        let root = try FakeRoot([
            "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": Self.version2Mount, "sys/fs/cgroup/cpu.max": text,
            "sys/fs/cgroup/memory.max": "z" + text,
        ])
        let group = ControlGroup(root: root.path)
        #expect(group.processorQuota == nil)
        #expect(group.memoryLimit == nil)
    }
}
