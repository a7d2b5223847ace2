// Mutual tail calls (flat where the compiler makes them jumps), through pointers too, with stack arguments.
#include <stdio.h>

typedef unsigned long step(unsigned long n, unsigned long sum);
static step even, odd, third;
static step *const next[3] = {even, odd, third};
__attribute__((noinline)) static unsigned long even(unsigned long n, unsigned long sum) {
    return n ? odd(n - 1, sum * 3 + 1) : sum;
}
__attribute__((noinline)) static unsigned long odd(unsigned long n, unsigned long sum) {
    return n ? next[sum % 3](n - 1, sum ^ n) : sum;
}
__attribute__((noinline)) static unsigned long third(unsigned long n, unsigned long sum) {
    return n < 2 ? sum + 5 : even(n - 2, sum + (n << 5));
}
__attribute__((noinline)) static long many(long a, long b, long c, long d, long e, long f, long g, long h) {
    return a <= 0 ? b + c + d + e + f + g + h : many(a - 1, h, b, c, d, e, f, g + 1);
}
int main(int argc, char **argv) {
    (void)argv;
    unsigned long n = argc > 5 ? 1 : 60000;
    for (int i = 0; i < 5; i++)
        printf("%lu %lu\n", even(n + (unsigned long)i, 1), third(n * 2, (unsigned long)i));
    printf("%ld\n", many(20000, 1, 2, 3, 4, 5, 6, 7));
    return 0;
}
