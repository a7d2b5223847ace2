/* fib N: by two calls, so that the stack is used. */
#include <stdio.h>
#include <stdlib.h>

static unsigned fib(unsigned n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int main(int argc, char **argv) {
    printf("%u\n", fib(argc > 1 ? (unsigned)atoi(argv[1]) % 30 : 20));
    return 0;
}
