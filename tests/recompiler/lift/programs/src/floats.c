// float and double: compares with NaN, conversions of all widths, rounding modes, exceptions' flags, libm.
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const double values[] = {0.0,   -0.0,         1.0,    -1.5,     0.5,    2.5,     -2.5,     1e10,
                                -1e10, 4294967295.0, 9.3e18, DBL_MIN,  5e-324, DBL_MAX, INFINITY, -INFINITY,
                                1e-40, 3.1415,       1e300,  16777217, 0.1,    -7.75};
#define COUNT (sizeof values / sizeof *values)
static volatile double d_, e_;
static volatile float f_;
static uint64_t sum;
static void mix(double v) {
    uint64_t bits = 1;
    if (v == v) {
        memcpy(&bits, &v, 8);
    }
    sum = (sum ^ bits) * 0x9E3779B97F4A7C15u, sum ^= sum >> 31;
}
static void arithmetic(void) {
    for (unsigned i = 0; i < COUNT; i++) {
        for (unsigned j = 0; j < COUNT; j++) {
            d_ = values[i], e_ = values[j], f_ = (float)values[i];
            double a = d_, b = e_;
            float f = f_, g = (float)e_;
            mix(a + b), mix(a - b), mix(a * b), mix(a / b), mix(f + g), mix(f - g), mix(f * g), mix(f / g);
            mix(fmin(a, b)), mix(fmax(a, b)), mix(a < b ? a : b), mix(f > g ? f : g), mix(copysign(a, b)),
                mix(fmod(a, b));
            sum += (a < b) + 2 * (a <= b) + 4 * (a == b) + 8 * (a != b) + 16 * (a > b) + 32 * (a >= b) +
                   64 * !!isunordered(f, g);
        }
    }
}
static void conversions(void) {
    static const int64_t ints[] = {0,
                                   1,
                                   -1,
                                   127,
                                   -128,
                                   65535,
                                   2147483647,
                                   -2147483648LL,
                                   4294967295LL,
                                   1LL << 53,
                                   (1LL << 53) + 1,
                                   INT64_MAX,
                                   INT64_MIN,
                                   123456789012345678};
    for (unsigned i = 0; i < sizeof ints / sizeof *ints; i++) {
        volatile int64_t v = ints[i];
        mix((double)v), mix((float)v), mix((double)(int32_t)v), mix((float)(int32_t)v), mix((double)(uint64_t)v),
            mix((float)(uint64_t)v);
        mix((double)(uint32_t)v), mix((float)(uint32_t)v), mix((double)(int8_t)v), mix((double)(uint16_t)v);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        double v = d_ = values[i];
        mix(rint(v)), mix(nearbyint(v)), mix(floor(v)), mix(ceil(v)), mix(trunc(v)), mix(round(v)), mix((float)v);
        if (v > -2e9 && v < 2e9) {
            sum = sum * 3 + (uint64_t)(int64_t)v + (uint32_t)(int32_t)v + (uint64_t)lrint(v) + (uint64_t)llround(v);
        }
        if (v >= 0 && v < 1.8e19) {
            sum = sum * 7 + (uint64_t)v;
        }
    }
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    for (int n = 0; n < 4; n++) {
        fesetround(modes[n]);
        arithmetic(), conversions();
        printf("%d %016llx\n", fegetround() == modes[n], (unsigned long long)sum);
        printf("%.3f %.17g %a\n", 2.0005, 0.1 + 0.2, 1.0 / 3);
    }
    fesetround(FE_TONEAREST);
    feclearexcept(FE_ALL_EXCEPT);
    d_ = 1, e_ = 3, d_ = d_ / e_;
    printf("%d %d %d\n", !!fetestexcept(FE_INEXACT), !!fetestexcept(FE_DIVBYZERO), !!fetestexcept(FE_OVERFLOW));
    e_ = 0, d_ = 1 / e_, d_ = DBL_MAX, d_ = d_ * d_, d_ = DBL_MIN, d_ = d_ * d_, d_ = -1, d_ = sqrt(d_);
    printf("%d %d %d %d\n", !!fetestexcept(FE_DIVBYZERO), !!fetestexcept(FE_OVERFLOW), !!fetestexcept(FE_UNDERFLOW),
           !!fetestexcept(FE_INVALID));
    for (double x = -3; x < 40; x += 1.37) {
        double y = fabs(x);
        printf("%.15g %.15g %.15g %.15g %.15g %.15g ", sin(x), cos(x), tan(x), exp(x / 8), log(y), sqrt(y));
        printf("%.15g %.15g %.15g %.15g %.15g %.15g ", pow(y, 1.7), atan(x), atan2(x, 3), cbrt(x), hypot(x, 4),
               tgamma(y / 4 + 1));
        printf("%.12g %.12g %.12g %.7g %.7g\n", sinh(x / 9), erf(x / 5), lgamma(y + 1), (double)sinf((float)x),
               (double)powf((float)y, 0.3f));
        int e;
        double part, m = frexp(x, &e), f = modf(x, &part);
        mix(m), mix(f), mix(part), mix(ldexp(x, e)), mix(nextafter(x, 9)), mix(scalbn(x, -3)), mix(logb(x)),
            mix(remainder(x, 0.7));
        mix(fma(x, y, -1)), mix(exp2(x)), mix(expm1(x / 50)), mix(log1p(y)), mix(log2(y)), mix(asin(fmod(x, 1))),
            mix(acos(fmod(x, 1)));
    }
    printf("%016llx\n", (unsigned long long)sum);
    return 0;
}
