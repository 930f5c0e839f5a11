// The table of byte-plane transforms, with the vector operations that only they use.
#ifndef CINTRINSICS_PLANES_H
#define CINTRINSICS_PLANES_H

#include <stdint.h>
#include "lanes.h"

#pragma clang assume_nonnull begin

/// Entry points of the byte-plane transforms, filled by `fillPlaneKernels` of an instruction-set module.
///
/// A float32 is rotated left by one bit, so that its exponent is the top byte and its sign the lowest bit; plane k
/// holds byte k of every rotated word, the lowest byte being plane 0. Any alignment; no write behind `count`.
typedef struct {
    /// Splits `count` floats into planes at `planes` + k * `stride`. Returns the largest byte of plane 3: 255 exactly
    /// if a value is infinite or not a number.
    int32_t (*_Null_unspecified split_rotated)(const void *floats, int64_t count, uint8_t *planes, int64_t stride);
    /// Joins the planes again, to the bit.
    void (*_Null_unspecified join_rotated)(const uint8_t *plane0, const uint8_t *plane1, const uint8_t *plane2,
                                           const uint8_t *plane3, int64_t count, void *floats);
} qk_plane_kernels;

QK_INLINE qk_uint16x qp_load_words(const void *address) {
    qk_uint16x value;
    __builtin_memcpy(&value, address, sizeof value);
    return value;
}

QK_INLINE void qp_store_words(void *address, qk_uint16x value) { __builtin_memcpy(address, &value, sizeof value); }

QK_INLINE qk_uint16x qp_rotate_left(qk_uint16x a) { return a << 1 | a >> 31; }

QK_INLINE qk_uint16x qp_rotate_right(qk_uint16x a) { return a >> 1 | a << 31; }

QK_INLINE qk_uint16x qp_max_words(qk_uint16x a, qk_uint16x b) { return __builtin_elementwise_max(a, b); }

QK_INLINE uint32_t qp_largest_word(qk_uint16x a) { return __builtin_reduce_max(a); }

QK_INLINE qk_uint16x qp_zero(void) { return (qk_uint16x)0u; }

/// Stores the bytes that begin at bit `shift` of each word.
QK_INLINE void qp_store_bytes(uint8_t *address, qk_uint16x words, uint32_t shift) {
    qk_byte16x bytes = __builtin_convertvector(words >> shift & 0xffu, qk_byte16x);
    __builtin_memcpy(address, &bytes, sizeof bytes);
}

/// 16 bytes, each as a word with the byte at bit `shift`.
QK_INLINE qk_uint16x qp_load_bytes(const uint8_t *address, uint32_t shift) {
    qk_byte16x bytes;
    __builtin_memcpy(&bytes, address, sizeof bytes);
    return __builtin_convertvector(bytes, qk_uint16x) << shift;
}

#pragma clang assume_nonnull end

#endif
