/* tail [N]: the last N lines of standard input, in a ring. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    size_t keep = argc > 1 ? (size_t)atol(argv[1]) : 10, seen = 0, size = 0;
    if (keep == 0 || keep > 100000) {
        fprintf(stderr, "tail: %s: between 1 and 100000\n", argv[1]);
        return 2;
    }
    char **ring = calloc(keep, sizeof *ring), *line = NULL;
    while (getline(&line, &size, stdin) >= 0) {
        free(ring[seen % keep]);
        ring[seen++ % keep] = strdup(line);
    }
    for (size_t i = seen > keep ? seen - keep : 0; i < seen; i++) {
        fputs(ring[i % keep], stdout);
    }
    return 0;
}
