/* cut DELIMITER FIELD: one field of each line of standard input. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    if (argc != 3 || strlen(argv[1]) != 1 || atoi(argv[2]) < 1) {
        fputs("usage: cut DELIMITER FIELD\n", stderr);
        return 2;
    }
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) >= 0) {
        char *rest = line, *field = NULL;
        line[strcspn(line, "\n")] = 0;
        for (int left = atoi(argv[2]); left > 0 && rest; left--) {
            field = strsep(&rest, argv[1]);
        }
        puts(field ? field : "");
    }
    return 0;
}
