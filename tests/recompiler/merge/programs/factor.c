/* factor N...: prime factors. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        unsigned long long n = strtoull(argv[i], NULL, 10);
        printf("%llu:", n);
        for (unsigned long long p = 2; p * p <= n; p++) {
            for (; n % p == 0; n /= p) {
                printf(" %llu", p);
            }
        }
        if (n > 1) {
            printf(" %llu", n);
        }
        putchar('\n');
    }
    return argc == 1;
}
