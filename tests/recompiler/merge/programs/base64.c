/* base64: standard input encoded, 76 characters on a line. */
#include <stdio.h>

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int main(void) {
    unsigned char p[57];
    for (size_t n; (n = fread(p, 1, sizeof p, stdin)) > 0; putchar('\n')) {
        for (size_t i = 0; i < n; i += 3) {
            unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
            putchar(DIGITS[v >> 18]);
            putchar(DIGITS[v >> 12 & 63]);
            putchar(i + 1 < n ? DIGITS[v >> 6 & 63] : '=');
            putchar(i + 2 < n ? DIGITS[v & 63] : '=');
        }
    }
    return 0;
}
