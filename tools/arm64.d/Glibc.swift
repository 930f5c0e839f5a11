@_exported public import SwiftGlibc

// What the sources use of the overlay of the C library, which embedded Swift does not have.

public var errno: Int32 { __errno_location().pointee }
public nonisolated(unsafe) let MAP_FAILED = UnsafeMutableRawPointer(bitPattern: -1)
