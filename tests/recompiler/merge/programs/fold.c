/* fold [WIDTH]: lines of standard input broken at a width. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    int width = argc > 1 ? atoi(argv[1]) : 80, column = 0, c;
    while ((c = getchar()) != EOF) {
        if (c != '\n' && column == width) {
            putchar('\n'), column = 0;
        }
        putchar(c);
        column = c == '\n' ? 0 : column + 1;
    }
    return 0;
}
