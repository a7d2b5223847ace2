/* sort [-r] [-n]: the lines of standard input in order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int numeric, reverse;

static int compare(const void *a, const void *b) {
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    long n = numeric ? strtol(x, NULL, 10) - strtol(y, NULL, 10) : 0;
    int order = n < 0 ? -1 : n > 0 ? 1 : strcmp(x, y);
    return reverse ? -order : order;
}

int main(int argc, char **argv) {
    char **lines = NULL, *line = NULL;
    size_t count = 0, room = 0, size = 0;
    for (int i = 1; i < argc; i++) {
        numeric |= strcmp(argv[i], "-n") == 0;
        reverse |= strcmp(argv[i], "-r") == 0;
    }
    while (getline(&line, &size, stdin) >= 0) {
        if (count == room) {
            lines = realloc(lines, (room = room * 2 + 16) * sizeof *lines);
        }
        lines[count++] = strdup(line);
    }
    qsort(lines, count, sizeof *lines, compare);
    for (size_t i = 0; i < count; i++) {
        fputs(lines[i], stdout);
    }
    return 0;
}
