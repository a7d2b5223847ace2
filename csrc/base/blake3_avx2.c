/* In: calls of rc_blake3_*. Out: the same, from the AVX2 build of blake3.zig where the CPU has it (1.4x). Linked into
 * the extension on x86-64, with --wrap for each of the four; the stub hashes little and stays small without it. */
#include <cpuid.h>

#include "base/base.h"

#define BOTH(result, name, parameters)                                                                                 \
    result __wrap_rc_blake3##name parameters;                                                                          \
    result __real_rc_blake3##name parameters;                                                                          \
    result rc_blake3##name##_avx2 parameters
BOTH(void, _init, (struct rc_blake3 * h));
BOTH(void, _update, (struct rc_blake3 * h, const void *data, size_t len));
BOTH(void, _final, (const struct rc_blake3 *h, uint8_t out[32]));
BOTH(void, , (const uint8_t *data, size_t len, uint8_t out[32]));

/* SDM vol. 1, 14.7.1: the CPU has AVX2, BMI1 and BMI2 (what x86-64-v3 code uses), and the system saves the registers.
 */
static int detect(void) {
    enum { OSXSAVE_AVX_FMA_MOVBE = 1 << 27 | 1 << 28 | 1 << 12 | 1 << 22, BMI1_AVX2_BMI2 = 1 << 3 | 1 << 5 | 1 << 8 };
    enum { XMM_YMM = 6, LZCNT = 1 << 5 };
    unsigned a, b, c, d, low, high;

    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & OSXSAVE_AVX_FMA_MOVBE) != OSXSAVE_AVX_FMA_MOVBE) {
        return 0;
    }
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & XMM_YMM) != XMM_YMM || !__get_cpuid_count(7, 0, &a, &b, &c, &d) ||
        (b & BMI1_AVX2_BMI2) != BMI1_AVX2_BMI2) {
        return 0;
    }
    return __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & LZCNT);
}

/* The answer never changes, so a state is never shared between the two, and a race writes the same value. */
static int avx2(void) {
    static _Atomic int known;

    if (!known) {
        known = detect() ? 1 : -1;
    }
    return known > 0;
}

void __wrap_rc_blake3_init(struct rc_blake3 *h) {
    (avx2() ? rc_blake3_init_avx2 : __real_rc_blake3_init)(h);
}

void __wrap_rc_blake3_update(struct rc_blake3 *h, const void *data, size_t len) {
    (avx2() ? rc_blake3_update_avx2 : __real_rc_blake3_update)(h, data, len);
}

void __wrap_rc_blake3_final(const struct rc_blake3 *h, uint8_t out[32]) {
    (avx2() ? rc_blake3_final_avx2 : __real_rc_blake3_final)(h, out);
}

void __wrap_rc_blake3(const uint8_t *data, size_t len, uint8_t out[32]) {
    (avx2() ? rc_blake3_avx2 : __real_rc_blake3)(data, len, out);
}
