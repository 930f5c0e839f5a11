// swift-tools-version: 6.2
import PackageDescription

// The floors of the house. A target may import only targets of lower floors, exactly those listed here;
// `tools/checks/imports` refuses any other import.

// MARK: - Settings

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
    .treatAllWarnings(as: .error),
]

/// Numeric code is optimized in every configuration: `-O` alone would lose inlining across files in debug builds.
let optimizedFlags = ["-O", "-wmo", "-num-threads", "1", "-disable-batch-mode"]
let optimized: [SwiftSetting] = strict + [.unsafeFlags(optimizedFlags)]

/// Instruction-set targets: accumulators stay in registers only when LLVM unrolls their constant-count loops fully.
func kernel(_ condition: String, _ instructionSets: [String]) -> [SwiftSetting] {
    strict + [
        .define(condition),
        .unsafeFlags(
            optimizedFlags + ["-Xllvm", "-unroll-threshold=3000"] + instructionSets.flatMap { ["-Xcc", "-m\($0)"] }),
    ]
}

let avx2 = ["avx2", "fma", "f16c", "bmi2"]
let avx512 = avx2 + ["avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"]

// MARK: - Instruction-set targets: one source folder, compiled once for each

#if arch(x86_64)
let instructionSetTargets: [Target] = [
    .target(name: "KernelsAVX2", dependencies: ["CIntrinsics"], swiftSettings: kernel("ISA_AVX2", avx2)),
    .target(name: "KernelsAVX512", dependencies: ["CIntrinsics"], swiftSettings: kernel("ISA_AVX512", avx512)),
    .target(
        name: "KernelsAVX512BF16", dependencies: ["CIntrinsics"],
        swiftSettings: kernel("ISA_AVX512BF16", avx512 + ["avx512bf16"])),
]
let instructionSets: [Target.Dependency] = ["KernelsPortable", "KernelsAVX2", "KernelsAVX512", "KernelsAVX512BF16"]
#else
let instructionSetTargets: [Target] = []
let instructionSets: [Target.Dependency] = ["KernelsPortable"]
#endif

// MARK: - The house

let package = Package(
    name: "swift-qlora",
    products: [.executable(name: "qlora", targets: ["qlora"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    ],
    targets: [
        // L0
        .target(name: "CIntrinsics"),
        .target(name: "CSystem"),
        .target(name: "Tensors", swiftSettings: optimized),
        .systemLibrary(name: "COpenBLAS"),
        .systemLibrary(name: "CZstd"),
        .target(
            name: "KernelsPortable", dependencies: ["CIntrinsics"], swiftSettings: kernel("ISA_PORTABLE", [])),

        // L1
        .target(name: "System", dependencies: ["CSystem"], swiftSettings: optimized),
        .target(
            name: "Kernels", dependencies: ["CIntrinsics", "CSystem", "COpenBLAS", "Tensors"] + instructionSets,
            swiftSettings: optimized),

        // L2
        .target(
            name: "QuantFormats", dependencies: ["CIntrinsics", "System", "Kernels", "Tensors"],
            swiftSettings: optimized),
        .target(name: "Optimizers", dependencies: ["System", "Kernels", "Tensors"], swiftSettings: optimized),
        .target(name: "Tokenizers", dependencies: ["System"], swiftSettings: optimized),

        // L3
        .target(
            name: "Diagnostics",
            dependencies: ["System", "CIntrinsics", "Kernels", "Tensors", "QuantFormats", "CZstd"],
            swiftSettings: optimized),
        .target(name: "Layers", dependencies: ["System", "Kernels", "Tensors"], swiftSettings: optimized),
        .target(
            name: "ModelFiles", dependencies: ["System", "Kernels", "Tensors", "QuantFormats"],
            swiftSettings: optimized),
        .target(name: "ChatTemplates", dependencies: ["System", "Tokenizers"], swiftSettings: optimized),
        .target(name: "Datasets", dependencies: ["System", "Tokenizers", "CZstd"], swiftSettings: optimized),

        // L4
        .target(
            name: "Adapters", dependencies: ["System", "Kernels", "Tensors", "Layers", "ModelFiles"],
            swiftSettings: optimized),

        // L5
        .target(
            name: "AdapterStore", dependencies: ["CIntrinsics", "System", "Kernels", "CZstd"], swiftSettings: optimized),
        .target(
            name: "DecoderModels",
            dependencies: ["System", "Kernels", "Tensors", "QuantFormats", "Layers", "ModelFiles", "Adapters"],
            swiftSettings: optimized),

        // L6
        .target(
            name: "Quantization",
            dependencies: ["System", "Kernels", "Tensors", "QuantFormats", "ModelFiles", "DecoderModels"],
            swiftSettings: optimized),
        .target(
            name: "Training",
            dependencies: [
                "System", "Kernels", "Tensors", "Optimizers", "Tokenizers", "Datasets", "ModelFiles", "Adapters",
                "AdapterStore", "DecoderModels",
            ],
            swiftSettings: optimized),

        .target(
            name: "Measurement", dependencies: ["System", "Kernels", "Tensors", "QuantFormats", "DecoderModels"],
            swiftSettings: optimized),
        .target(name: "Reports", dependencies: ["System"], swiftSettings: strict),

        // L7
        .executableTarget(
            name: "qlora",
            dependencies: [
                "System", "Kernels", "Tensors", "QuantFormats", "Optimizers", "Tokenizers", "ChatTemplates",
                "ModelFiles", "Datasets", "Adapters", "Diagnostics", "AdapterStore", "DecoderModels", "Quantization",
                "Training", "Measurement", "Reports",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),

        // Tests and benchmarks
        .target(
            name: "TestSupport", dependencies: ["System", "Tensors", "Kernels"], path: "Tests/TestSupport",
            swiftSettings: optimized),
        .executableTarget(
            name: "Benchmarks",
            dependencies: [
                "System", "Tensors", "Kernels", "QuantFormats", "Datasets", "ModelFiles", "Adapters", "DecoderModels",
                "AdapterStore", "Quantization", "Training", "Diagnostics", "Tokenizers", "TestSupport",
            ], path: "Benchmarks", exclude: ["baselines", "peers"], swiftSettings: optimized),
        .testTarget(
            name: "SystemTests", dependencies: ["System", "TestSupport"], exclude: ["Fixtures"], swiftSettings: strict),
        .testTarget(
            name: "KernelsTests", dependencies: ["Kernels", "Tensors", "Diagnostics", "TestSupport", "CIntrinsics"],
            exclude: ["Fixtures"],
            swiftSettings: strict),
        .testTarget(
            name: "DiagnosticsTests", dependencies: ["Diagnostics", "Kernels", "System", "TestSupport", "CIntrinsics"],
            swiftSettings: strict),
        .testTarget(
            name: "QuantFormatsTests", dependencies: ["QuantFormats", "Kernels", "System", "TestSupport"],
            exclude: ["Fixtures"], swiftSettings: strict),
        .testTarget(
            name: "OptimizersTests", dependencies: ["Optimizers", "Kernels", "System", "TestSupport"],
            exclude: ["Fixtures"],
            swiftSettings: strict),
        .testTarget(
            name: "TokenizersTests", dependencies: ["Tokenizers", "System", "TestSupport"], exclude: ["Fixtures"],
            swiftSettings: strict),
        .testTarget(
            name: "ModelFilesTests", dependencies: ["ModelFiles", "Kernels", "Tensors", "System", "TestSupport"],
            exclude: ["Fixtures"], swiftSettings: strict),
        .testTarget(
            name: "ChatTemplatesTests", dependencies: ["ChatTemplates", "Tokenizers", "System", "TestSupport"],
            exclude: ["Fixtures"], swiftSettings: strict),
        .testTarget(
            name: "DatasetsTests", dependencies: ["Datasets", "Tokenizers", "System", "TestSupport"],
            exclude: ["Fixtures"],
            swiftSettings: strict),
        .testTarget(
            name: "AdaptersTests",
            dependencies: ["Adapters", "ModelFiles", "Kernels", "Tensors", "System", "TestSupport"],
            exclude: ["Fixtures"], swiftSettings: strict),
        .testTarget(
            name: "AdapterStoreTests", dependencies: ["AdapterStore", "Kernels", "System", "CZstd", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "DecoderModelsTests",
            dependencies: [
                "DecoderModels", "Adapters", "ModelFiles", "Layers", "Kernels", "Tensors", "System", "TestSupport",
            ], exclude: ["Fixtures"],
            swiftSettings: strict),
        .testTarget(
            name: "QuantizationTests",
            dependencies: [
                "Quantization", "DecoderModels", "ModelFiles", "QuantFormats", "Kernels", "Tensors", "System",
                "TestSupport",
            ], swiftSettings: strict),
        .testTarget(
            name: "TrainingTests",
            dependencies: [
                "Training", "DecoderModels", "Datasets", "Adapters", "ModelFiles", "Kernels", "System", "TestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "MeasurementTests", dependencies: ["Measurement", "System", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "ReportsTests", dependencies: ["Reports", "System", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "qloraTests", dependencies: ["AdapterStore", "Kernels", "System", "TestSupport"],
            exclude: ["Fixtures"], swiftSettings: strict),
    ] + instructionSetTargets
)
