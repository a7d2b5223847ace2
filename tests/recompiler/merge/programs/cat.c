/* cat [FILE...]: files, or standard input, one after the other. */
#include <stdio.h>

static int copy(FILE *in) {
    int c;
    while ((c = getc(in)) != EOF) {
        putchar(c);
    }
    return 0;
}

int main(int argc, char **argv) {
    int status = 0;
    if (argc == 1) {
        return copy(stdin);
    }
    for (int i = 1; i < argc; i++) {
        FILE *in = fopen(argv[i], "r");
        if (!in) {
            perror(argv[i]);
            status = 1;
            continue;
        }
        copy(in);
        fclose(in);
    }
    return status;
}
