/* Guest: writes one byte COUNT times to stdout; prints nanoseconds per write to stderr. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 0;
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long i = 0; i < count; i++) {
        if (write(1, "x", 1) != 1) {
            return 1;
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    fprintf(stderr, "%.0f\n",
            ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) / (double)count);
    return 0;
}
