// SHA-256 of messages around the block's edges.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t k[64], h0[8];

static uint32_t turn(uint32_t x, int n) {
    return x >> n | x << (32 - n);
}

static uint32_t root_bits(unsigned n, int power) { // the first 32 bits of the fraction of n's square or cube root
    unsigned __int128 low = 0, high = (unsigned __int128)1 << 40;
    while (high - low > 1) {
        unsigned __int128 middle = (low + high) / 2, p = middle * middle;
        unsigned __int128 want = (unsigned __int128)n << 64;
        int big;
        if (power == 2) {
            big = p > want;
        } else {
            big = (p >> 32) * middle > (unsigned __int128)n << 64;
        }
        if (big) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return (uint32_t)low;
}

static void constants(void) {
    int count = 0;
    for (unsigned n = 2; count < 64; n++) {
        int prime = 1;
        for (unsigned d = 2; d * d <= n; d++) {
            prime &= n % d != 0;
        }
        if (!prime) {
            continue;
        }
        if (count < 8) {
            h0[count] = root_bits(n, 2);
        }
        k[count++] = root_bits(n, 3);
    }
}

static void block(uint32_t *h, const uint8_t *p) {
    uint32_t w[64], a[8];
    for (int i = 0; i < 16; i++) {
        w[i] = (uint32_t)p[4 * i] << 24 | p[4 * i + 1] << 16 | p[4 * i + 2] << 8 | p[4 * i + 3];
    }
    for (int i = 16; i < 64; i++) {
        w[i] = w[i - 16] + w[i - 7] + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3) +
               (turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
    }
    memcpy(a, h, sizeof a);
    for (int i = 0; i < 64; i++) {
        uint32_t t =
            a[7] + (turn(a[4], 6) ^ turn(a[4], 11) ^ turn(a[4], 25)) + ((a[4] & a[5]) ^ (~a[4] & a[6])) + k[i] + w[i];
        uint32_t u =
            (turn(a[0], 2) ^ turn(a[0], 13) ^ turn(a[0], 22)) + ((a[0] & a[1]) ^ (a[0] & a[2]) ^ (a[1] & a[2]));
        memmove(a + 1, a, 28);
        a[4] += t;
        a[0] = t + u;
    }
    for (int i = 0; i < 8; i++) {
        h[i] += a[i];
    }
}

int main(int argc, char **argv) {
    static const size_t sizes[] = {0, 1, 3, 55, 56, 63, 64, 65, 119, 120, 1000, 100000};
    (void)argc, (void)argv;
    constants();
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        size_t size = sizes[n], padded = (size + 9 + 63) / 64 * 64;
        uint8_t *message = calloc(padded, 1);
        for (size_t i = 0; i < size; i++) {
            message[i] = (uint8_t)(i * 7 + size);
        }
        message[size] = 0x80;
        for (int i = 0; i < 8; i++) {
            message[padded - 1 - (size_t)i] = (uint8_t)(size * 8 >> 8 * i);
        }
        uint32_t h[8];
        memcpy(h, h0, sizeof h);
        for (size_t at = 0; at < padded; at += 64) {
            block(h, message + at);
        }
        printf("%6zu ", size);
        for (int i = 0; i < 8; i++) {
            printf("%08x", h[i]);
        }
        puts("");
        free(message);
    }
    return 0;
}
