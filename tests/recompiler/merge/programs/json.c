/* json: a JSON value on standard input, indented; status 1 where it is none. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int c;

static void next(void) {
    do {
        c = getchar();
    } while (c != EOF && isspace(c));
}

static _Noreturn void fail(void) {
    fflush(stdout);
    fprintf(stderr, "json: unexpected %s%c\n", c == EOF ? "end" : "", c == EOF ? ' ' : c);
    exit(1);
}

static void text(void) {
    putchar(c);
    while ((c = getchar()) != '"') {
        if (c == EOF) {
            fail();
        }
        putchar(c);
        if (c == '\\') {
            putchar(c = getchar());
        }
    }
    putchar(c);
    next();
}

static void indent(int depth) {
    printf("\n%*s", 2 * depth, "");
}

static void value(int depth) {
    if (depth > 100) {
        fail();
    }
    if (c == '{' || c == '[') {
        int close = c == '{' ? '}' : ']';
        putchar(c);
        next();
        for (int first = 1; c != close; first = 0) {
            if (!first && c != ',') {
                fail();
            }
            if (!first) {
                putchar(c), next();
            }
            indent(depth + 1);
            if (close == '}') {
                if (c != '"') {
                    fail();
                }
                text();
                if (c != ':') {
                    fail();
                }
                fputs(": ", stdout);
                next();
            }
            value(depth + 1);
        }
        indent(depth);
        putchar(close);
        next();
    } else if (c == '"') {
        text();
    } else if (c != EOF && (isalnum(c) || c == '-')) {
        for (; c != EOF && (isalnum(c) || strchr("+-.", c)); c = getchar()) {
            putchar(c);
        }
        if (c != EOF && isspace(c)) {
            next();
        }
    } else {
        fail();
    }
}

int main(void) {
    next();
    value(0);
    putchar('\n');
    return c == EOF ? 0 : 1;
}
