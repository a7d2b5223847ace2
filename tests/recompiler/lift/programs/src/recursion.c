// Deep recursion: Ackermann, a million small frames on a stack of its own size, mutual recursion through pointers.
#include <stdio.h>
#include <sys/resource.h>

static unsigned ackermann(unsigned m, unsigned n) {
    return m ? n ? ackermann(m - 1, ackermann(m, n - 1)) : ackermann(m - 1, 1) : n + 1;
}
__attribute__((noinline)) static unsigned long deep(unsigned long n) {
    unsigned long below = n ? deep(n - 1) : 1;
    __asm__ volatile("" : "+r"(below));
    return below * 3 + n;
}
static int (*volatile other)(int);
static int hop(int n) {
    return n < 1 ? 0 : other(n - 1) + (n & 1);
}
static unsigned calls;
static void hanoi(int n, int a, int b, int c) {
    if (!n) {
        return;
    }
    hanoi(n - 1, a, c, b), calls++, hanoi(n - 1, c, b, a);
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    other = hop;
    printf("%u\n", ackermann(2, 300));
    printf("%lx\n", deep(100000));
    printf("%d\n", hop(50000));
    hanoi(16, 1, 2, 3);
    printf("%u\n", calls);
    return 0;
}
