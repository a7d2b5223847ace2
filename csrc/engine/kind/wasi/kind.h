/* engine/kind/wasi/kind.h: a guest that is a WASI program, and the shapes of modules that such programs come in. */
#ifndef KIND_WASI_H
#define KIND_WASI_H

#include "engine/wasmtime/api.h"
#include "wasi/wasi.h"

struct guest { /* one per process */
    struct rc_wasi wasi;
    wasmtime_context_t *context;
    wasmtime_memory_t memory;
    int has_memory;
};
extern struct guest guest;

/* ---- link.c: rc_wasi as host functions. E_ENGINE_LINK. */
int kind_link(wasmtime_linker_t *linker, struct rc_error *err);

/* ---- kind.c */
enum { KIND_NAME = 32 }; /* room for the name of a memory */
struct kind {
    const char *function;                             /* the export that runs a program */
    size_t params, results;                           /* of it: i32 all */
    int64_t (*programs)(int64_t functions);           /* how many a module has that exports so many functions */
    void (*memory)(char name[KIND_NAME], int64_t id); /* the export that is a program's memory */
};
/* The shape of a module, and how many programs it has: their entry ids are less than this. */
const struct kind *kind_of(const wasmtime_module_t *module, int64_t *programs);
/* Finds the entry's memory (into guest.memory) and runs it; *trap is what ended it, or NULL: then the status is in
 * guest.wasi. E_ENGINE_*. */
int kind_call(const struct kind *kind, const wasmtime_instance_t *instance, int64_t entry, wasm_trap_t **trap,
              struct rc_error *err);

#endif
