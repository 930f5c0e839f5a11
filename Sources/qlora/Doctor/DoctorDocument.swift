internal import Diagnostics
internal import Kernels
internal import System

/// The document of `doctor --json`.
extension DoctorReport {
    var json: JSONValue {
        .object(
            JSONObject([
                ("program", programJSON), ("processor", processorJSON), ("instructions", instructionsJSON),
                ("kernels", kernelsJSON), ("self_test", selfTestJSON), ("peak", peakJSON), ("memory_read", readJSON),
                ("memory", memoryJSON), ("disk", diskJSON), ("libraries", librariesJSON),
                ("notes", .array(notes.map(JSONValue.string))),
            ]))
    }

    private var programJSON: JSONValue {
        .object(
            JSONObject([
                ("version", .string(QLoRA.version)), ("swift", .string(libraries.swift)),
                ("architecture", .string(libraries.architecture)),
            ]))
    }

    private var processorJSON: JSONValue {
        .object(
            JSONObject([
                ("name", .string(processor.modelName)), ("cores", .integer(processor.coreCount)),
                ("hardware_threads", .integer(processor.logicalCount)),
                ("affinity", .array(processor.affinity.map(JSONValue.integer))),
                ("quota", processor.quota.map(JSONValue.double) ?? .null), ("threads", .integer(threadCount)),
            ]))
    }

    private var instructionsJSON: JSONValue {
        func names(_ groups: [InstructionSurvey.Group]) -> JSONValue { .array(groups.map { .string($0.name) }) }
        return .object(
            JSONObject([
                ("used", names(survey.used)), ("not_selected", names(survey.notSelected)),
                ("unused", names(survey.unused)),
            ]))
    }

    private var kernelsJSON: JSONValue {
        .object(
            JSONObject([
                ("selected", .string(selected.rawValue)), ("forced", .bool(isForced)),
                ("supported", .array(tests.map { .string($0.set.rawValue) })),
                ("bfloat16_products", .bool(selected.hasBFloat16Products)),
            ]))
    }

    private var selfTestJSON: JSONValue {
        let sets = tests.map { set, test in
            JSONValue.object(
                JSONObject([
                    ("instruction_set", .string(set.rawValue)), ("passed", .bool(test.isPassed)),
                    (
                        "checks",
                        .array(
                            test.checks.map { check in
                                .object(
                                    JSONObject([
                                        ("name", .string(check.name)), ("compute", .string(check.computeType.rawValue)),
                                        ("error", .double(check.error)), ("tolerance", .double(check.tolerance)),
                                        ("passed", .bool(check.isPassed)),
                                    ]))
                            })
                    ),
                ]))
        }
        return .object(
            JSONObject([("passed", .bool(tests.allSatisfy(\.test.isPassed))), ("instruction_sets", .array(sets))]))
    }

    private var peakJSON: JSONValue {
        .array(
            speeds.peaks.map {
                .object(
                    JSONObject([
                        ("compute", .string($0.type.rawValue)), ("threads", .integer($0.threadCount)),
                        ("gigaflops", .double($0.gigaflops)),
                    ]))
            })
    }

    private var readJSON: JSONValue {
        .array(
            speeds.reads.map {
                .object(
                    JSONObject([
                        ("threads", .integer($0.threadCount)), ("bytes", .integer(speeds.readByteCount)),
                        ("gigabytes_per_second", .double($0.gigabytes)),
                    ]))
            })
    }

    private var memoryJSON: JSONValue {
        .object(
            JSONObject([
                ("bytes", .integer(MemoryProbe.machineByteCount)), ("available_bytes", .integer(available.byteCount)),
                ("bound", .string(available.bound.rawValue)),
                ("control_group_limit", group.memoryLimit.map(JSONValue.integer) ?? .null),
            ]))
    }

    private var diskJSON: JSONValue {
        .object(
            JSONObject([
                ("directory", .string(disk.path)), ("free_bytes", disk.freeByteCount.map(JSONValue.integer) ?? .null),
                ("bytes_written", disk.probe.map { .integer($0.byteCount) } ?? .null),
                ("bytes_per_second", disk.probe.map { .double($0.bytesPerSecond) } ?? .null),
                ("commit_seconds", disk.probe.map { .double($0.commitSeconds) } ?? .null),
                ("problem", disk.problem.map(JSONValue.string) ?? .null),
            ]))
    }

    private var librariesJSON: JSONValue {
        .object(
            JSONObject([
                ("zstd", .string(libraries.zstd)), ("openblas", .string(libraries.openBLAS.version)),
                ("openblas_core", .string(libraries.openBLAS.coreName)),
                ("openblas_core_replaced", .bool(libraries.openBLAS.coreWasReplaced)),
                ("openblas_configuration", .string(libraries.openBLAS.configuration)),
                ("c_library", .string(libraries.system)), ("kernel", .string(libraries.kernel)),
            ]))
    }
}
