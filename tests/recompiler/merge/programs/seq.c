/* seq FIRST STEP LAST: numbers, also with a fraction. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    if (argc != 4 || atof(argv[2]) == 0) {
        fprintf(stderr, "usage: %s FIRST STEP LAST\n", argv[0]);
        return 2;
    }
    double first = atof(argv[1]), step = atof(argv[2]), last = atof(argv[3]);
    for (long i = 0; step > 0 ? first + i * step <= last : first + i * step >= last; i++) {
        printf("%g\n", first + i * step);
    }
    return 0;
}
