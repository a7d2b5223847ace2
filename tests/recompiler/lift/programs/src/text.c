// Text: an expression calculator with precedence climbing, word counts, a Markov chain, Base64 and UTF-8, string
// search.
#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *at;
static double expression(int least);
static double atom(void) {
    while (*at == ' ') {
        at++;
    }
    if (*at == '(') {
        at++;
        double v = expression(0);
        at++;
        return v;
    }
    if (*at == '-') {
        return at++, -atom();
    }
    if (isalpha((unsigned char)*at)) {
        static const struct {
            const char *name;
            double (*call)(double);
        } calls[] = {{"sqrt", sqrt}, {"floor", floor}, {"abs", fabs}, {"ceil", ceil}};
        for (int n = 0; n < 4; n++) {
            if (!strncmp(at, calls[n].name, strlen(calls[n].name))) {
                return at += strlen(calls[n].name), calls[n].call(atom());
            }
        }
        return 0;
    }
    return strtod(at, (char **)&at);
}
static double expression(int least) {
    static const char operators[] = "+-*/%^";
    static const int levels[] = {1, 1, 2, 2, 2, 3};
    double left = atom();
    for (;;) {
        while (*at == ' ') {
            at++;
        }
        const char *found = *at ? strchr(operators, *at) : NULL;
        if (!found || levels[found - operators] < least) {
            return left;
        }
        int level = levels[found - operators];
        at++;
        double right = expression(level + (*found != '^'));
        switch (*found) {
        case '+':
            left += right;
            break;
        case '-':
            left -= right;
            break;
        case '*':
            left *= right;
            break;
        case '/':
            left /= right;
            break;
        case '%':
            left = fmod(left, right);
            break;
        case '^':
            left = pow(left, right);
            break;
        }
    }
}
static void base64(const char *text) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = strlen(text);
    for (size_t n = 0; n < size; n += 3) {
        unsigned v = (unsigned)(uint8_t)text[n] << 16 | (n + 1 < size ? (unsigned)(uint8_t)text[n + 1] << 8 : 0) |
                     (n + 2 < size ? (uint8_t)text[n + 2] : 0);
        printf("%c%c%c%c", digits[v >> 18], digits[v >> 12 & 63], n + 1 < size ? digits[v >> 6 & 63] : '=',
               n + 2 < size ? digits[v & 63] : '=');
    }
    puts("");
}
static int utf8(const uint8_t *p) {
    int count = 0;
    for (; *p; count++) {
        int more = *p < 0x80 ? 0 : *p >> 5 == 6 ? 1 : *p >> 4 == 14 ? 2 : *p >> 3 == 30 ? 3 : -1;
        if (more < 0) {
            return -1;
        }
        for (p++; more--; p++) {
            if (*p >> 6 != 2) {
                return -1;
            }
        }
    }
    return count;
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    static const char *const sums[] = {"1+2*3",    "(1+2)*3",         "2^3^2",    "-2^2",
                                       "10%4*3-1", "sqrt(2)*sqrt 2",  "1/3+1e-3", "abs(-5)/floor(2.7)",
                                       "1/0",      "ceil(0.1+0.2*10)"};
    for (int n = 0; n < 10; n++) {
        at = sums[n], printf("%s = %.12g\n", sums[n], expression(0));
    }
    char words[] =
        "the quick brown fox jumps over the lazy dog and the quick cat jumps over the lazy fox again and again";
    char *list[40], *save, *word;
    int count = 0;
    for (word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        list[count++] = word;
    }
    for (int i = 0; i < count; i++) {
        int seen = 0, times = 0;
        for (int j = 0; j < count; j++) {
            times += !strcmp(list[i], list[j]), seen += j < i && !strcmp(list[i], list[j]);
        }
        if (!seen) {
            printf("%s %d ", list[i], times);
        }
    }
    puts("");
    unsigned random = 5;
    for (int n = 0, i = 0; n < 20; n++) {
        printf("%s ", list[i]);
        do {
            random = random * 1103515245 + 12345, i = (int)(random >> 16) % (count - 1);
        } while (n & 1 && strcmp(list[i], list[n]));
        i++;
    }
    puts("");
    base64("Many hands make light work."), base64("a"), base64("ab"), base64("");
    printf("%d %d %d\n", utf8((const uint8_t *)"na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80"),
           utf8((const uint8_t *)"\xc3("), utf8((const uint8_t *)""));
    printf("%s %s %zu %zu %d\n", strstr("haystack with needle", "needle"), strrchr("a/b/c", '/'), strspn("aabbc", "ab"),
           strcspn("hello", "lo"), strcasecmp("HeLLo", "hEllO"));
    printf("%d %d %s\n", memcmp("abc\0x", "abc\0y", 5) < 0, strncmp("abcd", "abcf", 3),
           (char *)memchr("find x here", 'x', 11));
    return 0;
}
