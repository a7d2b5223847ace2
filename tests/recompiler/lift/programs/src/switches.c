// Switches of every shape: dense, with holes, sparse, negative, of each width, nested, in loops, with ranges, on
// strings.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define N __attribute__((noinline)) static
N int dense(int x) {
    switch (x) {
    case 0:
        return 5;
    case 1:
        return x * 7;
    case 2:
        return 9;
    case 3:
        x += 4; /* fall through */
    case 4:
        return x - 100;
    case 5:
        return ~x;
    case 6:
        return 66;
    case 7:
        return x ^ 0x55;
    default:
        return -1;
    }
}
N int holes(unsigned x) {
    switch (x) {
    case 3:
        return 1;
    case 5:
        return 22;
    case 6:
        return 3;
    case 9:
        return 44;
    case 12:
        return 5;
    case 13:
        return 66;
    case 14:
        return 7;
    case 20:
        return 88;
    case 21:
        return 9;
    case 33:
        return 10;
    default:
        return (int)x;
    }
}
N int sparse(long x) {
    switch (x) {
    case -1000000:
        return 1;
    case 7:
        return 2;
    case 500:
        return 3;
    case 70000:
        return 4;
    case 0x123456789A:
        return 5;
    case -8:
        return 6;
    case 1L << 62:
        return 7;
    default:
        return 0;
    }
}
N int negative(signed char x) {
    switch (x) {
    case -5:
        return 1;
    case -4:
        return 20;
    case -3:
        return 300;
    case -2:
        return 4;
    case -1:
        return 50;
    case 0:
        return 6;
    case 1:
        return 7;
    case 2:
        return 80;
    case 127:
        return 9;
    case -128:
        return 10;
    }
    return x;
}
N int ranges(uint8_t c) {
    switch (c) {
    case 'a' ... 'f':
        return c - 'a' + 10;
    case '0' ... '9':
        return c - '0';
    case 'A' ... 'F':
        return c - 'A' + 10;
    case ' ':
    case '\t':
    case '\n':
        return 100;
    case 128 ... 255:
        return 200;
    default:
        return -1;
    }
}
N int narrow(uint16_t x) {
    switch (x & 7) {
    case 0:
        return 3;
    case 1:
        return 1;
    case 2:
        return 4;
    case 3:
        return x;
    case 4:
        return 5;
    case 5:
        return 9;
    case 6:
        return x * 2;
    case 7:
        return 6;
    }
    __builtin_unreachable();
}
N long nested(int a, int b) {
    long r = 0;
    for (int i = 0; i < 6; i++) {
        switch ((a + i) % 6) {
        case 0:
            r += 3;
            break;
        case 1:
            switch ((b + i) % 5) {
            case 0:
                r *= 3;
                continue;
            case 1:
                r -= 7;
                break;
            case 2:
                goto out;
            case 3:
                r ^= 99;
                break;
            case 4:
                r += i;
                break;
            }
            r++;
            break;
        case 2:
            r = r * 5 + 1; /* fall through */
        case 3:
            r -= i;
            break;
        case 4:
            continue;
        default:
            r += 1000;
        }
        r *= 2;
    }
out:
    return r;
}
N const char *names(int x) {
    switch (x) {
    case 10:
        return "ten";
    case 11:
        return "eleven";
    case 12:
        return "twelve";
    case 13:
        return "thirteen";
    case 15:
        return "fifteen";
    case 16:
        return "sixteen";
    default:
        return "many";
    }
}
N double reals(unsigned x) {
    switch (x) {
    case 0:
        return 0.5;
    case 1:
        return 1.25;
    case 2:
        return -3;
    case 3:
        return 1e10;
    case 4:
        return 7;
    case 5:
        return 9;
    }
    return x;
}
N unsigned duff(uint8_t *to, const uint8_t *from, unsigned count) {
    unsigned n = (count + 7) / 8, sum = 0;
    if (!count) {
        return 0;
    }
    switch (count % 8) {
    case 0:
        do {
            sum += *to++ = *from++; /* fall through */
        case 7:
            sum += *to++ = *from++; /* fall through */
        case 6:
            sum += *to++ = *from++; /* fall through */
        case 5:
            sum ^= *to++ = *from++; /* fall through */
        case 4:
            sum += *to++ = *from++; /* fall through */
        case 3:
            sum += *to++ = *from++; /* fall through */
        case 2:
            sum *= 3, sum += *to++ = *from++; /* fall through */
        case 1:
            sum += *to++ = *from++;
        } while (--n > 0);
    }
    return sum;
}
N int state(const char *text) {
    int state = 0, score = 0;
    for (;; text++) {
        switch (state << 8 | (uint8_t)*text) {
        case 0x000:
        case 0x100:
        case 0x200:
            return score;
        case 0x061:
            state = 1;
            break;
        case 0x161:
            score += 10;
            break;
        case 0x162:
            state = 2, score++;
            break;
        case 0x263:
            state = 0, score += 100;
            break;
        case 0x262:
            score *= 2;
            break;
        default:
            state = 0;
        }
    }
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    unsigned long sum = 0;
    for (int x = -300; x < 300; x++) {
        sum = sum * 31 + (unsigned)dense(x) + (unsigned)holes((unsigned)x) * 3 + (unsigned)sparse(x) * 5;
        sum = sum * 31 + (unsigned)negative((signed char)x) + (unsigned)ranges((uint8_t)x) * 7 +
              (unsigned)narrow((uint16_t)x);
        sum = sum * 31 + strlen(names(x)) + (unsigned long)(long)(reals((unsigned)x) * 4);
        sum = sum * 31 + (unsigned long)nested(x + 300, x * 3 + 900);
    }
    printf("%016lx\n", sum);
    for (int x = -2; x < 24; x++) {
        printf("%d/%d/%s/%g ", dense(x), holes((unsigned)x), names(x), reals((unsigned)x));
    }
    const long far[] = {-1000000, 7, 500, 70000, 0x123456789A, -8, 1L << 62, 1L << 32, (1L << 32) + 7, -7};
    for (int n = 0; n < 10; n++) {
        printf("%d ", sparse(far[n]));
    }
    uint8_t from[200], to[200] = {0};
    for (int n = 0; n < 200; n++) {
        from[n] = (uint8_t)(n * 7 + 3);
    }
    for (unsigned n = 0; n < 40; n++) {
        printf("%u ", duff(to, from + n, n));
    }
    printf("\n%d %d %d\n", state("aaabbcabcaab"), state(""), state("xaxabc"));
    for (long v = -0x80000000L, n = 0; n < 3; n++, v += 0x7fffffff) {
        printf("%d %d ", dense((int)v), holes((unsigned)v));
    }
    puts("");
    return 0;
}
