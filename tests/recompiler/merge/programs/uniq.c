/* uniq [-c]: adjacent equal lines of standard input once, with their count. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void show(const char *line, long count, int counted) {
    if (count && counted) {
        printf("%7ld %s", count, line);
    } else if (count) {
        fputs(line, stdout);
    }
}

int main(int argc, char **argv) {
    int counted = argc > 1 && strcmp(argv[1], "-c") == 0;
    char *line = NULL, *last = strdup("");
    size_t size = 0;
    long count = 0;
    while (getline(&line, &size, stdin) >= 0) {
        if (count && strcmp(line, last) == 0) {
            count++;
            continue;
        }
        show(last, count, counted);
        free(last);
        last = strdup(line);
        count = 1;
    }
    show(last, count, counted);
    return 0;
}
