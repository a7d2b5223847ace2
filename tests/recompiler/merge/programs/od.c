/* od: standard input in octal. */
#include <stdio.h>

int main(void) {
    unsigned char row[16];
    size_t n, at = 0;
    for (; (n = fread(row, 1, sizeof row, stdin)) > 0; at += n) {
        printf("%07zo", at);
        for (size_t i = 0; i < n; i++) {
            printf(" %03o", row[i]);
        }
        putchar('\n');
    }
    printf("%07zo\n", at);
    return 0;
}
