/* tr FROM TO: bytes of standard input replaced; ranges such as a-z. */
#include <stdio.h>
#include <string.h>

static int expand(const char *set, unsigned char out[256]) {
    int n = 0;
    for (; *set && n < 256; set++) {
        if (set[1] == '-' && set[2]) {
            for (int c = (unsigned char)set[0]; c <= (unsigned char)set[2] && n < 256; c++) {
                out[n++] = (unsigned char)c;
            }
            set += 2;
        } else {
            out[n++] = (unsigned char)*set;
        }
    }
    return n;
}

int main(int argc, char **argv) {
    unsigned char from[256], to[256], map[256];
    int c, m = argc == 3 ? expand(argv[1], from) : 0, n = argc == 3 ? expand(argv[2], to) : 0;
    if (m == 0 || n == 0) {
        return 2;
    }
    for (int i = 0; i < 256; i++) {
        map[i] = (unsigned char)i;
    }
    for (int i = 0; i < m; i++) {
        map[from[i]] = to[i < n ? i : n - 1];
    }
    while ((c = getchar()) != EOF) {
        putchar(map[c]);
    }
    return 0;
}
