/* matrix N: the product of two N x N matrices of doubles and its trace. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 8;
    if (n == 0 || n > 200) {
        return 2;
    }
    double *a = malloc(n * n * sizeof *a), *b = malloc(n * n * sizeof *b), trace = 0;
    for (size_t i = 0; i < n * n; i++) {
        a[i] = (double)(i % 7) - 3;
        b[i] = 1.0 / (double)(i + 1);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            trace += a[i * n + k] * b[k * n + i];
        }
    }
    printf("%.15g %a\n", trace, trace);
    free(a);
    free(b);
    return 0;
}
