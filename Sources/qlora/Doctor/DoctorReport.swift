internal import Diagnostics
internal import Kernels
internal import System

/// What `doctor` found, as text; the document is in DoctorDocument.swift.
struct DoctorReport {
    let selected: InstructionSet
    let tests: [(set: InstructionSet, test: SelfTest)]
    let speeds: DoctorSpeeds
    let disk: DoctorDisk
    let threadCount: Int
    let processor = ProcessorInfo.current
    let group = ControlGroup()
    let available = MemoryProbe.available()
    let libraries = Libraries()
    let survey: InstructionSurvey
    let isForced: Bool

    init(
        selected: InstructionSet, tests: [(InstructionSet, SelfTest)], speeds: DoctorSpeeds, disk: DoctorDisk,
        threadCount: Int
    ) {
        self.selected = selected
        self.tests = tests.map { (set: $0.0, test: $0.1) }
        self.speeds = speeds
        self.disk = disk
        self.threadCount = threadCount
        survey = InstructionSurvey(features: processor.features, selected: selected)
        isForced = selected != InstructionSet.supported.last
    }

    // MARK: - What deserves attention

    /// Sentences about what makes runs slower, smaller or less safe than they could be.
    var notes: [String] {
        var notes: [String] = []
        if isForced {
            notes.append("QLORA_ISA holds the kernels at \(selected.rawValue); this processor has stronger ones")
        }
        let matrices = survey.unused.map(\.name).filter { $0.hasPrefix("AMX") || $0 == "SME" || $0.hasPrefix("SVE") }
        if !matrices.isEmpty {
            notes.append("\(matrices.joined(separator: ", ")): present, but this program has no kernels for it")
        }
        if let limit = group.memoryLimit, limit < MemoryProbe.machineByteCount {
            notes.append("a control group limits memory to \(ByteText.text(limit))")
        }
        if let quota = processor.quota, quota < Double(processor.coreCount) {
            notes.append("a control group limits this process to \(NumberText.fixed(quota, digits: 2)) processors")
        }
        if libraries.zstdMayCorrupt {
            notes.append(
                "zstd \(libraries.zstd) as it was released can corrupt data at levels from 16 on (facebook/zstd issue "
                    + "3517); Debian's 1.5.4+dfsg2-4 and later are repaired, and this program uses lower levels")
        }
        if let problem = disk.problem { notes.append("the disk of \(disk.path) was not measured: \(problem)") }
        return notes
    }

    // MARK: - Text

    var text: String {
        var lines: [String] = []
        func line(_ title: String, _ text: String) {
            lines.append(title + String(repeating: " ", count: max(1, 14 - title.count)) + text)
        }
        let quota = processor.quota.map { "\(NumberText.fixed($0, digits: 2)) processors by quota" } ?? "no quota"
        line("program", "qlora \(QLoRA.version), Swift \(libraries.swift), \(libraries.architecture)")
        line("processor", processor.modelName)
        line(
            "cores",
            "\(processor.coreCount) physical, \(processor.logicalCount) hardware threads in the affinity mask "
                + "(\(Self.ranges(processor.affinity))), \(quota); \(threadCount) threads compute")
        line("instructions", "used: \(Self.names(survey.used))")
        if !survey.notSelected.isEmpty { line("", "not selected: \(Self.names(survey.notSelected))") }
        line("", "present but unused: \(Self.names(survey.unused))")
        let compute = selected.hasBFloat16Products ? "bfloat16 products" : "float32 products"
        line("kernels", "\(selected.rawValue), \(compute)\(isForced ? " (forced by QLORA_ISA)" : "")")
        for (index, (set, test)) in tests.enumerated() { line(index == 0 ? "self-test" : "", Self.summary(set, test)) }
        for (set, test) in tests {
            for check in test.failures { line("FAILED", "\(set.rawValue): \(Self.comparison(check))") }
        }
        let types = ComputeType.allCases.filter { type in speeds.peaks.contains { $0.type == type } }
        for (index, type) in types.enumerated() {
            let peaks = speeds.peaks.filter { $0.type == type }.map {
                "\(NumberText.fixed($0.gigaflops, digits: 0)) GFLOP/s with \(Self.threads($0.threadCount))"
            }
            line(index == 0 ? "peak" : "", "\(type.rawValue): \(peaks.joined(separator: ", "))")
        }
        line(
            "memory read",
            speeds.reads.map {
                "\(NumberText.fixed($0.gigabytes, digits: 1)) GB/s with \(Self.threads($0.threadCount))"
            }
            .joined(separator: ", ") + " (\(ByteText.text(speeds.readByteCount)))")
        let limit = group.memoryLimit.map { "control group's limit \(ByteText.text($0))" } ?? "no control group's limit"
        line(
            "memory",
            "\(ByteText.text(MemoryProbe.machineByteCount)), \(ByteText.text(available.byteCount)) available "
                + "(\(available.bound.rawValue)), \(limit)")
        line("disk", diskText)
        let core = libraries.openBLAS.coreWasReplaced ? " in place of its own choice" : ""
        line(
            "libraries",
            "zstd \(libraries.zstd); OpenBLAS \(libraries.openBLAS.version), core \(libraries.openBLAS.coreName)\(core); "
                + "\(libraries.system); Linux \(libraries.kernel)")
        for (index, note) in notes.enumerated() { line(index == 0 ? "notes" : "", note) }
        return lines.joined(separator: "\n")
    }

    private var diskText: String {
        let free = disk.freeByteCount.map { "\(ByteText.text($0)) free" } ?? "free space unknown"
        guard let probe = disk.probe else { return "\(disk.path): \(free)" }
        return "\(disk.path): \(free); \(ByteText.text(probe.byteCount)) written and synchronized at "
            + "\(NumberText.fixed(probe.bytesPerSecond * 1e-6, digits: 0)) MB/s; a commit of 4 KiB in "
            + "\(NumberText.fixed(probe.commitSeconds * 1e3, digits: 1)) ms"
    }

    private static func summary(_ set: InstructionSet, _ test: SelfTest) -> String {
        let count = test.checks.count
        guard test.isPassed else {
            return "\(set.rawValue): \(test.failures.count) of \(count) comparisons FAILED"
        }
        let worst = test.worst.map {
            "; the closest, \($0.name), at \(NumberText.fixed($0.share * 100, digits: 0)) % of its tolerance"
        }
        return "\(set.rawValue): \(count) comparisons passed\(worst ?? "")"
    }

    private static func comparison(_ check: SelfTest.Check) -> String {
        "\(check.name) in \(check.computeType.rawValue): error \(check.error), tolerance \(check.tolerance)"
    }

    private static func names(_ groups: [InstructionSurvey.Group]) -> String {
        groups.isEmpty ? "none" : groups.map(\.name).joined(separator: ", ")
    }

    private static func threads(_ count: Int) -> String { count == 1 ? "one thread" : "\(count) threads" }

    /// `0-3, 8` of 0, 1, 2, 3, 8.
    static func ranges(_ numbers: [Int]) -> String {
        var ranges: [ClosedRange<Int>] = []
        for number in numbers {
            if let last = ranges.last, last.upperBound + 1 == number {
                ranges[ranges.count - 1] = last.lowerBound...number
            } else {
                ranges.append(number...number)
            }
        }
        return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ", ")
    }
}
