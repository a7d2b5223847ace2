/* In: an instance and a program's entry id. Out: that program, run on its own memory. The shape of a module is known
 * here and nowhere else: one program, exports `_start` and `memory`, entry 0. */
#include "engine.h"

#include <string.h>

static int export_of(const wasmtime_instance_t *instance, const char *name, uint8_t kind, wasmtime_extern_t *out,
                     struct rc_error *err) {
    if (!wasmtime_instance_export_get(guest.context, instance, name, strlen(name), out) || out->kind != kind) {
        return rc_fail(err, RC_E_ENGINE_MODULE, 0, "the module does not export `%s`", name);
    }
    return 0;
}

int entry_exists(const struct engine *e, int64_t entry) {
    (void)e;
    return entry == 0;
}

int entry_call(const wasmtime_instance_t *instance, int64_t entry, wasm_trap_t **trap, struct rc_error *err) {
    wasmtime_extern_t memory, start;
    wasmtime_val_raw_t none[1];
    (void)entry;
    if (export_of(instance, "memory", WASMTIME_EXTERN_MEMORY, &memory, err) < 0 ||
        export_of(instance, "_start", WASMTIME_EXTERN_FUNC, &start, err) < 0) {
        return -1;
    }
    wasm_functype_t *type = wasmtime_func_type(guest.context, &start.of.func); /* the call below does not check it */
    int plain = wasm_functype_params(type)->size == 0 && wasm_functype_results(type)->size == 0;
    wasm_functype_delete(type);
    if (!plain) {
        return rc_fail(err, RC_E_ENGINE_MODULE, 0, "_start is not a function without parameters and results");
    }
    guest.memory = memory.of.memory;
    wasmtime_error_t *error = wasmtime_func_call_unchecked(guest.context, &start.of.func, none, 0, trap);
    return error ? engine_fail(err, RC_E_ENGINE_TRAP, "_start", error) : 0;
}
