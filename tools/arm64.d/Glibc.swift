@_exported public import SwiftGlibc

// What the sources use of the overlay of the C library, which embedded Swift does not have.

public var errno: Int32 { __errno_location().pointee }
public nonisolated(unsafe) let MAP_FAILED = UnsafeMutableRawPointer(bitPattern: -1)

/// The number at the start of a text, and where it ends: what `Double(String)` calls. The program stays in the C locale.
@_cdecl("_swift_stdlib_strtod_clocale")
public func parseDouble(
    _ text: UnsafePointer<CChar>, _ result: UnsafeMutablePointer<Double>
) -> UnsafePointer<CChar>? {
    var end: UnsafeMutablePointer<CChar>?
    result.pointee = strtod(text, &end)
    return end.map { UnsafePointer($0) }
}
