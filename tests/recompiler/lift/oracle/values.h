/* Random values for cpu.c: integers, floats and vectors at the borders of what instructions tell apart. */
#include <stdint.h>
#include <string.h>

static uint64_t seed;

static uint64_t next(void) { /* splitmix64 */
    uint64_t z = (seed += 0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

static uint64_t below(uint64_t n) { /* n below 2^32 */
    return (next() >> 32) * n >> 32;
}

static uint64_t integer(void) {
    static const uint8_t sizes[] = {8, 16, 32, 64};
    uint64_t value = next(), size = sizes[below(4)], top = 1ull << (size - 1);
    switch (below(8)) {
    case 0:
        return below(70);
    case 1:
        return value << 8 | below(70); /* a small low byte under noise: counts in CL */
    case 2:
        return top - 2 + below(5);
    case 3:
        return 0 - top - 2 + below(5);
    case 4:
        return below(5) - 2;
    case 5:
        return 1ull << below(64);
    case 6:
        return value >> below(64);
    default:
        return value;
    }
}

static uint32_t single(void) {
    static const uint32_t special[] = {
        0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000,
        0x7f800001, 0xff8abcde, 0x7fc12345, 1,          0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff,
        0xff7fffff, 0x3f000000, 0x3fc00000, 0x40200000, 0x4b000000, 0x4effffff, 0x4f000000, 0xcf000000,
        0xcf000001, 0x5f000000, 0xdf000000, 0x3effffff, 0x33000000, 0x4f800000, 0x437f0000, 0x46fffe00,
    };
    uint32_t noise = (uint32_t)next();
    switch (below(4)) {
    case 0:
        return noise;
    case 1:
        return (noise & 0x807fffff) | (uint32_t)(0x70 + below(0x30)) << 23; /* of ordinary size */
    default:
        return special[below(sizeof special / sizeof *special)];
    }
}

static uint64_t twice(void) {
    static const uint64_t special[] = {
        0,
        1ull << 63,
        0x3ff0000000000000,
        0xbff0000000000000,
        0x7ff0000000000000,
        0xfff0000000000000,
        0x7ff8000000000000,
        0xfff8000000000000,
        0x7ff0000000000001,
        0xfff0123456789abc,
        0x7ff8000000012345,
        1,
        0x8000000000000001,
        0x000fffffffffffff,
        0x0010000000000000,
        0x7fefffffffffffff,
        0x3fe0000000000000,
        0x3ff8000000000000,
        0x4004000000000000,
        0x41dfffffffc00000,
        0x41e0000000000000,
        0xc1e0000000000000,
        0xc1e0000000200000,
        0x43e0000000000000,
        0xc3e0000000000000,
        0x3fdfffffffffffff,
        0x4330000000000000,
        0x47efffffe0000000,
        0x47effffff0000000,
        0x36a0000000000000,
        0x3810000000000000,
        0x43dfffffffffffff,
    };
    uint64_t noise = next();
    switch (below(4)) {
    case 0:
        return noise;
    case 1:
        return (noise & 0x800fffffffffffff) | (0x3f0ull + below(0x60)) << 52;
    default:
        return special[below(sizeof special / sizeof *special)];
    }
}

/* Sixteen bytes of one kind: integers of a size at their borders, floats, noise. */
static void vector(uint8_t *to) {
    uint64_t kind = below(6);
    for (int i = 0; i < 16; i += 8) {
        uint64_t value = next();
        if (kind == 0) {
            value = twice();
        } else if (kind == 1) {
            value = single() | (uint64_t)single() << 32;
        } else if (kind == 2) {
            value = integer();
        } else if (kind == 3) {
            for (int j = 0; j < 8; j++) {
                static const uint8_t border[] = {0, 1, 0x7f, 0x80, 0x81, 0xff, 0xfe, 0x40};
                value = value << 8 | (below(4) ? border[below(8)] : below(256));
            }
        } else if (kind == 4) {
            for (int j = 0; j < 4; j++) {
                static const uint16_t border[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, 0xff, 0x100};
                value = value << 16 | (below(4) ? border[below(8)] : below(65536));
            }
        }
        memcpy(to + i, &value, 8);
    }
}
