/* table [SEPARATOR]: the fields of its input's lines in columns as wide as their widest field. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 64, LINE = 4096 };

int main(int argc, char **argv) {
    const char *separator = argc > 1 ? argv[1] : ",";
    char **lines = NULL, line[LINE];
    size_t count = 0, width[COLUMNS] = {0};
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        lines = realloc(lines, (count + 1) * sizeof *lines);
        if (!lines || !(lines[count++] = strdup(line))) {
            fputs("table: out of memory\n", stderr);
            return 2;
        }
        char *rest = line;
        for (int column = 0; rest && column < COLUMNS; column++) {
            size_t length = strlen(strsep(&rest, separator));
            width[column] = length > width[column] ? length : width[column];
        }
    }
    for (size_t i = 0; i < count; i++) {
        char *rest = lines[i];
        for (int column = 0; rest && column < COLUMNS; column++) {
            char *field = strsep(&rest, separator);
            printf("%-*s%s", rest ? (int)width[column] : 0, field, rest ? "  " : "\n");
        }
    }
    return 0;
}
