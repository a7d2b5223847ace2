/* cksum: POSIX CRC and size of standard input. */
#include <stdint.h>
#include <stdio.h>

static uint32_t step(uint32_t crc, unsigned byte) {
    crc ^= byte << 24;
    for (int i = 0; i < 8; i++) {
        crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7u : 0);
    }
    return crc;
}

int main(void) {
    uint32_t crc = 0;
    unsigned long size = 0;
    for (int c; (c = getchar()) != EOF; size++) {
        crc = step(crc, (unsigned)c);
    }
    for (unsigned long n = size; n; n >>= 8) {
        crc = step(crc, n & 255);
    }
    printf("%u %lu\n", ~crc, size);
    return 0;
}
