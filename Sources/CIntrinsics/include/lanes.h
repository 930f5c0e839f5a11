// SIMD primitives shared by all kernels: one wrapper for each operation, none with logic.
//
// Vectors are 16 lanes wide everywhere (one zmm, two ymm, four xmm or NEON registers). Operations written on vector
// types are lowered by the compiler to the instructions of the importing module; the others say which they are.
#ifndef CINTRINSICS_LANES_H
#define CINTRINSICS_LANES_H

#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define QK_INLINE static inline __attribute__((always_inline))

typedef float qk_float16x __attribute__((ext_vector_type(16)));
typedef float qk_float8x __attribute__((ext_vector_type(8)));
typedef uint32_t qk_uint16x __attribute__((ext_vector_type(16)));
typedef uint32_t qk_uint8x __attribute__((ext_vector_type(8)));
typedef uint16_t qk_word16x __attribute__((ext_vector_type(16)));
typedef int8_t qk_signed_byte16x __attribute__((ext_vector_type(16)));
typedef uint8_t qk_byte16x __attribute__((ext_vector_type(16)));

/// What the processor can do, as bits; see InstructionSet.swift.
enum { QK_CPU_AVX2 = 1, QK_CPU_AVX512 = 2, QK_CPU_AVX512BF16 = 4, QK_CPU_AMX = 8 };

QK_INLINE uint32_t qk_cpu_features(void) {
    uint32_t features = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
        __builtin_cpu_supports("bmi2"))
        features |= QK_CPU_AVX2;
    if ((features & QK_CPU_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        features |= QK_CPU_AVX512;
    if ((features & QK_CPU_AVX512) && __builtin_cpu_supports("avx512bf16")) features |= QK_CPU_AVX512BF16;
#endif
    return features;
}

// Memory, at any alignment

/// 16 floats.
QK_INLINE qk_float16x qk_load(const void *address) {
    qk_float16x value;
    __builtin_memcpy(&value, address, sizeof value);
    return value;
}

QK_INLINE void qk_store(void *address, qk_float16x value) { __builtin_memcpy(address, &value, sizeof value); }

/// The first `count` lanes, 0 <= count <= 16; nothing behind them is touched.
QK_INLINE void qk_store_first(float *address, qk_float16x value, int64_t count) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(address, (__mmask16)((1u << count) - 1), (__m512)value);
#elif defined(__AVX2__)
    __m256i limit = _mm256_set1_epi32((int)count), places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_maskstore_ps(address, _mm256_cmpgt_epi32(limit, places), (__m256)value.lo);
    __m256i high = _mm256_add_epi32(places, _mm256_set1_epi32(8));
    _mm256_maskstore_ps(address + 8, _mm256_cmpgt_epi32(limit, high), (__m256)value.hi);
#else
    for (int64_t lane = 0; lane < count; lane++) address[lane] = value[lane];
#endif
}

/// The first `count` lanes, 0 <= count <= 16, the others zero; nothing behind them is touched.
QK_INLINE qk_float16x qk_load_first(const float *address, int64_t count) {
#if defined(__AVX512F__)
    return (qk_float16x)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), address);
#elif defined(__AVX2__)
    __m256i limit = _mm256_set1_epi32((int)count), places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i high = _mm256_add_epi32(places, _mm256_set1_epi32(8));
    qk_float8x first = (qk_float8x)_mm256_maskload_ps(address, _mm256_cmpgt_epi32(limit, places));
    qk_float8x second = (qk_float8x)_mm256_maskload_ps(address + 8, _mm256_cmpgt_epi32(limit, high));
    return __builtin_shufflevector(first, second, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#else
    qk_float16x value = 0;
    for (int64_t lane = 0; lane < count; lane++) value[lane] = address[lane];
    return value;
#endif
}

/// Brings the cache line of an address close.
QK_INLINE void qk_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

/// Brings the cache line of an address into the second level.
QK_INLINE void qk_prefetch_second_level(const void *address) { __builtin_prefetch(address, 0, 2); }

// Arithmetic

QK_INLINE qk_float16x qk_splat(float value) { return (qk_float16x)value; }

/// a * b + c: fused where the instruction set fuses, else multiply and then add (a fused call would be 16 library calls).
QK_INLINE qk_float16x qk_multiply_add(qk_float16x a, qk_float16x b, qk_float16x c) {
#if defined(__FMA__) || defined(__aarch64__)
    return __builtin_elementwise_fma(a, b, c);
#else
#pragma STDC FP_CONTRACT OFF
    qk_float16x product = a * b;
    return product + c;
#endif
}

/// The sum of the lanes: halves added to halves, 16 to 8 to 4 to 2 to 1.
QK_INLINE float qk_sum(qk_float16x value) {
    qk_float8x eight = value.lo + value.hi;
    float __attribute__((ext_vector_type(4))) four = eight.lo + eight.hi;
    float __attribute__((ext_vector_type(2))) two = four.lo + four.hi;
    return two.x + two.y;
}

/// below where the lane's place is less than the limit, others elsewhere.
QK_INLINE qk_float16x qk_select_below(qk_uint16x places, uint32_t limit, qk_float16x below, qk_float16x others) {
    qk_uint16x mask = (qk_uint16x)(places < (qk_uint16x)limit);
    return (qk_float16x)(((qk_uint16x)below & mask) | ((qk_uint16x)others & ~mask));
}

// Conversions

/// 16 bytes as unsigned integers.
QK_INLINE qk_uint16x qk_load_bytes(const void *address) {
    qk_byte16x bytes;
    __builtin_memcpy(&bytes, address, sizeof bytes);
    return __builtin_convertvector(bytes, qk_uint16x);
}

/// 16 little-endian 32-bit words.
QK_INLINE qk_uint16x qk_load_words(const void *address) {
    qk_uint16x words;
    __builtin_memcpy(&words, address, sizeof words);
    return words;
}

/// The 8 words at an address, then 8 zeros.
QK_INLINE qk_uint16x qk_load_half_words(const void *address) {
    qk_uint8x words;
    __builtin_memcpy(&words, address, sizeof words);
    return __builtin_shufflevector(words, (qk_uint8x)0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8, 8, 8, 8);
}

/// The 4 floats at an address, then those 4, 8 and 12 `stride`s of 4 bytes behind it.
QK_INLINE qk_float16x qk_load_four_quarters(const void *address, int64_t stride) {
    typedef float qk_float4x __attribute__((ext_vector_type(4)));
    qk_float4x quarters[4];
    for (int quarter = 0; quarter < 4; quarter++)
        __builtin_memcpy(&quarters[quarter], (const char *)address + 16 * quarter * stride, sizeof quarters[0]);
    qk_float8x low = __builtin_shufflevector(quarters[0], quarters[1], 0, 1, 2, 3, 4, 5, 6, 7);
    qk_float8x high = __builtin_shufflevector(quarters[2], quarters[3], 0, 1, 2, 3, 4, 5, 6, 7);
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

/// 8 lanes of the float at the one address, 8 of that at the other.
QK_INLINE qk_float16x qk_load_two_halves(const void *first, const void *second) {
    float a, b;
    __builtin_memcpy(&a, first, sizeof a);
    __builtin_memcpy(&b, second, sizeof b);
#if defined(__AVX512F__)
    return (qk_float16x)_mm512_mask_broadcastss_ps(_mm512_set1_ps(a), (__mmask16)0xff00, _mm_set_ss(b));
#else
    return __builtin_shufflevector((qk_float8x)a, (qk_float8x)b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#endif
}

/// 16 signed bytes as floats.
QK_INLINE qk_float16x qk_load_signed_bytes(const void *address) {
    qk_signed_byte16x bytes;
    __builtin_memcpy(&bytes, address, sizeof bytes);
    return __builtin_convertvector(bytes, qk_float16x);
}

/// 16 bfloat16 as floats; exact.
QK_INLINE qk_float16x qk_load_bfloat16(const void *address) {
    qk_word16x words;
    __builtin_memcpy(&words, address, sizeof words);
    return (qk_float16x)(__builtin_convertvector(words, qk_uint16x) << 16);
}

/// The first `count` of 16 bfloat16, 0 <= count <= 16, the others zero; nothing behind them is touched.
QK_INLINE qk_float16x qk_load_first_bfloat16(const void *address, int64_t count) {
    qk_word16x words = 0;
    const unsigned char *bytes = (const unsigned char *)address;
    for (int64_t lane = 0; lane < count; lane++) words[lane] = (uint16_t)(bytes[2 * lane] | bytes[2 * lane + 1] << 8);
    return (qk_float16x)(__builtin_convertvector(words, qk_uint16x) << 16);
}

/// 16 float16 as floats; exact, signalling NaNs become quiet.
QK_INLINE qk_float16x qk_load_float16(const void *address) {
#if defined(__AVX512F__)
    return (qk_float16x)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)address));
#elif defined(__F16C__)
    const __m128i *words = (const __m128i *)address;
    qk_float8x low = (qk_float8x)_mm256_cvtph_ps(_mm_loadu_si128(words));
    qk_float8x high = (qk_float8x)_mm256_cvtph_ps(_mm_loadu_si128(words + 1));
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#elif defined(__aarch64__)
    typedef __fp16 qk_half16x __attribute__((ext_vector_type(16)));
    qk_half16x halves;
    __builtin_memcpy(&halves, address, sizeof halves);
    return __builtin_convertvector(halves, qk_float16x);
#else
    // The exponent is rebased by an exact multiplication with 2^112, which also normalises subnormal numbers; infinities
    // and NaNs get the full exponent back.
    qk_word16x words;
    __builtin_memcpy(&words, address, sizeof words);
    qk_uint16x bits = __builtin_convertvector(words, qk_uint16x);
    qk_uint16x sign = (bits & 0x8000u) << 16;
    qk_uint16x magnitude = bits & 0x7fffu;
    qk_uint16x finite = (qk_uint16x)((qk_float16x)(magnitude << 13) * 0x1p112f);
    qk_uint16x special = (qk_uint16x)(magnitude >= 0x7c00u) & 0x7f800000u;
    qk_uint16x quiet = (qk_uint16x)(magnitude > 0x7c00u) & 0x400000u;
    return (qk_float16x)(finite | special | quiet | sign);
#endif
}

/// One float16 as a float; exact.
QK_INLINE float qk_float16_value(uint16_t word) {
#if defined(__aarch64__)
    __fp16 half;
    __builtin_memcpy(&half, &word, sizeof half);
    return half;
#else
    // As the vector form without F16C above; a signalling NaN becomes quiet by the bit set here.
    uint32_t magnitude = word & 0x7fffu, bits = magnitude << 13;
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    value *= 0x1p112f;
    __builtin_memcpy(&bits, &value, sizeof bits);
    if (magnitude >= 0x7c00u) bits = (magnitude << 13) | 0x7f800000u | (magnitude > 0x7c00u ? 0x400000u : 0);
    bits |= (uint32_t)(word & 0x8000u) << 16;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
#endif
}

#if defined(__aarch64__)
/// table[indices[i]], indices below 16.
QK_INLINE qk_float16x qk_lookup_bytes(qk_float16x table, qk_byte16x indices) {
    // tbl looks up bytes: plane k holds the bytes k of the 16 values. The four bytes of each lane are zipped together.
    uint16x8_t a = (uint16x8_t)table.lo.lo, b = (uint16x8_t)table.lo.hi;
    uint16x8_t c = (uint16x8_t)table.hi.lo, d = (uint16x8_t)table.hi.hi;
    uint8x16_t low01 = (uint8x16_t)vuzp1q_u16(a, b), low23 = (uint8x16_t)vuzp1q_u16(c, d);
    uint8x16_t high01 = (uint8x16_t)vuzp2q_u16(a, b), high23 = (uint8x16_t)vuzp2q_u16(c, d);
    uint8x16_t places = (uint8x16_t)indices;
    uint8x16_t byte0 = vqtbl1q_u8(vuzp1q_u8(low01, low23), places), byte1 = vqtbl1q_u8(vuzp2q_u8(low01, low23), places);
    uint8x16_t byte2 = vqtbl1q_u8(vuzp1q_u8(high01, high23), places), byte3 = vqtbl1q_u8(vuzp2q_u8(high01, high23), places);
    uint16x8_t low = (uint16x8_t)vzip1q_u8(byte0, byte1), high = (uint16x8_t)vzip1q_u8(byte2, byte3);
    uint16x8_t lowAbove = (uint16x8_t)vzip2q_u8(byte0, byte1), highAbove = (uint16x8_t)vzip2q_u8(byte2, byte3);
    typedef float qk_float4x __attribute__((ext_vector_type(4)));
    qk_float8x first = __builtin_shufflevector(
        (qk_float4x)vzip1q_u16(low, high), (qk_float4x)vzip2q_u16(low, high), 0, 1, 2, 3, 4, 5, 6, 7);
    qk_float8x second = __builtin_shufflevector(
        (qk_float4x)vzip1q_u16(lowAbove, highAbove), (qk_float4x)vzip2q_u16(lowAbove, highAbove), 0, 1, 2, 3, 4, 5, 6, 7);
    return __builtin_shufflevector(first, second, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
#endif

/// table[indices[i] & 15]
QK_INLINE qk_float16x qk_lookup(qk_float16x table, qk_uint16x indices) {
#if defined(__AVX512F__)
    return (qk_float16x)_mm512_permutexvar_ps((__m512i)indices, (__m512)table);
#elif defined(__AVX2__)
    // vpermps reads three bits of an index, vblendvps its sign.
    __m256 low = (__m256)table.lo, high = (__m256)table.hi;
    __m256i first = (__m256i)indices.lo, second = (__m256i)indices.hi;
    qk_float8x a = (qk_float8x)_mm256_blendv_ps(
        _mm256_permutevar8x32_ps(low, first), _mm256_permutevar8x32_ps(high, first),
        _mm256_castsi256_ps(_mm256_slli_epi32(first, 28)));
    qk_float8x b = (qk_float8x)_mm256_blendv_ps(
        _mm256_permutevar8x32_ps(low, second), _mm256_permutevar8x32_ps(high, second),
        _mm256_castsi256_ps(_mm256_slli_epi32(second, 28)));
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#elif defined(__aarch64__)
    return qk_lookup_bytes(table, __builtin_convertvector(indices, qk_byte16x) & 15);
#else
    qk_float16x result;
    for (int lane = 0; lane < 16; lane++) result[lane] = ((const float *)&table)[indices[lane] & 15];
    return result;
#endif
}

// Shuffles. "Quarters" are the four groups of four lanes.

/// a0 b0 a1 b1 of every quarter.
QK_INLINE qk_float16x qk_zip_low(qk_float16x a, qk_float16x b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
}

/// a2 b2 a3 b3 of every quarter.
QK_INLINE qk_float16x qk_zip_high(qk_float16x a, qk_float16x b) {
    return __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
}

/// a0 a1 b0 b1 of every quarter.
QK_INLINE qk_float16x qk_zip_pairs_low(qk_float16x a, qk_float16x b) {
    return __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
}

/// a2 a3 b2 b3 of every quarter.
QK_INLINE qk_float16x qk_zip_pairs_high(qk_float16x a, qk_float16x b) {
    return __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
}

/// Quarters 0 and 2 of a, then of b.
QK_INLINE qk_float16x qk_even_quarters(qk_float16x a, qk_float16x b) {
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
}

/// Quarters 1 and 3 of a, then of b.
QK_INLINE qk_float16x qk_odd_quarters(qk_float16x a, qk_float16x b) {
    return __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}

/// a0 b0 a1 b1 … a7 b7
QK_INLINE qk_float16x qk_interleave_low(qk_float16x a, qk_float16x b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/// a8 b8 a9 b9 … a15 b15
QK_INLINE qk_float16x qk_interleave_high(qk_float16x a, qk_float16x b) {
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/// a0 a2 … a14 b0 b2 … b14
QK_INLINE qk_float16x qk_even_lanes(qk_float16x a, qk_float16x b) {
    return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}

/// a1 a3 … a15 b1 b3 … b15
QK_INLINE qk_float16x qk_odd_lanes(qk_float16x a, qk_float16x b) {
    return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

// bfloat16. Vectors of 32 bfloat16 travel as 16 floats: lane i carries the elements 2i (low half) and 2i + 1.
#if defined(__AVX512BF16__)

/// c + the two products of each lane's pairs, in float32; subnormal inputs and results count as zero (vdpbf16ps).
QK_INLINE qk_float16x qk_dot_bfloat16(qk_float16x c, qk_float16x a, qk_float16x b) {
    return (qk_float16x)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
}

/// a0 … a15 b0 … b15 rounded to nearest even.
QK_INLINE qk_float16x qk_narrow_bfloat16(qk_float16x a, qk_float16x b) {
    return (qk_float16x)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
}

/// Rounded to the nearest bfloat16, ties to even.
QK_INLINE qk_float16x qk_round_bfloat16(qk_float16x value) {
    qk_word16x words = (qk_word16x)_mm512_cvtneps_pbh((__m512)value);
    return (qk_float16x)(__builtin_convertvector(words, qk_uint16x) << 16);
}

/// Stores the first `count` lanes, 0 <= count <= 16, as bfloat16 rounded to nearest even; nothing behind them is touched.
QK_INLINE void qk_store_bfloat16(void *address, qk_float16x value, int64_t count) {
    __m256i words = (__m256i)_mm512_cvtneps_pbh((__m512)value);
    _mm256_mask_storeu_epi16(address, (__mmask16)((1u << count) - 1), words);
}

/// a0 b0 a1 b1 … a15 b15 rounded to nearest even.
QK_INLINE qk_float16x qk_zip_bfloat16(qk_float16x a, qk_float16x b) {
    typedef uint16_t words __attribute__((ext_vector_type(32)));
    words both = (words)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
    return (qk_float16x)__builtin_shufflevector(
        both, both, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13,
        29, 14, 30, 15, 31);
}

/// a0 b0 a1 b1 … a15 b15 of two vectors of 32 bfloat16.
QK_INLINE qk_float16x qk_interleave_low_bfloat16(qk_float16x a, qk_float16x b) {
    typedef uint16_t words __attribute__((ext_vector_type(32)));
    return (qk_float16x)__builtin_shufflevector(
        (words)a, (words)b, 0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 8, 40, 9, 41, 10, 42, 11, 43, 12,
        44, 13, 45, 14, 46, 15, 47);
}

/// a16 b16 … a31 b31 of two vectors of 32 bfloat16.
QK_INLINE qk_float16x qk_interleave_high_bfloat16(qk_float16x a, qk_float16x b) {
    typedef uint16_t words __attribute__((ext_vector_type(32)));
    return (qk_float16x)__builtin_shufflevector(
        (words)a, (words)b, 16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55, 24, 56, 25, 57, 26, 58, 27,
        59, 28, 60, 29, 61, 30, 62, 31, 63);
}

/// The even ones of 64 bfloat16, those of a before those of b.
QK_INLINE qk_float16x qk_even_bfloat16(qk_float16x a, qk_float16x b) {
    typedef uint16_t words __attribute__((ext_vector_type(32)));
    return (qk_float16x)__builtin_shufflevector(
        (words)a, (words)b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42, 44, 46,
        48, 50, 52, 54, 56, 58, 60, 62);
}

/// The odd ones of 64 bfloat16, those of a before those of b.
QK_INLINE qk_float16x qk_odd_bfloat16(qk_float16x a, qk_float16x b) {
    typedef uint16_t words __attribute__((ext_vector_type(32)));
    return (qk_float16x)__builtin_shufflevector(
        (words)a, (words)b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43, 45, 47,
        49, 51, 53, 55, 57, 59, 61, 63);
}

/// 32 bfloat16: table[i & 31] for the 32 half-words i of the indices after a shift to the right (vpsrlw, vpermw).
QK_INLINE qk_float16x qk_lookup_bfloat16(qk_float16x table, qk_uint16x indices, int32_t shift) {
    return (qk_float16x)_mm512_permutexvar_epi16(
        _mm512_srli_epi16((__m512i)indices, (unsigned int)shift), (__m512i)table);
}

#endif

#endif
