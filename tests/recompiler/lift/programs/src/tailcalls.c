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
// A machine whose instructions are functions that jump to one another.
#ifdef __clang__
#define TAIL __attribute__((musttail)) return
#else
#define TAIL return
#endif
typedef long operation(const unsigned char *code, long *stack, long top, long steps, double real);
static operation op_push, op_add, op_jump, op_half, op_end;
static operation *const operations[] = {op_push, op_add, op_jump, op_half, op_end};
#define GO(at) TAIL operations[*(at)]((at) + 1, stack, top, steps, real)
static long op_push(const unsigned char *code, long *stack, long top, long steps, double real) {
    *stack++ = top, top = *code;
    GO(code + 1);
}
static long op_add(const unsigned char *code, long *stack, long top, long steps, double real) {
    top = (long)((unsigned long)top * 3 + (unsigned long)*--stack), real += (double)(top & 7);
    GO(code);
}
static long op_jump(const unsigned char *code, long *stack, long top, long steps, double real) {
    if (--steps <= 0) {
        TAIL op_end(code, stack, top, steps, real);
    }
    code += (signed char)*code;
    GO(code);
}
static long op_half(const unsigned char *code, long *stack, long top, long steps, double real) {
    real /= 2, top ^= (long)real;
    GO(code);
}
static long op_end(const unsigned char *code, long *stack, long top, long steps, double real) {
    (void)code, (void)stack;
    return top + steps + (long)(real * 1000);
}
int main(int argc, char **argv) {
    (void)argv;
    unsigned long n = argc > 5 ? 1 : 60000;
    for (int i = 0; i < 5; i++) {
        printf("%lu %lu\n", even(n + (unsigned long)i, 1), third(n * 2, (unsigned long)i));
    }
    printf("%ld\n", many(20000, 1, 2, 3, 4, 5, 6, 7));
    static const unsigned char code[] = {0, 1, 0, 7, 1, 3, 2, 0xFB, 4};
    long stack[8];
    printf("%ld\n", operations[code[0]](code + 1, stack, 5, 3000, 0.5));
    return 0;
}
