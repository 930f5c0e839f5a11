internal import CZstd
internal import Glibc
package import Kernels

/// What the program was built with and runs on.
package struct Libraries: Sendable {
    /// `1.5.4` say: the library that is loaded, not the header.
    package let zstd: String
    /// ZSTD_versionNumber: 10504 for 1.5.4.
    package let zstdNumber: Int
    package let openBLAS: Algebra.Library
    /// The C library: `glibc 2.36`.
    package let system: String
    /// The running kernel's release.
    package let kernel: String
    /// `x86_64`, `aarch64`.
    package let architecture: String
    /// The Swift compiler: the version, or the last one this source knows with a plus sign.
    package let swift: String

    /// Asks each library; starts OpenBLAS if nothing has yet.
    package init() {
        zstd = String(cString: ZSTD_versionString())
        zstdNumber = Int(ZSTD_versionNumber())
        openBLAS = Algebra.library
        var text = [CChar](repeating: 0, count: 128)
        let length = confstr(Int32(_CS_GNU_LIBC_VERSION), &text, text.count)
        system = length == 0 ? "unknown" : Self.string(text)
        var name = utsname()
        let isKnown = uname(&name) == 0
        kernel = isKnown ? withUnsafeBytes(of: name.release) { Self.string(Array($0.bindMemory(to: CChar.self))) } : ""
        architecture =
            isKnown ? withUnsafeBytes(of: name.machine) { Self.string(Array($0.bindMemory(to: CChar.self))) } : ""
        swift = Self.compiler
    }

    /// Whether the zstd library has the version that corrupts data as it was first released.
    ///
    /// The block splitter of 1.5.0 to 1.5.4 confuses runs of literals of 64 KiB (facebook/zstd issue 3517, fixed in
    /// 1.5.5), at levels from 16 on above all; this program stays below. Debian's 1.5.4+dfsg2-4 and later carry
    /// the fix under the old number, which the library does not tell.
    package var zstdMayCorrupt: Bool { (10500...10504).contains(zstdNumber) }

    private static func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static var compiler: String {
        #if compiler(>=6.4)
        "6.4+"
        #elseif compiler(>=6.3.3)
        "6.3.3+"
        #elseif compiler(>=6.3.2)
        "6.3.2"
        #elseif compiler(>=6.3.1)
        "6.3.1"
        #elseif compiler(>=6.3)
        "6.3"
        #else
        "6.2"
        #endif
    }
}
