/* rev: each line of standard input backwards. */
#include <stdio.h>
#include <string.h>

int main(void) {
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) >= 0) {
        size_t length = strcspn(line, "\n");
        for (size_t i = length; i-- > 0;) {
            putchar(line[i]);
        }
        fputs(line + length, stdout);
    }
    return 0;
}
