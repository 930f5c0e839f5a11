// Sixteen float lanes in generic vector code: each wrapper is one operation, lowered by the compiler to whatever the
// instruction set of the importing module has (one zmm, two ymm, four xmm or NEON registers).
#ifndef CINTRINSICS_VECTORS_H
#define CINTRINSICS_VECTORS_H

#include <stdint.h>
#include "lanes.h"

typedef int32_t qv_int16x __attribute__((ext_vector_type(16)));
typedef uint32_t qv_uint16x __attribute__((ext_vector_type(16)));
typedef uint64_t qv_ulong16x __attribute__((ext_vector_type(16)));
typedef double qv_double8x __attribute__((ext_vector_type(8)));
typedef float qv_unaligned16x __attribute__((ext_vector_type(16), aligned(4), may_alias));

QK_INLINE qk_float16x qv_load(const float *_Nonnull from) { return *(const qv_unaligned16x *)from; }

QK_INLINE void qv_store(float *_Nonnull to, qk_float16x value) { *(qv_unaligned16x *)to = value; }

/// The first `count` (1 to 15) elements, zero in the other lanes; nothing beyond them is read.
QK_INLINE qk_float16x qv_load_first(const float *_Nonnull from, int64_t count) {
#if defined(__AVX512F__)
    return (qk_float16x)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
#else
    float lanes[16] = {0};
    for (int64_t index = 0; index < count; index++) lanes[index] = from[index];
    return *(const qv_unaligned16x *)lanes;
#endif
}

/// Stores the first `count` (1 to 15) lanes; nothing beyond them is written.
QK_INLINE void qv_store_first(float *_Nonnull to, qk_float16x value, int64_t count) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), (__m512)value);
#else
    float lanes[16];
    *(qv_unaligned16x *)lanes = value;
    for (int64_t index = 0; index < count; index++) to[index] = lanes[index];
#endif
}

QK_INLINE qk_float16x qv_splat(float value) { return (qk_float16x)(value); }

/// a * b + c, fused where the instruction set fuses.
QK_INLINE qk_float16x qv_multiply_add(qk_float16x a, qk_float16x b, qk_float16x c) {
#if defined(__FMA__) || defined(__aarch64__)
    return __builtin_elementwise_fma(a, b, c);
#else
#pragma clang fp contract(off)
    return a * b + c;
#endif
}

/// The larger lanes; `b` where either is NaN.
QK_INLINE qk_float16x qv_max(qk_float16x a, qk_float16x b) { return a > b ? a : b; }

/// The smaller lanes; `b` where either is NaN.
QK_INLINE qk_float16x qv_min(qk_float16x a, qk_float16x b) { return a < b ? a : b; }

QK_INLINE qk_float16x qv_square_root(qk_float16x a) { return __builtin_elementwise_sqrt(a); }

QK_INLINE qk_float16x qv_absolute(qk_float16x a) { return __builtin_elementwise_abs(a); }

/// All bits set in the lanes where a < b; none for NaN.
QK_INLINE qv_int16x qv_less(qk_float16x a, qk_float16x b) { return a < b; }

/// All bits set in the lanes where a <= b.
QK_INLINE qv_int16x qv_less_or_equal_integers(qv_int16x a, qv_int16x b) { return a <= b; }

/// Whether a lane of both is equal; NaN equals nothing.
QK_INLINE int32_t qv_any_equal(qk_float16x a, qk_float16x b) {
    qv_int16x equal = a == b;
    return __builtin_reduce_or(equal);
}

/// `yes` in the lanes whose mask bits are set, else `no`.
QK_INLINE qk_float16x qv_select(qv_int16x mask, qk_float16x yes, qk_float16x no) { return mask ? yes : no; }

QK_INLINE qv_int16x qv_splat_integer(int32_t value) { return (qv_int16x)(value); }

/// 0, 1, … 15.
QK_INLINE qv_int16x qv_indices(void) { return (qv_int16x){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}; }

QK_INLINE qk_float16x qv_integers_as_floats(qv_int16x a) { return __builtin_convertvector(a, qk_float16x); }

/// a0 b0 a1 b1 … a7 b7.
QK_INLINE qk_float16x qv_interleave_low(qk_float16x a, qk_float16x b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/// a8 b8 a9 b9 … a15 b15.
QK_INLINE qk_float16x qv_interleave_high(qk_float16x a, qk_float16x b) {
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/// Lane sum in one fixed order: halves, quarters, pairs.
QK_INLINE float qv_sum(qk_float16x a) {
    qk_float8x eight = a.lo + a.hi;
    float four[4];
    for (int index = 0; index < 4; index++) four[index] = eight[index] + eight[index + 4];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

/// The largest lane; unspecified if a lane is NaN.
QK_INLINE float qv_largest(qk_float16x a) {
    qk_float8x eight = a.lo > a.hi ? a.lo : a.hi;
    float best = eight[0];
    for (int index = 1; index < 8; index++) best = eight[index] > best ? eight[index] : best;
    return best;
}

/// sums + squares of the lanes, in double; lane i of the sums takes lanes i and i + 8.
QK_INLINE qv_double8x qv_add_squares(qv_double8x sums, qk_float16x a) {
    qv_double8x low = __builtin_convertvector(a.lo, qv_double8x);
    qv_double8x high = __builtin_convertvector(a.hi, qv_double8x);
    return sums + (low * low + high * high);
}

/// Lane sum in one fixed order.
QK_INLINE double qv_sum_doubles(qv_double8x a) {
    return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

/// The high 32 bits of the products of unsigned lanes.
QK_INLINE qv_uint16x qv_multiply_high(qv_uint16x a, uint32_t b) {
    qv_ulong16x product = __builtin_convertvector(a, qv_ulong16x) * (qv_ulong16x)(uint64_t)b;
    return __builtin_convertvector(product >> 32, qv_uint16x);
}

/// All bits set in the lanes where a >= b, unsigned.
QK_INLINE qv_int16x qv_not_below(qv_uint16x a, qv_uint16x b) { return (qv_int16x)(a >= b); }

#endif
