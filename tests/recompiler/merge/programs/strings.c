/* strings [LENGTH]: printable runs of standard input. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    size_t least = argc > 1 ? (size_t)atoi(argv[1]) : 4, n = 0;
    char run[4096];
    for (int c; (c = getchar()) != EOF || n;) {
        if (c >= ' ' && c < 127 && n < sizeof run) {
            run[n++] = (char)c;
            continue;
        }
        if (n >= least) {
            printf("%.*s\n", (int)n, run);
        }
        n = 0;
        if (c == EOF) {
            break;
        }
    }
    return 0;
}
