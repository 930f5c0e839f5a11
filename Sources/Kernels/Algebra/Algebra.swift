internal import COpenBLAS
internal import Glibc
package import Tensors

/// Full-precision matrix algebra by OpenBLAS, always on one of its threads: its last bits change with its thread count
/// and with how rows are split, so parallelism comes from the worker pool over pieces of fixed size.
package enum Algebra {
    /// Which kernels OpenBLAS uses; part of what a run's last bits depend on.
    package struct Library: Sendable {
        /// The core its kernels are for, `SkylakeX` say.
        package let coreName: String
        /// Version and build options, as OpenBLAS states them.
        package let configuration: String
        /// Whether its own choice of core was replaced by a faster one.
        package let coreWasReplaced: Bool

        /// The version, `0.3.21` say, or the whole configuration if it does not begin as expected.
        package var version: String {
            let words = configuration.split(separator: " ")
            return words.count > 1 && words[0] == "OpenBLAS" ? String(words[1]) : configuration
        }
    }

    /// OpenBLAS as it was started: on first use, once, for all threads (40 microseconds).
    ///
    /// Version 0.3.21 does not know recent AMD processors and takes its Haswell kernels, which reach half the speed of
    /// the AVX-512 ones. `OPENBLAS_CORETYPE` in the environment is obeyed.
    package static let library: Library = start()

    private static func start() -> Library {
        openblas_set_num_threads(1)
        let replaced = replaceCore()
        // A restart of the kernels leaves the thread count alone; stated again for builds where it does not.
        openblas_set_num_threads(1)
        return Library(
            coreName: coreName, configuration: String(cString: openblas_get_config()), coreWasReplaced: replaced)
    }

    private static var coreName: String { String(cString: openblas_get_corename()) }

    /// Restarts OpenBLAS with its AVX-512 kernels where the processor has AVX-512 F, CD, BW, DQ and VL and OpenBLAS
    /// took another core for it. It does not check the processor itself.
    private static func replaceCore() -> Bool {
        typealias Restart = @convention(c) () -> Void
        guard InstructionSet.avx512.isSupported, ["Haswell", "Zen"].contains(coreName),
            getenv("OPENBLAS_CORETYPE") == nil,
            let quit = dlsym(nil, "gotoblas_dynamic_quit"), let start = dlsym(nil, "gotoblas_dynamic_init")
        else { return false }
        setenv("OPENBLAS_CORETYPE", "SkylakeX", 1)
        unsafeBitCast(quit, to: Restart.self)()
        unsafeBitCast(start, to: Restart.self)()
        unsetenv("OPENBLAS_CORETYPE")
        return true
    }

    /// C = scale * op(A) * op(B), or C += that, on the calling thread.
    ///
    /// - Parameters:
    ///   - left: A [m, k], or [k, m] if it is transposed.
    ///   - right: B [k, n], or [n, k] if it is transposed.
    ///   - output: C [m, n]; overlaps neither input.
    ///   - accumulates: whether the product is added to C instead of replacing it.
    ///
    /// Equal shapes and values give equal bits, at any alignment and stride.
    package static func multiply(
        _ left: FloatMatrix, transposed leftTransposed: Bool = false, by right: FloatMatrix,
        transposed rightTransposed: Bool = false, scale: Float = 1, into output: FloatMatrix, accumulates: Bool = false
    ) {
        let (m, k) = leftTransposed ? (left.columns, left.rows) : (left.rows, left.columns)
        let (rightK, n) = rightTransposed ? (right.columns, right.rows) : (right.rows, right.columns)
        guard k == rightK, output.rows == m, output.columns == n else {
            fatalError(
                "a product of [\(m), \(k)] by [\(rightK), \(n)] does not give [\(output.rows), \(output.columns)]")
        }
        guard m > 0, n > 0 else { return }
        guard k > 0 else {
            if !accumulates { output.zero() }
            return
        }
        guard let largest = Int32(exactly: max(m, n, k, left.stride, right.stride, output.stride)), largest > 0 else {
            fatalError("a dimension of a matrix product exceeds 32 bits")
        }
        _ = library
        cblas_sgemm(
            CblasRowMajor, leftTransposed ? CblasTrans : CblasNoTrans, rightTransposed ? CblasTrans : CblasNoTrans,
            Int32(m), Int32(n), Int32(k), scale, left.base, Int32(left.stride), right.base, Int32(right.stride),
            accumulates ? 1 : 0, output.base, Int32(output.stride))
    }
}
