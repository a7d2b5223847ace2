/* head [N]: the first N lines of standard input. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    long left = argc > 1 ? atol(argv[1]) : 10;
    int c;
    while (left > 0 && (c = getchar()) != EOF) {
        putchar(c);
        left -= c == '\n';
    }
    return 0;
}
