/* comm A B: lines of sorted files: only in A, only in B, in both. */
#include <stdio.h>
#include <string.h>

static char a[4096], b[4096];

int main(int argc, char **argv) {
    FILE *left = argc == 3 ? fopen(argv[1], "r") : NULL, *right = argc == 3 ? fopen(argv[2], "r") : NULL;
    if (!left || !right) {
        fputs("comm: two files\n", stderr);
        return 1;
    }
    char *x = fgets(a, sizeof a, left), *y = fgets(b, sizeof b, right);
    while (x || y) {
        int order = !x ? 1 : !y ? -1 : strcmp(x, y);
        printf("%s%s", order < 0 ? "" : order > 0 ? "\t" : "\t\t", order <= 0 ? x : y);
        if (order <= 0) {
            x = fgets(a, sizeof a, left);
        }
        if (order >= 0) {
            y = fgets(b, sizeof b, right);
        }
    }
    return 0;
}
