/* tables: 256 KiB of constant data, so that the merged module keeps this program's memory apart. */
#include <stdio.h>

#define R4(x)  x, x ^ 0x5a, x ^ 0xa5, x ^ 0xff
#define R16(x) R4(x), R4((x + 1)), R4((x + 2)), R4((x + 3))
#define R256(x)                                                                                                        \
    R16(x), R16((x + 4)), R16((x + 8)), R16((x + 12)), R16((x + 16)), R16((x + 20)), R16((x + 24)), R16((x + 28)),     \
        R16((x + 32)), R16((x + 36)), R16((x + 40)), R16((x + 44)), R16((x + 48)), R16((x + 52)), R16((x + 56)),       \
        R16((x + 60))
#define R4K(x)                                                                                                         \
    R256(x), R256((x + 1)), R256((x + 2)), R256((x + 3)), R256((x + 4)), R256((x + 5)), R256((x + 6)), R256((x + 7)),  \
        R256((x + 8)), R256((x + 9)), R256((x + 10)), R256((x + 11)), R256((x + 12)), R256((x + 13)), R256((x + 14)),  \
        R256((x + 15))

static unsigned data[] = {R4K(0x100), R4K(0x200), R4K(0x300), R4K(0x400), R4K(0x500), R4K(0x600),
                          R4K(0x700), R4K(0x800), R4K(0x900), R4K(0xa00), R4K(0xb00), R4K(0xc00),
                          R4K(0xd00), R4K(0xe00), R4K(0xf00), R4K(0x1000)};

int main(int argc, char **argv) {
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof data / sizeof *data; i++) {
        sum = sum * 31 + data[i];
    }
    data[argc] = sum;
    printf("%s: %zu bytes, %08x\n", argv[0], sizeof data, sum ^ data[argc] ^ data[argc + 1]);
    return 0;
}
