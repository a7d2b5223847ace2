/* primes N: a sieve on the heap, large enough to make it grow. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 100, count = 0, last = 0;
    char *composite = n < 1u << 26 ? calloc(n + 1, 1) : NULL;
    if (!composite) {
        fputs("primes: too many\n", stderr);
        return 3;
    }
    for (size_t i = 2; i <= n; i++) {
        if (composite[i]) {
            continue;
        }
        count++;
        last = i;
        for (size_t k = i * i; k <= n; k += i) {
            composite[k] = 1;
        }
    }
    printf("%zu primes up to %zu, the last is %zu\n", count, n, last);
    return 0;
}
