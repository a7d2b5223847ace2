/* expr TEXT: + - * / % and parentheses over integers; status 1 when the value is 0, 2 for bad syntax. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static const char *at;
static long sum(void);

static _Noreturn void fail(const char *why) {
    fprintf(stderr, "expr: %s at '%s'\n", why, at);
    exit(2);
}

static int next(void) {
    while (isspace((unsigned char)*at)) {
        at++;
    }
    return *at;
}

static long atom(void) {
    if (next() == '(') {
        at++;
        long value = sum();
        if (next() != ')') {
            fail("no )");
        }
        at++;
        return value;
    }
    if (*at == '-') {
        return at++, -atom();
    }
    if (!isdigit((unsigned char)*at)) {
        fail("no number");
    }
    char *end;
    long value = strtol(at, &end, 10);
    at = end;
    return value;
}

static long product(void) {
    long value = atom();
    for (int c; (c = next()) == '*' || c == '/' || c == '%';) {
        at++;
        long right = atom();
        if (c != '*' && right == 0) {
            fail("division by zero");
        }
        value = c == '*' ? value * right : c == '/' ? value / right : value % right;
    }
    return value;
}

static long sum(void) {
    long value = product();
    for (int c; (c = next()) == '+' || c == '-';) {
        at++;
        value = c == '+' ? value + product() : value - product();
    }
    return value;
}

int main(int argc, char **argv) {
    at = argc > 1 ? argv[1] : "";
    long value = sum();
    if (next()) {
        fail("more text");
    }
    printf("%ld\n", value);
    return value == 0;
}
