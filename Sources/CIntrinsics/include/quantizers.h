// The table of blockwise quantizers, with the vector operations that only they use.
#ifndef CINTRINSICS_QUANTIZERS_H
#define CINTRINSICS_QUANTIZERS_H

#include <stdint.h>
#include "lanes.h"

#pragma clang assume_nonnull begin

/// Types of the elements that are quantized.
enum { QK_SOURCE_FLOAT32 = 0, QK_SOURCE_BFLOAT16 = 1, QK_SOURCE_FLOAT16 = 2 };

/// Full blocks of elements of one type, at any alignment.
typedef struct {
    const void *elements;
    /// One of QK_SOURCE_….
    int32_t type;
    int64_t block_count;
    /// Elements of a block: a multiple of 32.
    int64_t block_size;
} qk_source_blocks;

/// A code of 16 values: value i is represented by the code of the interval it lies in.
///
/// The code of x starts as `first` and takes `flips[k]` by exclusive or for every threshold k that x exceeds.
typedef struct {
    /// [15], ascending.
    const float *thresholds;
    /// [15]: exclusive or of the codes on both sides of a threshold.
    const uint32_t *flips;
    uint32_t first;
    /// [16]: what each code stands for.
    const float *values;
} qk_table4;

/// Sums over elements of the differences between elements and what their codes stand for.
typedef struct {
    double squared_error, squared_value;
    float largest_error;
} qk_error_sums;

/// Entry points of the quantizers, filled by `fillQuantizerKernels` of an instruction-set module.
///
/// The quantizers return the index of the first block with an element that is not finite, or -1; what they wrote for
/// that block and the following ones is undefined.
typedef struct {
    /// Two codes in a byte, the first in the high nibble; the block's largest magnitude in `absmax`.
    int64_t (*_Null_unspecified quantize_table4)(const qk_source_blocks *source, const qk_table4 *table, uint8_t *codes, float *absmax);
    /// Signed bytes, -127 to 127; `scales` takes the largest magnitude / 127.
    int64_t (*_Null_unspecified quantize_signed8)(const qk_source_blocks *source, uint8_t *codes, float *scales);
    /// Adds the errors of values[code] * scale to the sums. Squares are summed in units of the larger of `norms` and the
    /// scale, so that no finite weight overflows them.
    void (*_Null_unspecified measure_table4)(const qk_source_blocks *source, const qk_table4 *table, const uint8_t *codes,
                           const float *norms, const float *scales, qk_error_sums *sums);
    /// Adds the errors of code * scale to the sums.
    void (*_Null_unspecified measure_signed8)(const qk_source_blocks *source, const uint8_t *codes, const float *scales,
                            qk_error_sums *sums);
} qk_quantizer_kernels;

typedef int32_t qq_int16x __attribute__((ext_vector_type(16)));
typedef uint64_t qq_ulong8x __attribute__((ext_vector_type(8)));
typedef uint8_t qq_byte8x __attribute__((ext_vector_type(8)));

/// The bits of the magnitudes: ordered as the magnitudes are, infinity and NaN above every finite one.
QK_INLINE qq_int16x qq_magnitude_bits(qk_float16x a) { return (qq_int16x)a & 0x7fffffff; }

QK_INLINE qq_int16x qq_max_integers(qq_int16x a, qq_int16x b) { return __builtin_elementwise_max(a, b); }

QK_INLINE int32_t qq_largest_integer(qq_int16x a) { return __builtin_reduce_max(a); }

/// The larger lanes; no lane is NaN.
QK_INLINE qk_float16x qq_max(qk_float16x a, qk_float16x b) { return a > b ? a : b; }

QK_INLINE qk_float16x qq_magnitude(qk_float16x a) { return __builtin_elementwise_abs(a); }

/// Lanes below -1 become -1, lanes above 1 become 1; no lane is NaN.
QK_INLINE qk_float16x qq_clamp_to_one(qk_float16x a) {
    qk_float16x one = (qk_float16x)1.0f;
    qk_float16x below = a < one ? a : one;
    return below > -one ? below : -one;
}

QK_INLINE qk_uint16x qq_splat_integer(uint32_t value) { return (qk_uint16x)value; }

/// codes ^ flip where value > threshold.
QK_INLINE qk_uint16x qq_flip_above(qk_uint16x codes, qk_float16x value, float threshold, uint32_t flip) {
#if defined(__AVX512F__)
    return value > (qk_float16x)threshold ? codes ^ (qk_uint16x)flip : codes;
#else
    return codes ^ ((qk_uint16x)(value > (qk_float16x)threshold) & (qk_uint16x)flip);
#endif
}

/// counts + step where value > threshold.
QK_INLINE qk_uint16x qq_add_above(qk_uint16x counts, qk_float16x value, qk_float16x threshold, uint32_t step) {
#if defined(__AVX512F__)
    return value > threshold ? counts + (qk_uint16x)step : counts;
#else
    return counts + ((qk_uint16x)(value > threshold) & (qk_uint16x)step);
#endif
}

/// Stores 16 codes of 4 bits in 8 bytes, the even ones in high nibbles.
QK_INLINE void qq_store_nibbles(uint8_t *address, qk_uint16x codes) {
    qq_ulong8x pairs = (qq_ulong8x)codes;
    qq_byte8x bytes = __builtin_convertvector((pairs << 4) | (pairs >> 32), qq_byte8x);
    __builtin_memcpy(address, &bytes, sizeof bytes);
}

/// 16 codes of 4 bits from 8 bytes.
QK_INLINE qk_uint16x qq_load_nibbles(const uint8_t *address) {
    qq_byte8x bytes;
    __builtin_memcpy(&bytes, address, sizeof bytes);
    qq_ulong8x wide = __builtin_convertvector(bytes, qq_ulong8x);
    return (qk_uint16x)((wide >> 4) | ((wide & 15) << 32));
}

/// Rounds to the nearest integer, ties to even, and stores the low bytes; magnitudes are at most 2^21.
QK_INLINE void qq_store_rounded(uint8_t *address, qk_float16x value) {
    // Adding 1.5 * 2^23 leaves the rounded integer, in two's complement, in the low bits of the sum.
    qk_uint16x bits = (qk_uint16x)(value + (qk_float16x)12582912.0f);
    qk_byte16x bytes = __builtin_convertvector(bits, qk_byte16x);
    __builtin_memcpy(address, &bytes, sizeof bytes);
}

/// The largest lane; none is NaN.
QK_INLINE float qq_largest(qk_float16x value) { return __builtin_reduce_max(value); }

#pragma clang assume_nonnull end

#endif
