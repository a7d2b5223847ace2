// Compression by hand: LZ with a hash chain and an arithmetic (range) coder, there and back; Huffman lengths; run
// lengths.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE 40000
static uint8_t plain[SIZE], packed[SIZE * 2], back[SIZE];
static uint16_t model[256][256];

struct coder {
    uint64_t low;
    uint32_t range, code;
    uint8_t *at;
};
static void encode(struct coder *c, uint16_t *p, int bit) {
    uint32_t bound = (c->range >> 12) * *p;
    if (bit) {
        c->low += bound, c->range -= bound, *p -= *p >> 4;
    } else {
        c->range = bound, *p += (4096 - *p) >> 4;
    }
    while (c->range < 1u << 24) {
        if (c->low >> 32) { // a carry into what is written
            for (uint8_t *b = c->at - 1; ++*b == 0; b--)
                ;
        }
        c->low &= 0xFFFFFFFF;
        *c->at++ = (uint8_t)(c->low >> 24), c->low = (c->low & 0xFFFFFF) << 8, c->range <<= 8;
    }
}
static int decode(struct coder *c, uint16_t *p) {
    uint32_t bound = (c->range >> 12) * *p;
    int bit = c->code >= bound;
    if (bit) {
        c->code -= bound, c->range -= bound, *p -= *p >> 4;
    } else {
        c->range = bound, *p += (4096 - *p) >> 4;
    }
    while (c->range < 1u << 24) {
        c->code = c->code << 8 | *c->at++, c->range <<= 8;
    }
    return bit;
}
static size_t squeeze(void) {
    struct coder c = {0, 0xFFFFFFFF, 0, packed + 1};
    uint8_t before = 0;
    for (size_t n = 0; n < SIZE; n++) {
        for (int bit = 7, node = 1; bit >= 0; bit--) {
            int b = plain[n] >> bit & 1;
            encode(&c, &model[before][node], b), node = node * 2 + b;
        }
        before = plain[n];
    }
    if (c.low >> 32) {
        for (uint8_t *b = c.at - 1; ++*b == 0; b--)
            ;
    }
    for (int n = 24; n >= 0; n -= 8) {
        *c.at++ = (uint8_t)(c.low >> n);
    }
    return (size_t)(c.at - packed);
}
static void expand(void) {
    struct coder c = {0, 0xFFFFFFFF, 0, packed + 1};
    for (int n = 0; n < 4; n++) {
        c.code = c.code << 8 | *c.at++;
    }
    uint8_t before = 0;
    for (size_t n = 0; n < SIZE; n++) {
        int node = 1;
        while (node < 256) {
            node = node * 2 + decode(&c, &model[before][node]);
        }
        back[n] = before = (uint8_t)node;
    }
}
static void reset(void) {
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            model[a][b] = 2048;
        }
    }
}
static size_t lz(void) {
    static int32_t head[65536], link_[SIZE];
    memset(head, -1, sizeof head);
    size_t out = 0;
    for (size_t n = 0; n < SIZE;) {
        uint32_t hash =
            n + 4 <= SIZE
                ? (plain[n] | plain[n + 1] << 8 | plain[n + 2] << 16 | (uint32_t)plain[n + 3] << 24) * 2654435761u >> 16
                : 0;
        size_t best = 0, from = 0;
        int tries = 16;
        for (int32_t at = head[hash]; at >= 0 && tries--; at = link_[at]) {
            size_t length = 0;
            while (n + length < SIZE && length < 255 && plain[(size_t)at + length] == plain[n + length]) {
                length++;
            }
            if (length > best) {
                best = length, from = n - (size_t)at;
            }
        }
        size_t step = best > 4 ? best : 1;
        packed[out++] = (uint8_t)(best > 4 ? best : 0);
        if (best > 4) {
            packed[out++] = (uint8_t)from, packed[out++] = (uint8_t)(from >> 8);
        } else {
            packed[out++] = plain[n];
        }
        for (; step--; n++) {
            link_[n] = head[hash], head[hash] = (int32_t)n;
        }
    }
    size_t made = 0;
    for (size_t at = 0; at < out;) {
        size_t length = packed[at++];
        if (!length) {
            back[made++] = packed[at++];
            continue;
        }
        size_t from = packed[at] | (size_t)packed[at + 1] << 8;
        at += 2;
        for (; length--; made++) {
            back[made] = back[made - from];
        }
    }
    return out;
}
static int heavier(const void *a, const void *b) {
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    unsigned random = 7;
    for (int n = 0; n < SIZE; n++) {
        random = random * 1103515245 + 12345;
        plain[n] =
            n > 500 && random >> 16 & 7 ? plain[n - 100 - (random >> 28)] : (uint8_t)("etaoin shrdlu"[random % 13 + 0]);
    }
    reset();
    size_t size = squeeze();
    reset(), expand();
    printf("%zu %d\n", size, memcmp(plain, back, SIZE));
    memset(back, 0, SIZE);
    size = lz();
    printf("%zu %d\n", size, memcmp(plain, back, SIZE));
    long counts[256] = {0}, bits = 0;
    for (int n = 0; n < SIZE; n++) {
        counts[plain[n]]++;
    }
    for (int left = 256; left > 1;) {
        qsort(counts, (size_t)left, sizeof *counts, heavier);
        bits += counts[0] + counts[1], counts[0] += counts[1], counts[1] = counts[--left];
    }
    printf("%ld\n", bits);
    return 0;
}
