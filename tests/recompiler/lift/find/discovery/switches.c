/* Switches as C programs write them: what a compiler makes of each differs by its level of optimisation. */

#include "shapes.h"

#define NOINLINE __attribute__((noinline))
#define COLD     __attribute__((noinline, cold))

volatile long seen; /* keeps the cases apart: a switch that only picks a number would become a table of numbers */
static long ring[8];

NOINLINE static long called(long value) {
    seen = value;
    return value * 3 + 1;
}

COLD static long rare(long value) {
    ring[value & 7] ^= value;
    return ring[(value + 1) & 7] - value;
}

#define CASE(n, value)                                                                                                 \
    case n:                                                                                                            \
        seen = (value) + index;                                                                                        \
        return (value) * 17 + (n);
#define EIGHT CASE(0, 7) CASE(1, 5) CASE(2, 11) CASE(3, 2) CASE(4, seen & 3) CASE(5, 13) CASE(6, 1) CASE(7, 19)
#define ON(name, type)                                                                                                 \
    long name(long index) {                                                                                            \
        type on = (type)index;                                                                                         \
        switch (on) {                                                                                                  \
            EIGHT                                                                                                      \
        default:                                                                                                       \
            return -1;                                                                                                 \
        }                                                                                                              \
    }

ON(unsigned_char, unsigned char)
ON(signed_char, signed char)
ON(unsigned_short, unsigned short)
ON(signed_short, short)
ON(signed_int, int)
ON(signed_long, long)

long holes(long index) {
    switch (index) {
        CASE(1, 3)
        CASE(2, 9)
        CASE(5, 4)
        CASE(9, 8)
        CASE(12, 6)
        CASE(13, 16)
        CASE(17, 2)
        CASE(21, 12)
    default:
        return index;
    }
}

long negative_cases(long index) {
    switch ((int)index) {
        CASE(-7, 3)
        CASE(-6, 9)
        CASE(-4, 4)
        CASE(-3, 8)
        CASE(-2, 6)
        CASE(-1, 16)
        CASE(0, 2)
        CASE(3, 12)
    default:
        return -index;
    }
}

long clusters(long index) {
    switch (index * 100) {
        CASE(-300, 1)
        CASE(0, 2)
        CASE(100, 3)
        CASE(200, 4)
        CASE(300, 5)
        CASE(400, 6)
        CASE(100000, 7)
    }
    switch (index < 20 ? index : index + 1000) {
        EIGHT
        CASE(1020, 8)
        CASE(1021, 9)
        CASE(1022, 10)
        CASE(1023, 11)
        CASE(1024, 12)
        CASE(1026, 13)
    default:
        return -1;
    }
}

long nested(long index) {
    switch (index & 15) {
    case 2:
        switch (index >> 4) {
            CASE(0, 31)
            CASE(1, 33)
            CASE(2, 35)
            CASE(3, 37)
            CASE(4, 39)
        default:
            return 99;
        }
        CASE(0, 7)
        CASE(1, 5)
        CASE(3, 2)
        CASE(4, 1)
        CASE(5, 9)
    case 9:
        switch (called(index) % 7) {
            CASE(0, 41)
            CASE(1, 43)
            CASE(2, 45)
            CASE(3, 47)
            CASE(5, 49)
        default:
            return 98;
        }
    default:
        return -2;
    }
}

long masked(long index) {
    switch (index & 7) { EIGHT }
    return -1;
}

long clamped(long index) {
    unsigned long on = (unsigned long)index;
    if (on > 7) {
        on = 7;
    }
    switch (on) { EIGHT }
    return -1;
}

long modulo(long index) {
    switch ((unsigned long)index % 8) { EIGHT }
    return -1;
}

#define FOUR(n)       CASE(n, n ^ 5) CASE(n + 1, n | 9) CASE(n + 2, n & 0x33) CASE(n + 3, n / 3)
#define SIXTEEN(n)    FOUR(n) FOUR(n + 4) FOUR(n + 8) FOUR(n + 12)
#define SIXTY_FOUR(n) SIXTEEN(n) SIXTEEN(n + 16) SIXTEEN(n + 32) SIXTEEN(n + 48)

long every_byte(long index) {
    switch ((unsigned char)index) {
        SIXTY_FOUR(0)
        SIXTY_FOUR(64)
        SIXTY_FOUR(128)
        SIXTY_FOUR(192)
    }
    return -1;
}

long unreachable_default(long index) {
    switch (index & 31) {
        SIXTEEN(0)
        SIXTEEN(16)
    default:
        __builtin_unreachable();
    }
}

long loop_of_switches(long index) {
    long total = index;
    for (int turn = 0; turn < 12; turn++) {
        switch ((total + turn) & 15) {
        case 0:
            total += 3;
            break;
        case 1:
            total ^= 9;
            break;
        case 2:
            total = called(total);
            break;
        case 3:
            total -= 5;
            continue;
        case 4:
            total *= 3;
            break;
        case 6:
            total += turn;
            break;
        case 7:
            total = total >> 1 ^ 21;
            break;
        case 8:
            seen = total;
            break;
        case 9:
            return total;
        default:
            total++;
        }
        total &= 0xFFFFF;
    }
    return total;
}

long two_switches(long index) {
    long total = 0;
    for (long n = index; n < index + 6; n++) {
        switch (n & 7) {
        case 0:
            total += 3;
            break;
        case 1:
            total ^= n;
            break;
        case 2:
            total -= seen & 1;
            break;
        case 3:
            seen = n;
            break;
        case 5:
            total <<= 1;
            break;
        }
        switch (total % 9) {
        case 0:
            total += 11;
            break;
        case 1:
            seen = total;
            break;
        case 2:
            total ^= 7;
            break;
        case 4:
            total -= n;
            break;
        case 7:
            total += n;
            break;
        }
    }
    return total;
}

long falls_through(long index) {
    long total = 1;
    switch (index) {
    case 8:
        total *= 3; /* fall through */
    case 7:
        total += seen & 1; /* fall through */
    case 6:
        total *= 5; /* fall through */
    case 5:
        total ^= 77; /* fall through */
    case 4:
        total += 4; /* fall through */
    case 2:
        total *= 7; /* fall through */
    case 1:
        total -= 2; /* fall through */
    default:
        return total;
    }
}

long calls_in_cases(long index) {
    long total = index;
    switch (index) {
    case 0:
        total += called(4);
        break;
    case 1:
        total = called(called(2));
        break;
    case 2:
        total -= called(9) + seen;
        break;
    case 3:
        total = rare(3);
        break;
    case 4:
        return called(index) ^ 3;
    case 5:
        total = called(total) + rare(total);
        break;
    }
    return total + called(total);
}

long cold_cases(long index) {
    long total = index;
    for (int n = 0; n < 3; n++) {
        if (__builtin_expect(total < 0, 0)) {
            total = rare(total) + rare(n);
        }
        switch (total & 15) {
        case 0:
            total += 2;
            break;
        case 1:
            total += rare(total);
            break;
        case 2:
            total ^= 12;
            break;
        case 3:
            seen = rare(n);
            break;
        case 4:
            total = -total;
            break;
        case 5:
            total -= 9;
            break;
        }
    }
    return total;
}

long tail_calls(long index) {
    switch (index) {
    case 0:
        return called(index + 4);
    case 1:
        return rare(index);
    case 2:
        return masked(index + 1);
    case 3:
        return modulo(index + seen % 2);
    case 4:
        return nested(index);
    case 5:
        return holes(index);
    default:
        return called(index);
    }
}

long big_switch(long index) {
    unsigned on = (unsigned)(index * 37) % 700;
    switch (on) {
        SIXTY_FOUR(0)
        SIXTY_FOUR(64)
        SIXTY_FOUR(128)
        SIXTY_FOUR(200)
        SIXTY_FOUR(264)
        SIXTY_FOUR(330)
        SIXTY_FOUR(400)
        SIXTY_FOUR(500)
    default:
        return (long)on;
    }
}

struct node {
    struct node *next;
    unsigned char kind;
    short value;
};

NOINLINE static long visit(const struct node *node) {
    long total = 0;
    for (; node; node = node->next) {
        switch (node->kind) {
        case 3:
            total += node->value;
            break;
        case 4:
            total -= node->value;
            break;
        case 5:
            total ^= called(node->value);
            break;
        case 6:
            total *= 3;
            break;
        case 7:
            seen = total;
            break;
        case 9:
            return total;
        }
    }
    return total;
}

long from_memory(long index) {
    struct node nodes[6];
    for (int n = 0; n < 6; n++) {
        nodes[n].next = n < 5 ? &nodes[n + 1] : 0;
        nodes[n].kind = (unsigned char)((index + n * 3) & 15);
        nodes[n].value = (short)(index * 5 - n);
    }
    return visit(nodes);
}
