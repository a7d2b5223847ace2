/* printf FORMAT WORD...: %s %d %x %f %c and escapes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    int next = 2;
    for (const char *f = argc > 1 ? argv[1] : ""; *f; f++) {
        const char *word = next < argc ? argv[next] : "";
        if (f[0] == '\\' && strchr("nt\\", f[1] ? f[1] : ' ')) {
            putchar(f[1] == 'n' ? '\n' : f[1] == 't' ? '\t' : '\\');
            f++;
        } else if (f[0] == '%' && strchr("sdxfc%", f[1] ? f[1] : ' ')) {
            switch (*++f) {
            case 's':
                fputs(word, stdout);
                break;
            case 'd':
                printf("%ld", strtol(word, NULL, 0));
                break;
            case 'x':
                printf("%lx", strtoul(word, NULL, 0));
                break;
            case 'f':
                printf("%f", strtod(word, NULL));
                break;
            case 'c':
                putchar(word[0]);
                break;
            default:
                putchar('%');
                next--;
            }
            next++;
        } else {
            putchar(*f);
        }
    }
    return 0;
}
