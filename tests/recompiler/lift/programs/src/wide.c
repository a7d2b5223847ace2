// 128-bit integers: products, quotients, shifts, compares; and the overflow builtins.
#include <stdint.h>
#include <stdio.h>

typedef unsigned __int128 u128;
typedef __int128 i128;
static uint64_t seed = 7;
static uint64_t next(void) {
    seed ^= seed << 13, seed ^= seed >> 7;
    return seed ^= seed << 17;
}
static void show(u128 v) {
    printf("%016llx%016llx ", (unsigned long long)(v >> 64), (unsigned long long)v);
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    u128 sum = 0;
    for (int i = 0; i < 3000; i++) {
        u128 a = (u128)next() << 64 | next(), b = (u128)next() << 64 | next();
        a >>= next() & 127, b >>= next() & 127;
        b |= 1;
        int n = (int)(next() & 127);
        i128 s = (i128)a, t = (i128)b;
        sum = sum * 3 + a / b + a % b + (u128)(s / (t | 1)) + (u128)(s % (t | 1)) + (a << n) + (u128)(s >> n) + a * b;
        sum += (a < b) + 2 * (s < t) + (u128)(uint64_t)a * (uint64_t)b + (u128)((i128)(int64_t)a * (int64_t)b);
        if (i % 500 == 0) {
            show(a / b), show(a % b), show((u128)(s / t)), show(sum), puts("");
        }
    }
    show(sum);
    int bad = 0;
    for (int i = 0; i < 2000; i++) {
        int64_t x = (int64_t)next() >> (next() & 63), y = (int64_t)next() >> (next() & 63), r;
        int p = (int)next() >> (next() & 31), q = (int)next() >> (next() & 31), w;
        uint64_t v;
        short h;
        bad += __builtin_add_overflow(x, y, &r) + 2 * __builtin_sub_overflow(x, y, &r) +
               4 * __builtin_mul_overflow(x, y, &r);
        bad += 8 * __builtin_add_overflow(p, q, &w) + 16 * __builtin_mul_overflow(p, q, &w) +
               32 * __builtin_sub_overflow((uint64_t)x, (uint64_t)y, &v);
        bad += 64 * __builtin_mul_overflow(p, q, &h) + (int)(r ^ w) % 7 + (int)(v & 3) + h % 5;
    }
    printf("\n%d %g %g %lld\n", bad, (double)(u128)sum, (double)(i128)sum, (long long)(u128)1e30);
    return 0;
}
