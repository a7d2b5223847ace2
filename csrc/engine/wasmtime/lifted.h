/* engine/wasmtime/lifted.h: what lifted guests use of wasmtime's C API beyond api.h, declared in the same way. */
#ifndef WASMTIME_LIFTED_H
#define WASMTIME_LIFTED_H

#include <string.h>

#include "engine/wasmtime/api.h"

enum { WASM_V128 = 4, WASMTIME_EXTERN_GLOBAL = 1 };
typedef struct {
    uint64_t store_id;
    uint32_t hidden[3];
} wasmtime_global_t;
typedef struct {
    uint8_t kind;
    union {
        int32_t i32;
        int64_t i64;
        uint8_t v128[16];
        uint64_t room[3]; /* the largest member, a reference */
    } of;
} wasmtime_val_t;
static inline wasmtime_global_t extern_global(const wasmtime_extern_t *item) {
    wasmtime_global_t global;
    memcpy(&global, &item->of, sizeof global);
    return global;
}

void wasmtime_global_get(wasmtime_context_t *, const wasmtime_global_t *, wasmtime_val_t *out);
wasmtime_error_t *wasmtime_global_set(wasmtime_context_t *, const wasmtime_global_t *, const wasmtime_val_t *);
enum { WASMTIME_TRAP_UNREACHABLE = 10 };
wasm_trap_t *wasmtime_trap_new_code(uint8_t code);
wasmtime_error_t *wasmtime_linker_instantiate(const wasmtime_linker_t *, wasmtime_context_t *,
                                              const wasmtime_module_t *, wasmtime_instance_t *out, wasm_trap_t **trap);
void wasm_trap_delete(wasm_trap_t *);

#endif
