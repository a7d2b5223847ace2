/* crc32: CRC-32 of standard input by a table that a constructor makes. */
#include <stdint.h>
#include <stdio.h>

static uint32_t table[256];

__attribute__((constructor)) static void make(void) {
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int k = 0; k < 8; k++) {
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
        }
    }
}

int main(void) {
    uint32_t crc = ~0u;
    for (int c; (c = getchar()) != EOF;) {
        crc = table[(crc ^ (uint32_t)c) & 255] ^ crc >> 8;
    }
    printf("%08x\n", ~crc);
    return 0;
}
