// Big numbers by hand: factorials, Fibonacci numbers, digits of pi by a spigot, modular powers, primes, perfect powers.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t big[400], other[400];
static int size = 1;
static void times(uint32_t by) {
    uint64_t carry = 0;
    for (int n = 0; n < size; n++) {
        carry += (uint64_t)big[n] * by, big[n] = (uint32_t)(carry % 1000000000), carry /= 1000000000;
    }
    if (carry) {
        big[size++] = (uint32_t)carry;
    }
}
static void print(const uint32_t *digits, int count) {
    printf("%u", digits[count - 1]);
    for (int n = count - 2; n >= 0; n--) {
        printf("%09u", digits[n]);
    }
    puts("");
}
static uint64_t power(uint64_t base, uint64_t exponent, uint64_t modulus) {
    uint64_t result = 1;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1) {
            result = (uint64_t)((unsigned __int128)result * base % modulus);
        }
        base = (uint64_t)((unsigned __int128)base * base % modulus);
    }
    return result;
}
static int prime(uint64_t n) {
    static const uint64_t bases[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37};
    if (n < 2) {
        return 0;
    }
    for (int i = 0; i < 12; i++) {
        if (n % bases[i] == 0) {
            return n == bases[i];
        }
    }
    int twos = __builtin_ctzll(n - 1);
    for (int i = 0; i < 12; i++) {
        uint64_t x = power(bases[i], (n - 1) >> twos, n);
        int good = x == 1 || x == n - 1;
        for (int r = 1; r < twos && !good; r++) {
            x = (uint64_t)((unsigned __int128)x * x % n), good = x == n - 1;
        }
        if (!good) {
            return 0;
        }
    }
    return 1;
}
static int64_t gcd(int64_t a, int64_t b, int64_t *x, int64_t *y) {
    if (!b) {
        return *x = 1, *y = 0, a;
    }
    int64_t g = gcd(b, a % b, y, x);
    *y -= a / b * *x;
    return g;
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    big[0] = 1;
    for (uint32_t n = 2; n <= 300; n++) {
        times(n);
    }
    print(big, size);
    memset(big, 0, sizeof big), big[0] = 1;
    int length = 1;
    for (int n = 0; n < 1000; n++) {
        uint32_t carry = 0;
        for (int i = 0; i < length; i++) {
            uint32_t sum = big[i] + other[i] + carry;
            carry = sum >= 1000000000, other[i] = big[i], big[i] = sum - carry * 1000000000;
        }
        if (carry) {
            big[length] = 1, other[length++] = 0;
        }
    }
    print(big, length);
    static int rest[1500];
    int nines = 0, held = 0;
    for (int n = 0; n < 1500; n++) {
        rest[n] = 2;
    }
    for (int digit = 0; digit < 300; digit++) {
        int carry = 0;
        for (int n = 1499; n > 0; n--) {
            carry = carry * (n + 1) + rest[n] * 10, rest[n] = carry % (2 * n + 1), carry /= 2 * n + 1;
        }
        carry += rest[0] * 10, rest[0] = carry % 10, carry /= 10;
        if (carry == 9) {
            nines++;
        } else if (carry == 10) {
            printf("%d", held + 1);
            while (nines) {
                putchar('0'), nines--;
            }
            held = 0;
        } else {
            printf("%d", held);
            while (nines) {
                putchar('9'), nines--;
            }
            held = carry;
        }
    }
    puts("");
    for (uint64_t n = (1ull << 61) - 200; n < (1ull << 61) + 200; n++) {
        if (prime(n)) {
            printf("%llu ", (unsigned long long)n);
        }
    }
    int64_t x, y, g = gcd(1234567890123456, 987654321098, &x, &y);
    printf("\n%lld %lld %lld %llu\n", (long long)g, (long long)x, (long long)y,
           (unsigned long long)power(3, 1ull << 60, (1ull << 61) - 1));
    return 0;
}
