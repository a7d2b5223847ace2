/* wasi/wasi.h: WASI preview 1 over a syscall backend. Engine-neutral: the caller hands the guest's arguments as
 * 64-bit slots and the guest's memory as base and size; wasm3 (loader/) and wasmtime (csrc/engine/) both can. */
#ifndef RC_WASI_H
#define RC_WASI_H

#include "base/base.h"
#include "base/sys.h"

struct rc_wasi {
    struct rc_sys *sys;
    uint8_t *memory; /* the guest's linear memory, refreshed by the engine glue before each call */
    uint64_t memory_size;
    int argc;
    char **argv;
    int envc;
    char **envp;
    struct rc_wasi_state *state; /* fd rights, preopens, directory cookies: private to this folder */
    int exited;                  /* proc_exit was called: the engine glue unwinds and ends with exit_code */
    int exit_code;
};

/* One row per importable function. signature is "result(params)" in wasm3's letters: i i32, I i64, v void. */
struct rc_wasi_function {
    const char *module, *name, *signature;
    /* arg: parameters in order, zero-extended to 64 bits. Returns the i32 result (WASI errno), 0 for void. */
    uint32_t (*call)(struct rc_wasi *w, const uint64_t *arg);
    const char *status;   /* "implemented", or "refused: ERRNO: reason" */
    const char *syscalls; /* what it may ask of the backend, in the words of docs/wire.md; "-": nothing */
    const char *remark;   /* where the guest could be surprised; the table is docs/wasi.md */
};
extern const struct rc_wasi_function rc_wasi_functions[];
extern const int rc_wasi_function_count;

/* Makes the fd table: 0, 1, 2 are the backend's, 3 is the preopen "/". Asks nothing of the backend: the root is opened
 * when the guest first uses it, so that a program without files needs no openat in its policy. 0 or -1 with *err. */
int rc_wasi_init(struct rc_wasi *w, struct rc_error *err);
void rc_wasi_free(struct rc_wasi *w);

#endif
