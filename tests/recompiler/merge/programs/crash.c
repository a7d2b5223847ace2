/* crash WAY: ends by abort, by a trap, by _exit, or by endless recursion. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int deeper(int n) {
    volatile int here = n;
    return deeper(here + 1) + here;
}

int main(int argc, char **argv) {
    const char *way = argc > 1 ? argv[1] : "";
    printf("%s\n", way);
    fflush(stdout);
    if (strcmp(way, "abort") == 0) {
        abort();
    }
    if (strcmp(way, "trap") == 0) {
        __builtin_trap();
    }
    if (strcmp(way, "exit") == 0) {
        _exit(42);
    }
    if (strcmp(way, "deep") == 0) {
        return deeper(0);
    }
    return 7;
}
