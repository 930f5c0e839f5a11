#include "sha256.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

bool csystem_has_sha256(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1) || !(c & bit_SSSE3)) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

__attribute__((target("sha,sse4.1,ssse3"))) void csystem_sha256(
    uint32_t state[8], const uint8_t *data, size_t block_count, const uint32_t constants[64]) {
    const __m128i big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    // The instructions want the eight words as (A, B, E, F) and (C, D, G, H), first word highest.
    __m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0x1B);
    __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B);
    __m128i abef = _mm_unpackhi_epi64(efgh, abcd);
    __m128i cdgh = _mm_unpacklo_epi64(efgh, abcd);

    for (; block_count > 0; block_count--, data += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i words[4];
        for (int i = 0; i < 4; i++)
            words[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16 * i)), big_endian);
#pragma clang loop unroll(full)
        for (int group = 0; group < 16; group++) {
            const __m128i now = words[group & 3], last = words[(group + 3) & 3];
            __m128i sums = _mm_add_epi32(now, _mm_loadu_si128((const __m128i *)(constants + 4 * group)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sums);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sums, 0x0E));
            // The four words of group + 4, by the recurrence of the message schedule.
            const __m128i seven_back = _mm_alignr_epi8(last, words[(group + 2) & 3], 4);
            const __m128i partial = _mm_add_epi32(_mm_sha256msg1_epu32(now, words[(group + 1) & 3]), seven_back);
            words[group & 3] = _mm_sha256msg2_epu32(partial, last);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }

    abcd = _mm_unpackhi_epi64(cdgh, abef);
    efgh = _mm_unpacklo_epi64(cdgh, abef);
    _mm_storeu_si128((__m128i *)state, _mm_shuffle_epi32(abcd, 0x1B));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_shuffle_epi32(efgh, 0x1B));
}

#elif defined(__aarch64__) && defined(__linux__)
#include <arm_neon.h>
#include <sys/auxv.h>

bool csystem_has_sha256(void) { return getauxval(AT_HWCAP) & HWCAP_SHA2; }

__attribute__((target("sha2"))) void csystem_sha256(
    uint32_t state[8], const uint8_t *data, size_t block_count, const uint32_t constants[64]) {
    uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);

    for (; block_count > 0; block_count--, data += 64) {
        const uint32x4_t abcd_before = abcd, efgh_before = efgh;
        uint32x4_t words[4];
        for (int i = 0; i < 4; i++) words[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data + 16 * i)));
#pragma clang loop unroll(full)
        for (int group = 0; group < 16; group++) {
            const uint32x4_t now = words[group & 3], abcd_now = abcd;
            const uint32x4_t sums = vaddq_u32(now, vld1q_u32(constants + 4 * group));
            abcd = vsha256hq_u32(abcd, efgh, sums);
            efgh = vsha256h2q_u32(efgh, abcd_now, sums);
            // The four words of group + 4, by the recurrence of the message schedule.
            words[group & 3] = vsha256su1q_u32(
                vsha256su0q_u32(now, words[(group + 1) & 3]), words[(group + 2) & 3], words[(group + 3) & 3]);
        }
        abcd = vaddq_u32(abcd, abcd_before);
        efgh = vaddq_u32(efgh, efgh_before);
    }

    vst1q_u32(state, abcd);
    vst1q_u32(state + 4, efgh);
}

#else

bool csystem_has_sha256(void) { return false; }

void csystem_sha256(uint32_t state[8], const uint8_t *data, size_t block_count, const uint32_t constants[64]) {
    (void)state, (void)data, (void)block_count, (void)constants;
    __builtin_trap();
}

#endif
