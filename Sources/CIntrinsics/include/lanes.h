// SIMD primitives shared by all kernels: one wrapper for each instruction, none with logic.
#ifndef CINTRINSICS_LANES_H
#define CINTRINSICS_LANES_H

#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define QK_INLINE static inline __attribute__((always_inline))

typedef float qk_float16x __attribute__((ext_vector_type(16)));
typedef float qk_float8x __attribute__((ext_vector_type(8)));

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

#endif
