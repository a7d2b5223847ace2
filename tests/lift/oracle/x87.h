/* x87 states for cpu.c: in FXSAVE's layout, with every kind of number, tag and control word; and their comparison. */
static uint64_t next(void);
static uint64_t below(uint64_t n);

enum { FPU_STATE = 160, FPU_REGISTER = 32 };

static uint64_t significand(void) {
    uint64_t r = next(), top = 1ull << 63;
    switch (below(12)) {
    case 0:
        return top;
    case 1:
        return ~0ull;
    case 2:
        return top | (r & 0xff);
    case 3:
        return ~(r & 0xff);
    case 4:
        return top | (r & 0xffffffff00000000);
    case 5:
        return top | r << below(64);
    case 6:
        return r >> below(64); /* no number of today's FPUs, or a denormal */
    case 7:                    /* halfway between two f64 */
        return top | (r & ~0x7ffull) | 0x400;
    case 8:
        return 3ull << 62 | r >> below(63);
    default:
        return top | r;
    }
}

static uint16_t exponent(void) {
    uint16_t sign = (uint16_t)(next() & 0x8000);
    static const struct {
        uint16_t first, count;
    } ranges[] = {{0, 1},
                  {0x7fff, 1},
                  {1, 70},
                  {0x7fff - 70, 70},
                  {16383 - 156, 40},
                  {16383 + 120, 12},
                  {16383 - 1082, 70},
                  {16383 + 1015, 12},
                  {0, 0x8000},
                  {16383 - 10, 80},
                  {16383 - 10, 80}};
    uint64_t i = below(sizeof ranges / sizeof *ranges);
    return (uint16_t)(sign | (ranges[i].first + below(ranges[i].count)));
}

static void x87_make(uint8_t *fx) {
    uint16_t control = (uint16_t)(0x7f | (below(4) ? 3 : below(4)) << 8 | (below(2) ? 0 : below(4)) << 10);
    uint16_t status = (uint16_t)(next() & (below(4) ? 0x7f00 : 0x7f7f));
    memcpy(fx, &control, 2);
    memcpy(fx + 2, &status, 2);
    fx[4] = (uint8_t)(below(3) ? ~(3u << ((status >> 11) - 2u & 7) | 3u >> (10 - (status >> 11 & 7) & 15)) : next());
    if (!below(3))
        fx[4] = 0xff;
    for (int i = 0; i < 8; i++) {
        uint64_t m = significand();
        uint16_t e = exponent();
        if (!(e & 0x7fff) && below(2))
            m = below(2) ? 0 : m >> (1 + below(63));
        if (i == 1 && !below(8))
            memcpy(&m, fx + FPU_REGISTER, 8);
        memcpy(fx + FPU_REGISTER + 16 * i, &m, 8);
        memcpy(fx + FPU_REGISTER + 16 * i + 8, &e, 2);
    }
}

/* Control, status, tags and registers; this CPU keeps pointers of its own. */
static int x87_same(const uint8_t *x, const uint8_t *y) {
    int same = !memcmp(x, y, 5);
    for (int at = FPU_REGISTER; at < FPU_STATE; at += 16)
        same &= !memcmp(x + at, y + at, 10);
    return same;
}
