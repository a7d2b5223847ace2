// Variable arguments of every class, va_copy, alloca, variable-length arrays, structures by value, many arguments.
#include <alloca.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct small {
    int a;
    float b;
};
struct mixed {
    double d;
    long l;
};
struct big {
    long values[9];
};
static double total(const char *kinds, ...) {
    va_list list, again;
    va_start(list, kinds);
    va_copy(again, list);
    double sum = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (const char *k = kinds; *k; k++) {
            va_list *from = pass ? &again : &list;
            switch (*k) {
            case 'i':
                sum += va_arg(*from, int);
                break;
            case 'l':
                sum += (double)va_arg(*from, long);
                break;
            case 'd':
                sum += va_arg(*from, double);
                break;
            case 'L':
                sum += (double)va_arg(*from, long double);
                break;
            case 's':
                sum += (double)strlen(va_arg(*from, const char *));
                break;
            case 'm':
                sum += va_arg(*from, struct mixed).d;
                break;
            case 'S':
                sum += (double)va_arg(*from, struct small).b;
                break;
            case 'B':
                sum += (double)va_arg(*from, struct big).values[8];
                break;
            }
        }
    }
    va_end(list), va_end(again);
    return sum;
}
static struct big make(struct big from, struct small s, struct mixed m, long a, long b, long c, long d, long e, long f,
                       double g, float h) {
    from.values[0] += a + b * 2 + c * 3 + d * 4 + e * 5 + f * 6 + (long)g + (long)h + s.a + m.l;
    return from;
}
static struct mixed swap(struct small s) {
    return (struct mixed){(double)s.b, s.a};
}
static unsigned rooms(int n) {
    char *room = alloca((size_t)n * 3 + 1), array[n + 1];
    memset(room, n, (size_t)n * 3 + 1), memset(array, n + 1, (size_t)n + 1);
    unsigned sum = 0;
    for (int i = 0; i <= n; i++) {
        sum = sum * 7 + (unsigned char)array[i] + (unsigned char)room[i * 3 > n ? n : i * 3];
    }
    return n > 1 ? sum + rooms(n / 2) + rooms(n - n / 3 - 1) : sum;
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    struct big b = {{1, 2, 3, 4, 5, 6, 7, 8, 9}};
    struct mixed m = {2.5, 40};
    struct small s = {11, 0.75f};
    printf("%g\n", total("ildLsmSBdddddddddiiiiiiii", 1, 2L, 3.5, 4.25L, "five", m, s, b, 1., 2., 3., 4., 5., 6., 7.,
                         8., 9., 1, 2, 3, 4, 5, 6, 7, 8));
    struct big r = make(b, s, m, 1, 2, 3, 4, 5, 6, 7.5, 8.5f);
    struct mixed w = swap(s);
    printf("%ld %ld %g %ld %u\n", r.values[0], r.values[8], w.d, w.l, rooms(40));
    return 0;
}
