// setjmp and longjmp: out of deep calls, many times, in loops, with values kept in memory.
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

static jmp_buf outer, inner;
static int depth;
static volatile int steps;

__attribute__((noinline)) static int dive(int n) {
    volatile char room[64];
    room[n % 64] = (char)n;
    depth++;
    if (n == 0) {
        longjmp(inner, 7);
    }
    int result = dive(n - 1) + room[n % 64];
    return result;
}
static int compare(const void *a, const void *b) {
    if (++steps == 9) {
        longjmp(outer, 3);
    }
    return *(const int *)a - *(const int *)b;
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    volatile int round = 0;
    int status = setjmp(inner);
    if (status == 0 || round < 2000) {
        round++;
        dive(round % 50);
    }
    printf("%d %d %d\n", status, round, depth);
    int values[20];
    for (int i = 0; i < 20; i++) {
        values[i] = i * 7 % 20;
    }
    switch (setjmp(outer)) {
    case 0:
        qsort(values, 20, sizeof *values, compare);
        puts("sorted");
        break;
    case 3:
        printf("left qsort after %d\n", steps);
        break;
    default:
        puts("?");
    }
    volatile int count = 0;
    if (setjmp(outer) < 10) {
        count++;
        longjmp(outer, count);
    }
    printf("%d\n", count);
    sigjmp_buf with_mask;
    if (!sigsetjmp(with_mask, 1)) {
        siglongjmp(with_mask, 1);
    }
    puts("done");
    return 0;
}
