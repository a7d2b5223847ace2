/* interpreter.h: wasm3, as the stub embeds it. In: a verified module and a WASI guest state. Out: the guest has run. */
#ifndef LOADER_INTERPRETER_H
#define LOADER_INTERPRETER_H

#include "format/format.h"
#include "wasi/wasi.h"

/* Lets the C stack grow to what deep recursion of a guest needs: before rc_sandbox_lock. */
void interpreter_prepare(void);

/* Parses, links and compiles wasm, which passed rc_wasm_check and rc_wasm_check_engine and stays where it is; its
 * custom sections are blanked. memory_bytes bounds the guest's linear memory. E_ENGINE_MODULE, E_ENGINE_LINK,
 * E_ENGINE_MEMORY. */
int interpreter_load(uint8_t *wasm, size_t len, uint64_t memory_bytes, struct rc_wasi *wasi, struct rc_error *err);

/* Calls _start. 0: it returned, or called proc_exit (wasi->exited). E_ENGINE_TRAP. */
int interpreter_run(struct rc_error *err);

#endif
