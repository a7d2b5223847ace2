// printf of every kind: integers, floats and their edges, long doubles, widths, %n, wide characters.
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <wchar.h>

static int format(char *to, size_t room, const char *how, ...) {
    va_list list;
    va_start(list, how);
    int count = vsnprintf(to, room, how, list);
    va_end(list);
    return count;
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    static const double values[] = {
        0,    -0.0, 1,    -1.5, 0.1,   1.0 / 3, 2.0 / 3,  1e10,      123456789.123, 1e15,       1e16,
        1e17, 9.5,  10.5, 0.5,  1.5,   2.5,     1e-5,     1e-4,      DBL_MIN,       DBL_MAX,    4.9406564584124654e-324,
        1e22, 1e23, M_PI, -M_E, 1e100, 1e-100,  INFINITY, -INFINITY, 99999.95,      0.000123456};
    static const char *const hows[] = {"%f",    "%.0f", "%e",    "%g",      "%.17g", "%a", "%10.3f|", "%-12.4e|",
                                       "%+.2f", "% g",  "%#.0f", "%015.5f", "%.30f", "%G", "%.3a"};
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        for (unsigned n = 0; n < sizeof hows / sizeof *hows; n++) {
            printf(hows[n], values[i]);
            putchar(' ');
        }
        printf("%Lf %.20Lg %La %Le\n", (long double)values[i], (long double)values[i] / 3, (long double)values[i],
               (long double)values[i] * 7);
    }
    printf("%f %d\n", fabs((double)NAN), isnan(NAN) != 0);
    printf("%d %i %u %x %X %o %#x %#o %c %s %% %5d|%-5d|%05d|%+d|% d\n", INT_MIN, INT_MAX, UINT_MAX, 0xBEEF, 0xBEEF,
           0777, 255, 8, 'c', "text", 42, 42, 42, 42, 42);
    printf("%hhd %hd %ld %lld %jd %zu %td %" PRIu64 " %" PRIx64 "\n", (signed char)200, (short)70000, LONG_MIN,
           LLONG_MAX, INTMAX_MIN, (size_t)-1, (ptrdiff_t)-5, UINT64_MAX, UINT64_C(1) << 63);
    printf("%*d|%-*d|%.*s|%.3s|%8.2s|%.0d|%5c|%ls|%lc\n", 7, 3, 7, 3, 2, "abcdef", "abcdef", "abc", 0, 'x', L"wide",
           L'w');
    int so_far = 0;
    printf("abc%n", &so_far);
    char small[8];
    int count = format(small, sizeof small, "%d-%s-%f", 12345, "longer than that", 2.5);
    printf(" %d %d %s\n", so_far, count, small);
    printf("%Lf %Lg %.25Lg\n", LDBL_MAX, LDBL_MIN, 1.0L / 3);
    return 0;
}
