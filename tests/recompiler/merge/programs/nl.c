/* nl: the lines of standard input with their numbers. */
#include <stdio.h>

int main(void) {
    char *line = NULL;
    size_t size = 0;
    for (long number = 0; getline(&line, &size, stdin) >= 0;) {
        if (line[0] == '\n') {
            fputs("       \n", stdout);
        } else {
            printf("%6ld\t%s", ++number, line);
        }
    }
    return 0;
}
