// Structures of every size and class as arguments and results; complex numbers, _Bool, bit-fields, unions, long double.
#include <complex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SIZED(n)                                                                                                       \
    struct s##n {                                                                                                      \
        unsigned char b[n];                                                                                            \
    };                                                                                                                 \
    __attribute__((noinline)) static struct s##n turn##n(struct s##n a, int by, struct s##n b) {                       \
        for (int i = 0; i < n; i++)                                                                                    \
            a.b[i] = (unsigned char)(a.b[i] * 3 + b.b[n - 1 - i] + by);                                                \
        return a;                                                                                                      \
    }                                                                                                                  \
    static unsigned check##n(void) {                                                                                   \
        struct s##n v, w;                                                                                              \
        for (int i = 0; i < n; i++)                                                                                    \
            v.b[i] = (unsigned char)(i * 7), w.b[i] = (unsigned char)(i ^ 0x55);                                       \
        struct s##n (*volatile call)(struct s##n, int, struct s##n) = turn##n;                                         \
        unsigned sum = n;                                                                                              \
        for (int round = 0; round < 3; round++) {                                                                      \
            v = call(v, round, w);                                                                                     \
            for (int i = 0; i < n; i++)                                                                                \
                sum = sum * 33 + v.b[i];                                                                               \
        }                                                                                                              \
        return sum;                                                                                                    \
    }
// clang-format off
SIZED(1) SIZED(2) SIZED(3) SIZED(4) SIZED(5) SIZED(6) SIZED(7) SIZED(8) SIZED(9) SIZED(11) SIZED(12)
SIZED(15) SIZED(16) SIZED(17) SIZED(24) SIZED(31) SIZED(32) SIZED(33) SIZED(64) SIZED(100) SIZED(1000)
    // clang-format on

    struct ff {
    float a, b;
};
struct fff {
    float a, b, c;
};
struct dd {
    double a, b;
};
struct di {
    double a;
    int b;
};
struct id {
    long a;
    double b;
};
struct fi {
    float a;
    int b;
    double c;
};
struct ld {
    long double a;
};
struct nested {
    struct ff f;
    short s;
    char c;
};
struct bits {
    unsigned a : 3, b : 11;
    signed c : 5;
    _Bool d : 1;
    unsigned long e : 40;
};
union either {
    double d;
    long l;
};

#define CALL __attribute__((noinline)) static
CALL struct ff ff(struct ff x, float y) {
    return (struct ff){x.b * y, x.a - y};
}
CALL struct fff fff(struct ff x, struct fff y) {
    return (struct fff){x.a + y.c, x.b * y.b, y.a};
}
CALL struct dd dd(struct di x, struct id y) {
    return (struct dd){x.a * y.b, x.b + (double)y.a};
}
CALL struct di di(struct dd x, int n) {
    return (struct di){x.a / x.b, n * 3};
}
CALL struct id id(struct fi x, union either e) {
    return (struct id){x.b + e.l % 1000, x.c + (double)x.a};
}
CALL struct ld ld(struct ld x, int n, long double y) {
    return (struct ld){x.a * n + y};
}
CALL struct nested nested(struct nested n, char c) {
    return (struct nested){{n.f.b, n.f.a}, (short)(n.s * 2), (char)(n.c + c)};
}
CALL struct bits bits(struct bits b) {
    return (struct bits){b.b & 7, b.a * 5u, -b.c, !b.d, b.e * 3};
}
CALL double complex cc(double complex a, float complex b) {
    return a * a + 2 * b;
}
CALL _Bool truth(int x, _Bool y) {
    return (x > 3) ^ y;
}
CALL __int128 wide(__int128 a, int n, __int128 b) {
    return a * n - b;
}
CALL long double many(int a, long double b, double c, long double d, float e, struct dd f, struct s17 g,
                      long double h) {
    return a + b * c - d / e + f.a * f.b + g.b[16] + h;
}
CALL double sum(int count, ...) {
    va_list list;
    va_start(list, count);
    double total = 0;
    for (int n = 0; n < count; n++) {
        struct dd d = va_arg(list, struct dd);
        struct s24 s = va_arg(list, struct s24);
        struct di i = va_arg(list, struct di);
        total = total * 1.5 + d.a - d.b + s.b[23] + i.a * i.b + (double)va_arg(list, long double);
    }
    va_end(list);
    return total;
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    printf("%x %x %x %x %x %x %x\n", check1(), check2(), check3(), check4(), check5(), check6(), check7());
    printf("%x %x %x %x %x %x %x\n", check8(), check9(), check11(), check12(), check15(), check16(), check17());
    printf("%x %x %x %x %x %x %x\n", check24(), check31(), check32(), check33(), check64(), check100(), check1000());
    struct ff f = ff((struct ff){1.5f, 2.25f}, 3);
    struct fff g = fff(f, (struct fff){1, 2, 3});
    struct dd d = dd((struct di){2.5, 7}, (struct id){-9, 1.125});
    struct di i = di(d, 14);
    struct id j = id((struct fi){0.5f, 6, 7.75}, (union either){.d = 3.25});
    struct ld l = ld((struct ld){1.0L / 3}, 7, 0.1L);
    struct nested n = nested((struct nested){f, -300, 'a'}, 2);
    struct bits b = bits((struct bits){5, 1234, -7, 1, 0xABCDEF0123});
    double complex c = cc(1.5 - 2 * I, 0.25f + 3 * I);
    printf("%g %g %g %g %g %g %g %g %d\n", f.a, f.b, g.a, g.b, g.c, d.a, d.b, i.a, i.b);
    printf("%ld %g %.20Lg %g %g %d %c %d %d %d %d %lx\n", j.a, j.b, l.a, n.f.a, n.f.b, n.s, n.c, b.a, b.b, b.c, b.d,
           (long)b.e);
    printf("%g %g %d %d\n", creal(c), cimag(c), truth(4, 0), truth(4, 1));
    __int128 w = wide((__int128)1 << 90, -5, 12345);
    struct s17 s = {{0}};
    s.b[16] = 200;
    printf("%lx %lx %.18Lg\n", (long)(w >> 64), (long)w, many(1, 2.5L, 3.5, 4.5L, 0.5f, d, s, 1e10L));
    struct s24 t = {{0}};
    t.b[23] = 9;
    printf("%.15g\n", sum(3, d, t, i, 1.5L, (struct dd){1, 2}, t, i, 2.5L, d, t, (struct di){3, 4}, -1e3L));
    return 0;
}
