// Searches: queens by bits, a sudoku, knight's tour, permutations, life on a torus, shortest paths, edit distance.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int queens(unsigned all, unsigned columns, unsigned left, unsigned right) {
    int count = columns == all;
    for (unsigned free_ = all & ~(columns | left | right); free_; free_ &= free_ - 1) {
        unsigned bit = free_ & -free_;
        count += queens(all, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return count;
}
static char grid[82] = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79";
static unsigned tried;
static int sudoku(int at) {
    while (at < 81 && grid[at] != '.') {
        at++;
    }
    if (at == 81) {
        return 1;
    }
    for (char digit = '9'; digit >= '1'; digit--) {
        int fits = 1, row = at / 9, column = at % 9;
        for (int n = 0; n < 9 && fits; n++) {
            fits = grid[row * 9 + n] != digit && grid[n * 9 + column] != digit &&
                   grid[(row / 3 * 3 + n / 3) * 9 + column / 3 * 3 + n % 3] != digit;
        }
        tried++;
        if (fits) {
            grid[at] = digit;
            if (sudoku(at + 1)) {
                return 1;
            }
            grid[at] = '.';
        }
    }
    return 0;
}
static unsigned hash;
static void permute(char *text, int from, int size) {
    if (from == size) {
        for (int n = 0; n < size; n++) {
            hash = hash * 31 + (unsigned char)text[n];
        }
        return;
    }
    for (int n = from; n < size; n++) {
        char c = text[from];
        text[from] = text[n], text[n] = c;
        permute(text, from + 1, size);
        c = text[from], text[from] = text[n], text[n] = c;
    }
}
static void life(void) {
    static uint8_t a[48][64], b[48][64];
    a[10][10] = a[10][11] = a[11][9] = a[11][10] = a[12][10] = 1; // the R-pentomino
    for (int turn = 0; turn < 200; turn++) {
        for (int y = 0; y < 48; y++) {
            for (int x = 0; x < 64; x++) {
                int around = -a[y][x];
                for (int dy = -1; dy <= 1; dy++) {
                    for (int dx = -1; dx <= 1; dx++) {
                        around += a[(y + dy + 48) % 48][(x + dx) & 63];
                    }
                }
                b[y][x] = around == 3 || (around == 2 && a[y][x]);
            }
        }
        memcpy(a, b, sizeof a);
    }
    int alive = 0;
    for (int y = 0; y < 48; y++) {
        for (int x = 0; x < 64; x++) {
            alive += a[y][x], hash = hash * 3 + a[y][x];
        }
    }
    printf("%d %u\n", alive, hash);
}
static void paths(void) {
    static int far[60][60];
    unsigned random = 3;
    for (int i = 0; i < 60; i++) {
        for (int j = 0; j < 60; j++) {
            random = random * 1664525 + 1013904223, far[i][j] = i == j         ? 0
                                                                : random >> 30 ? 1000000
                                                                               : (int)(random >> 16 & 1023) + 1;
        }
    }
    for (int k = 0; k < 60; k++) {
        for (int i = 0; i < 60; i++) {
            for (int j = 0; j < 60; j++) {
                if (far[i][k] + far[k][j] < far[i][j]) {
                    far[i][j] = far[i][k] + far[k][j];
                }
            }
        }
    }
    long sum = 0;
    for (int i = 0; i < 60; i++) {
        for (int j = 0; j < 60; j++) {
            sum += far[i][j];
        }
    }
    printf("%ld\n", sum);
}
static int distance(const char *a, const char *b) {
    int row[64], size = (int)strlen(b);
    for (int n = 0; n <= size; n++) {
        row[n] = n;
    }
    for (int i = 1; *a; a++, i++) {
        int corner = row[0];
        row[0] = i;
        for (int n = 1; n <= size; n++) {
            int best = corner + (*a != b[n - 1]);
            corner = row[n];
            best = corner + 1 < best ? corner + 1 : best;
            row[n] = row[n - 1] + 1 < best ? row[n - 1] + 1 : best;
        }
    }
    return row[size];
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    for (int n = 1; n < 10; n++) {
        printf("%d ", queens((1u << n) - 1, 0, 0, 0));
    }
    printf("\n%d %u %s\n", sudoku(0), tried, grid);
    permute((char[]){"abcdefg"}, 0, 7);
    printf("%u\n", hash);
    life(), paths();
    printf("%d %d\n", distance("kitten on the mat", "sitting at the man"), distance("", "abc"));
    return 0;
}
