// strtod, strtof, strtold, strtol and sscanf; text to number and back gives the same number.
#include <errno.h>
#include <float.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed = 42;
static uint64_t next(void) {
    seed ^= seed << 13, seed ^= seed >> 7;
    return seed ^= seed << 17;
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    int wrong = 0;
    uint64_t sum = 0;
    for (int i = 0; i < 3000; i++) {
        uint64_t bits = next(), back;
        double value, again;
        memcpy(&value, &bits, 8);
        if (value != value || value - value != 0) {
            continue;
        }
        char text[64];
        snprintf(text, sizeof text, i & 1 ? "%.17g" : "%a", value);
        again = strtod(text, NULL);
        memcpy(&back, &again, 8);
        wrong += back != bits;
        float f = strtof(text, NULL);
        uint32_t small;
        memcpy(&small, &f, 4);
        sum = sum * 31 + small;
        long double wide = (long double)value * 1.1L;
        snprintf(text, sizeof text, "%.21Lg", wide);
        wrong += strtold(text, NULL) != wide;
    }
    printf("%d wrong, %016llx\n", wrong, (unsigned long long)sum);
    static const char *const numbers[] = {"1e400",
                                          "-1e400",
                                          "1e-400",
                                          "  12abc",
                                          "0x1.8p3",
                                          "infinity",
                                          "nan",
                                          ".5e1x",
                                          "e5",
                                          "2.2250738585072011e-308",
                                          "9007199254740993",
                                          "1e23",
                                          "0.1e-6",
                                          "123456789012345678901234567890"};
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char *end;
        errno = 0;
        double value = strtod(numbers[i], &end);
        printf("%s: %.17g %d %d\n", numbers[i], value != value ? 0.5 : value, (int)(end - numbers[i]), errno);
    }
    static const char *const longs[] = {
        "0", "-9223372036854775808", "9223372036854775808", "0x7f", "077", "z", "10zz", " +5 "};
    for (unsigned i = 0; i < sizeof longs / sizeof *longs; i++) {
        for (int base = 0; base <= 36; base += 9) {
            char *end;
            errno = 0;
            long value = strtol(longs[i], &end, base);
            unsigned long u = strtoul(longs[i], &end, base);
            printf("%ld %lu %d %d;", value, u, (int)(end - longs[i]), errno);
        }
    }
    int a, b, n;
    unsigned x;
    char word[16], set[16], c;
    float f;
    double d;
    long double ld;
    n = sscanf("12 -7 ff hello,abc123 Q 1.5 2.25e3 -0.125", "%d %d %x %15[a-z],%15[^ ] %c %f %lf %Lf", &a, &b, &x, word,
               set, &c, &f, &d, &ld);
    printf("\n%d: %d %d %x %s %s %c %g %g %Lg\n", n, a, b, x, word, set, c, (double)f, d, ld);
    return wrong != 0;
}
