/* In: an error. Out: wasmtime's words in it, or the one line that this process says before it ends. */
#include "engine/wasmtime/fail.h"

#include <string.h>
#include <unistd.h>

enum { REFUSED = 125 }; /* nothing was started, as a shell's 126 and 127 */

int engine_fail(struct rc_error *err, int code, const char *what, wasmtime_error_t *error) {
    wasm_byte_vec_t text;
    wasmtime_error_message(error, &text);
    rc_fail_lines(err, code, what, text.data, text.size);
    wasm_byte_vec_delete(&text);
    wasmtime_error_delete(error);
    return -1;
}

void engine_last_line(int code, const char *text) {
    char line[sizeof((struct rc_error *)0)->message + 64], *at = line;
    const char *const parts[] = {"recompiler: ", rc_code_name(code), ": ", text, "\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        at = stpcpy(at, parts[i]);
    }
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)(at - line));
    (void)ignored;
}

void engine_refuse(const struct rc_error *err) {
    engine_last_line(err->code, err->message);
    _exit(REFUSED);
}
