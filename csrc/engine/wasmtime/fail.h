/* engine/wasmtime/fail.h: how both hosts of wasmtime say what went wrong. */
#ifndef WASMTIME_FAIL_H
#define WASMTIME_FAIL_H

#include "base/base.h"
#include "engine/wasmtime/api.h"

/* "what: wasmtime's words"; deletes the wasmtime error. -1. */
int engine_fail(struct rc_error *err, int code, const char *what, wasmtime_error_t *error);
/* "recompiler: E_...: text" on fd 2, in one write; text is at most as long as an error's message. */
void engine_last_line(int code, const char *text);
/* Ends this process before its guest began: one line on fd 2, status 125. */
_Noreturn void engine_refuse(const struct rc_error *err);

#endif
