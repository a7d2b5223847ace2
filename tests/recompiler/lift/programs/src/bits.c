// Bits: counts, scans, swaps, rotations, parity, bit-fields, masks, gray codes, CRCs, 32 and 64 bits, by builtin and by
// hand.
#include <stdint.h>
#include <stdio.h>

struct packed {
    unsigned a : 1, b : 7, c : 13, d : 11;
    int64_t e : 33;
    signed f : 2;
} __attribute__((packed));
static uint64_t state = 88172645463325252u;
static uint64_t next(void) {
    state ^= state << 13, state ^= state >> 7;
    return state ^= state << 17;
}
static int by_hand(uint64_t v) {
    int n = 0;
    for (; v; v &= v - 1) {
        n++;
    }
    return n;
}
static uint64_t reverse(uint64_t v) {
    v = (v >> 1 & 0x5555555555555555u) | (v & 0x5555555555555555u) << 1;
    v = (v >> 2 & 0x3333333333333333u) | (v & 0x3333333333333333u) << 2;
    v = (v >> 4 & 0x0F0F0F0F0F0F0F0Fu) | (v & 0x0F0F0F0F0F0F0F0Fu) << 4;
    return __builtin_bswap64(v);
}
static void set_bits(uint32_t *map, unsigned from, unsigned count) {
    for (unsigned n = from; n < from + count; n++) {
        map[n / 32] |= 1u << n % 32;
    }
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    uint64_t sum = 0;
    struct packed p = {0};
    for (int i = 0; i < 4000; i++) {
        uint64_t v = next() >> (next() & 63);
        uint32_t w = (uint32_t)v | 1;
        unsigned n = (unsigned)next();
        if (by_hand(v) != __builtin_popcountll(v)) {
            puts("popcount");
        }
        if (v) {
            sum = sum * 3 + (unsigned)__builtin_clzll(v) + 64u * (unsigned)__builtin_ctzll(v);
        }
        sum = sum * 5 + (unsigned)__builtin_clz(w) + (unsigned)__builtin_ctz(w) * 32u + (unsigned)__builtin_parityll(v);
        sum += (unsigned)__builtin_ffsll((long long)v) + (unsigned)__builtin_clrsbll((long long)v) +
               (unsigned)__builtin_popcount(w);
        sum ^= reverse(v) + __builtin_bswap32(w) + __builtin_bswap16((uint16_t)v);
        sum += (v << (n & 63) | v >> (-n & 63)) ^ (w >> (n & 31) | w << (-n & 31));
        uint16_t h = (uint16_t)v;
        uint8_t b = (uint8_t)v;
        h = (uint16_t)(h << (n & 15) | h >> (16 - (n & 15))), b = (uint8_t)(b >> (n & 7) | b << (8 - (n & 7)));
        sum += h * 7u + b;
        sum += (uint64_t)((int64_t)v >> (n & 63)) + (uint32_t)((int32_t)w >> (n & 31)) + (v ^ v >> 1);
        p.a ^= v & 1, p.b += (unsigned)v & 127, p.c ^= n & 0x1FFF, p.d -= w & 0x7FF, p.e += (int64_t)(v & 0xFFFFFFFF),
            p.f = (int)n & 1;
        sum += p.b + p.c * 3u + p.d * 5u + (uint64_t)p.e + (uint64_t)(int64_t)p.f;
    }
    printf("%016llx %u %u %u %lld %zu\n", (unsigned long long)sum, p.b, p.c, p.d, (long long)p.e, sizeof p);
    uint32_t map[32] = {0};
    for (unsigned n = 0; n < 40; n++) {
        set_bits(map, n * 23 % 900, n % 37);
    }
    uint32_t crc = 0;
    for (int n = 0; n < 32; n++) {
        crc = (crc << 5 | crc >> 27) ^ map[n];
    }
    printf("%08x %d\n", crc, __builtin_popcount(crc));
    return 0;
}
