/* split LINES PREFIX: standard input into files of so many lines: PREFIXa, PREFIXb ... */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    if (argc != 3 || atol(argv[1]) < 1) {
        return 2;
    }
    char path[256], *line = NULL;
    size_t size = 0;
    FILE *out = NULL;
    for (long n = 0; getline(&line, &size, stdin) >= 0; n++) {
        if (n % atol(argv[1]) == 0) {
            if (out) {
                fclose(out);
            }
            snprintf(path, sizeof path, "%s%c", argv[2], (char)('a' + n / atol(argv[1]) % 26));
            out = fopen(path, "w");
            if (!out) {
                perror(path);
                return 1;
            }
        }
        fputs(line, out);
    }
    return out ? fclose(out) : 0;
}
