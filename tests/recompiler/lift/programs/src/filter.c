// A filter: lines of stdin counted, sorted, reversed or upper-cased; options by getopt; errors on stderr.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}
int main(int argc, char **argv) {
    int option, sort = 0, upper = 0, reverse = 0, number = 0;
    const char *prefix = "";
    while ((option = getopt(argc, argv, "surn:p:")) != -1) {
        switch (option) {
        case 's':
            sort = 1;
            break;
        case 'u':
            upper = 1;
            break;
        case 'r':
            reverse = 1;
            break;
        case 'n':
            number = atoi(optarg);
            break;
        case 'p':
            prefix = optarg;
            break;
        default:
            return 2;
        }
    }
    char **lines = NULL, *line = NULL;
    size_t count = 0, room = 0, size = 0;
    ssize_t length;
    while ((length = getline(&line, &size, stdin)) >= 0) {
        if (count == room) {
            lines = realloc(lines, (room = room * 2 + 4) * sizeof *lines);
        }
        if (length && line[length - 1] == '\n') {
            line[--length] = 0;
        }
        lines[count++] = strdup(line);
    }
    free(line);
    if (sort) {
        qsort(lines, count, sizeof *lines, by_text);
    }
    for (size_t n = 0; n < count; n++) {
        char *text = lines[n];
        size_t size_ = strlen(text);
        for (size_t i = 0; i < size_ && upper; i++) {
            text[i] = (char)toupper((unsigned char)text[i]);
        }
        for (size_t i = 0; i < size_ / 2 && reverse; i++) {
            char c = text[i];
            text[i] = text[size_ - 1 - i], text[size_ - 1 - i] = c;
        }
        if (number) {
            printf("%*zu ", number, n + 1);
        }
        printf("%s%s\n", prefix, text);
        free(text);
    }
    free(lines);
    fprintf(stderr, "%zu lines, %d operands\n", count, argc - optind);
    return count ? 0 : 1;
}
