/* tac FILE: its lines, the last one first; by seeking. */
#include <stdio.h>

static void line_at(FILE *in, long start, long end) {
    fseek(in, start, SEEK_SET);
    for (; start < end; start++) {
        putchar(getc(in));
    }
}

int main(int argc, char **argv) {
    FILE *in = argc > 1 ? fopen(argv[1], "r") : NULL;
    if (!in) {
        perror(argc > 1 ? argv[1] : "tac");
        return 1;
    }
    fseek(in, 0, SEEK_END);
    long end = ftell(in);
    for (long at = end - 1; at >= 0; at--) {
        fseek(in, at, SEEK_SET);
        if (at + 1 < end && getc(in) == '\n') {
            line_at(in, at + 1, end);
            end = at + 1;
        }
    }
    line_at(in, 0, end);
    return 0;
}
