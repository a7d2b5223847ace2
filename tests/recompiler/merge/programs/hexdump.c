/* hexdump: standard input in hexadecimal and ASCII. */
#include <ctype.h>
#include <stdio.h>

int main(void) {
    unsigned char row[16];
    size_t n, at = 0;
    for (; (n = fread(row, 1, sizeof row, stdin)) > 0; at += n) {
        printf("%08zx ", at);
        for (size_t i = 0; i < sizeof row; i++) {
            printf(i < n ? " %02x" : "   ", i < n ? row[i] : 0);
        }
        fputs("  |", stdout);
        for (size_t i = 0; i < n; i++) {
            putchar(isprint(row[i]) ? row[i] : '.');
        }
        puts("|");
    }
    printf("%08zx\n", at);
    return 0;
}
