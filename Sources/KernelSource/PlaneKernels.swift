package import CIntrinsics

/// Fills the byte-plane table with this module's functions.
package func fillPlaneKernels(_ table: UnsafeMutablePointer<qk_plane_kernels>) {
    table.pointee.split_rotated = { floats, count, planes, stride in
        splitRotated(floats, count: Int(count), planes, stride: Int(stride))
    }
    table.pointee.join_rotated = { plane0, plane1, plane2, plane3, count, floats in
        joinRotated(plane0, plane1, plane2, plane3, count: Int(count), floats)
    }
}

/// Bound by memory: 16 floats take a load, a rotation and four narrowing stores.
private func splitRotated(
    _ floats: UnsafeRawPointer, count: Int, _ planes: UnsafeMutablePointer<UInt8>, stride: Int
) -> Int32 {
    let plane0 = planes, plane1 = planes + stride, plane2 = planes + 2 &* stride, plane3 = planes + 3 &* stride
    var largest = qp_zero()
    var index = 0
    while index &+ 16 <= count {
        let words = qp_rotate_left(qp_load_words(floats + (index &<< 2)))
        largest = qp_max_words(largest, words)
        qp_store_bytes(plane0 + index, words, 0)
        qp_store_bytes(plane1 + index, words, 8)
        qp_store_bytes(plane2 + index, words, 16)
        qp_store_bytes(plane3 + index, words, 24)
        index &+= 16
    }
    var top = qp_largest_word(largest) &>> 24
    while index < count {
        let word = floats.loadUnaligned(fromByteOffset: index &<< 2, as: UInt32.self)
        let rotated = word &<< 1 | word &>> 31
        plane0[index] = UInt8(truncatingIfNeeded: rotated)
        plane1[index] = UInt8(truncatingIfNeeded: rotated &>> 8)
        plane2[index] = UInt8(truncatingIfNeeded: rotated &>> 16)
        plane3[index] = UInt8(truncatingIfNeeded: rotated &>> 24)
        if rotated &>> 24 > top { top = rotated &>> 24 }
        index &+= 1
    }
    return Int32(truncatingIfNeeded: top)
}

private func joinRotated(
    _ plane0: UnsafePointer<UInt8>, _ plane1: UnsafePointer<UInt8>, _ plane2: UnsafePointer<UInt8>,
    _ plane3: UnsafePointer<UInt8>, count: Int, _ floats: UnsafeMutableRawPointer
) {
    var index = 0
    while index &+ 16 <= count {
        let low = qp_load_bytes(plane0 + index, 0) | qp_load_bytes(plane1 + index, 8)
        let high = qp_load_bytes(plane2 + index, 16) | qp_load_bytes(plane3 + index, 24)
        qp_store_words(floats + (index &<< 2), qp_rotate_right(low | high))
        index &+= 16
    }
    while index < count {
        let low = UInt32(truncatingIfNeeded: plane0[index]) | UInt32(truncatingIfNeeded: plane1[index]) &<< 8
        let high = UInt32(truncatingIfNeeded: plane2[index]) &<< 16 | UInt32(truncatingIfNeeded: plane3[index]) &<< 24
        let rotated = low | high
        floats.storeBytes(of: rotated &>> 1 | rotated &<< 31, toByteOffset: index &<< 2, as: UInt32.self)
        index &+= 1
    }
}
