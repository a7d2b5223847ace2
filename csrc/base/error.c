/* In: a code and a printf-like sentence. Out: a filled struct rc_error; names and exit codes of all codes. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

static const struct {
    const char *name;
    int exit_code;
} codes[] = {
#define RC_CODE_ROW(name, exit_code) {#name, exit_code},
    RC_CODES(RC_CODE_ROW)
#undef RC_CODE_ROW
};

_Static_assert(sizeof codes / sizeof codes[0] == RC_CODE_COUNT - 1, "row i of the table is code i + 1");

int rc_code_count(void) {
    return RC_CODE_COUNT;
}

static int row(int code) {
    return (code > RC_OK && code < RC_CODE_COUNT ? code : RC_E_INTERNAL) - 1;
}

const char *rc_code_name(int code) {
    return codes[row(code)].name;
}

int rc_code_exit(int code) {
    return codes[row(code)].exit_code;
}

void rc_printable(char *text) {
    for (; *text; text++) {
        if (*text < ' ' || *text > '~') {
            *text = '?';
        }
    }
}

int rc_fail(struct rc_error *err, int code, uint64_t offset, const char *format, ...) {
    va_list arguments;

    err->code = code;
    err->offset = offset;
    va_start(arguments, format);
    vsnprintf(err->message, sizeof err->message, format, arguments);
    va_end(arguments);
    rc_printable(err->message);
    return -1;
}

int rc_fail_lines(struct rc_error *err, int code, const char *what, const char *text, size_t len) {
    char line[sizeof err->message];
    size_t at = 0;

    for (size_t i = 0; i < len && at < sizeof line - 3; i++) {
        size_t space = i, broken = 0;

        while (space < len && strchr(" \t\r\n", text[space]) && text[space]) {
            broken |= text[space++] == '\n';
        }
        if (!broken) {
            line[at++] = text[i];
            continue;
        }
        if (at && space < len) {
            if (!strchr(".:;,", line[at - 1])) {
                line[at++] = ';';
            }
            line[at++] = ' ';
        }
        i = space - 1;
    }
    return rc_fail(err, code, 0, "%s: %.*s", what, (int)at, line);
}
