/* x87 states for cpu.c: in FXSAVE's layout, with every kind of number, tag and control word; and their comparison. */

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

static void x87_make(const struct task *t, uint8_t *fx) {
    uint16_t control = (uint16_t)(0x7f | (below(4) ? 3 : below(4)) << 8 | (below(2) ? 0 : below(4)) << 10);
    uint16_t status = (uint16_t)(next() & (below(4) ? 0x7f00 : 0x7f7f));
    memcpy(fx, &control, 2);
    memcpy(fx + 2, &status, 2);
    fx[4] = (uint8_t)(below(3) ? ~(3u << ((status >> 11) - 2u & 7) | 3u >> (10 - (status >> 11 & 7) & 15)) : next());
    if (!below(3)) {
        fx[4] = 0xff;
    }
    for (int i = 0; i < 8; i++) {
        uint64_t m = significand();
        uint16_t e = exponent();
        if (!(e & 0x7fff) && below(2)) {
            m = below(2) ? 0 : m >> (1 + below(63));
        }
        if (!t->odd) { /* encodings that no FPU of today makes */
            m = e & 0x7fff ? m | 1ull << 63 : m & ~(1ull << 63);
        }
        if (i == 1 && !below(8)) {
            memcpy(&m, fx + FPU_REGISTER, 8);
        }
        memcpy(fx + FPU_REGISTER + 16 * i, &m, 8);
        memcpy(fx + FPU_REGISTER + 16 * i + 8, &e, 2);
    }
}

/* Task: status is a mask of the status word's bits that the manual defines; ulps is how far results may lie apart;
 * domain the greatest |ST(0)| for which there is a result; partial says that C2 leaves the result to the CPU, exam that
 * C1 is the sign, be it of an empty register. */
static int x87_undefined(const struct task *t, const uint8_t *fx) {
    long double x;
    memcpy(&x, fx + FPU_REGISTER, 10);
    return t->domain > 0 && __builtin_fabsl(x) > t->domain;
}

static int x87_near(const struct task *t, const uint8_t *x, const uint8_t *y, int nearest) {
    uint64_t a, b, ulps = t->ulps + !nearest;
    uint16_t e, f;
    memcpy(&a, x, 8);
    memcpy(&b, y, 8);
    memcpy(&e, x + 8, 2);
    memcpy(&f, y + 8, 2);
    if (a == b && e == f) {
        return 1;
    }
    if (!t->ulps || (e & 0x7fff) == 0x7fff || (f & 0x7fff) == 0x7fff) {
        return 0;
    }
    e |= !(e & 0x7fff); /* denormals lie as the least normal numbers do */
    f |= !(f & 0x7fff);
    if (e == f) {
        return a - b + ulps <= 2 * ulps;
    }
    if ((uint16_t)(e - f) == 1) { /* on both sides of a power of two */
        return a - (1ull << 63) + ~b < ulps;
    }
    return (uint16_t)(f - e) == 1 && b - (1ull << 63) + ~a < ulps;
}

/* Control, status, tags and registers; this CPU keeps pointers of its own. */
static int x87_same(const struct task *t, const uint8_t *x, const uint8_t *y) {
    uint16_t status, other;
    memcpy(&status, x + 2, 2);
    memcpy(&other, y + 2, 2);
    uint64_t told =
        t->odd && !(status & 5) ? t->status : t->status & ~2ull; /* when it looks for denormals is its own */
    if (t->exam && !(x[4] >> (status >> 11 & 7) & 1)) {
        told &= ~0x200ull;
    }
    int same = !memcmp(x, y, 2) && !((status ^ other) & told) && x[4] == y[4];
    int first = t->partial && status & 0x400;
    for (int i = first; i < 8; i++) {
        same &= x87_near(t, x + FPU_REGISTER + 16 * i, y + FPU_REGISTER + 16 * i, !(x[1] & 12));
    }
    return same;
}
