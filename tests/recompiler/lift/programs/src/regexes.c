// POSIX regular expressions, fnmatch and glob patterns.
#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>

static const char *const patterns[] = {
    "^a*b$",         "(a|b)+c", "[0-9]{3}-[0-9]{4}", "x(y(z)?)*w", "\\.$", "[[:alpha:]_][[:alnum:]_]*",
    "(^| )the( |$)", "a{2,3}",  "[^aeiou ]{4,}",     "(.)(.)",     "*bad", "(open"};
static const char *const subjects[] = {
    "aaab",       "xabababc", "call 555-1234 now", "xyzyzyw", "ends.", "9 lives_of 7",
    "in the end", "caaaat",   "rhythm and blues",  ""};
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    for (unsigned p = 0; p < sizeof patterns / sizeof *patterns; p++) {
        regex_t compiled;
        int status = regcomp(&compiled, patterns[p], REG_EXTENDED | (p & 1 ? REG_ICASE : 0));
        printf("%s: %d", patterns[p], status != 0);
        for (unsigned s = 0; !status && s < sizeof subjects / sizeof *subjects; s++) {
            regmatch_t match[4];
            if (regexec(&compiled, subjects[s], 4, match, 0)) {
                printf(" -");
            } else {
                for (int i = 0; i < 4; i++) {
                    printf("%c%d:%d", i ? ',' : ' ', (int)match[i].rm_so, (int)match[i].rm_eo);
                }
            }
        }
        if (!status) {
            regfree(&compiled);
        }
        puts("");
    }
    static const char *const globs[] = {"*.c", "a?c", "[!x]*", "*/*", "\\*", "**z"};
    static const char *const names[] = {"main.c", "abc", "x", "dir/file", "*", "zzz"};
    for (int g = 0; g < 6; g++) {
        for (int n = 0; n < 6; n++) {
            putchar(fnmatch(globs[g], names[n], FNM_PATHNAME) ? '.' : 'x');
        }
    }
    puts("");
    return 0;
}
