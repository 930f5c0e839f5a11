internal import Glibc

/// The long tests, which run under `tools/test --full` only.
public enum FullTests {
    /// For `.enabled(if:)`: whether `QLORA_FULL_TESTS` is 1.
    public static let areEnabled = getenv("QLORA_FULL_TESTS").map { String(cString: $0) == "1" } ?? false
}
