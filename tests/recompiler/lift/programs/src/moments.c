// Dates: gmtime, timegm, mktime, strftime, strptime, difftime over four centuries; locale's names; wide characters.
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include <wctype.h>

int main(int argc, char **argv) {
    (void)argc, (void)argv;
    char text[200];
    unsigned sum = 0;
    for (time_t t = -12000000000; t < 12000000000; t += 86400L * 97 + 12345) {
        struct tm parts, again;
        gmtime_r(&t, &parts);
        size_t size = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %j %U %W %V %G %u %a %B %C %y %I %p %e", &parts);
        for (size_t n = 0; n < size; n++) {
            sum = sum * 31 + (unsigned char)text[n];
        }
        memset(&again, 0, sizeof again);
        if (!strptime(text, "%Y-%m-%d %H:%M:%S", &again) || timegm(&again) != t) {
            printf("%lld %s\n", (long long)t, text);
        }
    }
    printf("%u %s\n", sum, text);
    struct tm odd = {.tm_year = 124, .tm_mon = 14, .tm_mday = -5, .tm_hour = 50, .tm_min = -7, .tm_sec = 100};
    time_t made = mktime(&odd);
    printf("%lld %s%g\n", (long long)made, asctime(&odd), difftime(made, 1700000000));
    printf("%s %s\n", setlocale(LC_ALL, "C"), localeconv()->decimal_point);
    wchar_t wide[64];
    swprintf(wide, 64, L"%ls %d %lc %.2f", L"w\u00efde", 42, L'\u20ac', 2.5);
    printf("%zu %d %d\n", wcslen(wide), iswalpha(L'x') != 0, (int)towupper(L'q'));
    printf("%d %ls\n", wcscmp(L"abc", L"abd") < 0, L"plain");
    mbstate_t state = {0};
    size_t length = mbrtowc(wide, "A", 1, &state);
    printf("%zu %d\n", length, (int)wide[0]);
    return 0;
}
