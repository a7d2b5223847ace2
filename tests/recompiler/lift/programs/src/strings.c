// Every function of string.h at every alignment and small length, against byte loops.
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static char from[512], to[512], want[512];
static int sign(int x) {
    return (x > 0) - (x < 0);
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    unsigned long checks = 0, sum = 0;
    for (int i = 0; i < 512; i++) {
        from[i] = (char)(i * 37 % 251 + 1);
    }
    for (int a = 0; a < 17; a++) {
        for (int n = 0; n < 140; n += 1 + n / 40) {
            char saved = from[a + n];
            from[a + n] = 0;
            sum = sum * 31 + strlen(from + a);
            memset(to, 'x', sizeof to), memset(want, 'x', sizeof want);
            for (int i = 0; i <= n; i++) {
                want[i + 3] = from[a + i];
            }
            strcpy(to + 3, from + a);
            checks += !memcmp(to, want, sizeof to);
            sum = sum * 31 +
                  (unsigned long)(sign(strcmp(to + 3, from + a)) + 2 * sign(strncmp(to + 2, from + a, (size_t)n)));
            char *last = strrchr(from + a, 'a'), *first = strchr(from + a, 'z'),
                 *end = memchr(from + a, 0, (size_t)n + 1);
            sum = sum * 31 + (last ? (unsigned long)(last - from) : 7) + (first ? (unsigned long)(first - from) : 5);
            sum += (unsigned long)(end - from) + strnlen(from + a, 50) + strspn(from + a, "%&J&'") +
                   strcspn(from + a, "\x01\x41\x7f");
            from[a + n] = saved;
            memcpy(to + 5, from + a, (size_t)n);
            sum = sum * 31 + (unsigned long)(sign(memcmp(to + 5, from + a, (size_t)n)) +
                                             sign(memcmp(to + 4, from + a, (size_t)n)));
            memmove(to + 9, to + 5, (size_t)n);
            memmove(to + 1, to + 9, (size_t)n);
            memset(to + a, n, (size_t)n);
            for (unsigned i = 0; i < sizeof to; i++) {
                sum = sum * 33 + (unsigned char)to[i];
            }
        }
    }
    printf("%lu %016lx\n", checks, sum);
    char text[] = "one,two;;three four", *state, *word = strtok_r(text, ",; ", &state);
    for (; word; word = strtok_r(NULL, ",; ", &state)) {
        printf("<%s>", word);
    }
    printf("%s %s %d %d\n", strstr("a needle in hay", "needle"), strstr("xxxy", "xz") ? "?" : "none",
           sign(strcasecmp("HeLLo", "hEllO")), sign(strncasecmp("abcX", "ABCy", 4)));
    char *copy = strndup("duplicate", 4), joined[40] = "be";
    strcat(joined, "gin-"), strncat(joined, copy, 2);
    printf("%s %s %s %d\n", joined, copy, strpbrk("key=value", "=:"), (int)(strchr("abc", 0) - "abc") >= 3);
    free(copy);
    for (int c = 0; c < 256; c++) {
        sum = sum * 31 +
              (unsigned long)(!!isalpha(c) + 2 * !!isdigit(c) + 4 * !!isspace(c) + 8 * !!ispunct(c) +
                              16 * !!isxdigit(c)) +
              (unsigned long)(toupper(c) ^ tolower(c));
    }
    printf("%016lx\n", sum);
    return 0;
}
