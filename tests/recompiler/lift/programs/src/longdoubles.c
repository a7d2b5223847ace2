// long double: arithmetic, compares, conversions and libm in 80 bits; precision that a double has not.
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint64_t sum;
static void mix(long double v) {
    uint64_t low = 1;
    uint16_t high = 0;
    if (v == v) {
        memcpy(&low, &v, 8), memcpy(&high, (char *)&v + 8, 2);
    }
    sum = (sum ^ low) * 0x9E3779B97F4A7C15u + high, sum ^= sum >> 31;
}
__attribute__((noinline)) static long double horner(const long double *c, int n, long double x) {
    long double r = 0;
    while (n--) {
        r = r * x + c[n];
    }
    return r;
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    static const long double values[] = {0,        -0.0L,    1,        -1,           0.1L,    1.0L / 3,
                                         1e-4940L, LDBL_MAX, LDBL_MIN, LDBL_EPSILON, 1e4000L, 12345.678L,
                                         -9e18L,   INFINITY, 0x1p63L,  3.5L,         -2.5L};
    enum { COUNT = sizeof values / sizeof *values };
    for (int i = 0; i < COUNT; i++) {
        for (int j = 0; j < COUNT; j++) {
            volatile long double va = values[i], vb = values[j];
            long double a = va, b = vb;
            mix(a + b), mix(a - b), mix(a * b), mix(a / b), mix(a < b ? a : b), mix(fmaxl(a, b)), mix(copysignl(a, b));
            sum += (uint64_t)((a < b) + 2 * (a <= b) + 4 * (a == b) + 8 * (a > b) + 16 * !!isunordered(a, b));
            if (isfinite(a) && isfinite(b) && b != 0 && fabsl(a) < 1e100L && fabsl(b) > 1e-100L) {
                mix(fmodl(a, b)), mix(remainderl(a, b));
            }
        }
    }
    for (int i = 0; i < COUNT; i++) {
        volatile long double v = values[i];
        mix((double)v), mix((float)v), mix(floorl(v)), mix(ceill(v)), mix(truncl(v)), mix(rintl(v)),
            mix(sqrtl(fabsl(v))), mix(-v);
        if (fabsl(v) < 9e18L) {
            sum = sum * 3 + (uint64_t)(long long)v + (uint32_t)(int)(fabsl(v) < 2e9L ? v : 0) + (uint64_t)llrintl(v);
        }
        int e;
        mix(frexpl(v, &e)), mix(ldexpl(v, 3)), mix((long double)(int64_t)i * v), mix((long double)UINT64_MAX - v);
        printf("%.20Lg %La %d\n", v, v, fpclassify(v) == FP_SUBNORMAL);
    }
    static const long double c[] = {1, 0.5L, -1.0L / 3, 0.25L, -0.2L, 1.0L / 6};
    for (int n = -8; n < 9; n++) {
        long double x = n / 4.0L + 0.01L;
        printf("%.18Lg %.18Lg %.15Lg %.15Lg\n", horner(c, 6, x), x * x * x, sinl(x), expl(x));
        printf("%.15Lg %.15Lg %.15Lg %.15Lg\n", logl(fabsl(x)), powl(fabsl(x), 1.5L), atan2l(x, 2), cosl(x) * tanl(x));
        printf("%.15Lg %.15Lg\n", log2l(fabsl(x)), exp2l(x)); // the last bits are each CPU's own
        mix(hypotl(x, 1)), mix(cbrtl(x));
    }
    long double e = 1, term = 1;
    for (int n = 1; n < 40; n++) {
        term /= n, e += term;
    }
    printf("%.21Lf %d %016llx\n", e, e == (long double)(double)e, (unsigned long long)sum);
    return 0;
}
