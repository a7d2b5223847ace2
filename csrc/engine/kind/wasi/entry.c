/* In: an instance and a program's entry id. Out: that program, run on its own memory. The shape of a module is known
 * here and nowhere else:
 *   merged (docs/merge.md)   `_dispatch(id, argc, argv) -> i32`, one function per program, `memory.ID` of each
 *   a program by itself      `_start()`, `memory`; entry 0 */
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>

#include "engine/wasmtime/fail.h"

static int is_named(const wasm_byte_vec_t *name, const char *text) {
    return name->size == strlen(text) && memcmp(name->data, text, name->size) == 0;
}

void entry_scan(struct engine *e) {
    wasm_exporttype_vec_t exports;
    int64_t functions = 0;
    wasmtime_module_exports(e->module, &exports);
    for (size_t i = 0; i < exports.size; i++) {
        functions += wasm_externtype_kind(wasm_exporttype_type(exports.data[i])) == WASM_EXTERN_FUNC;
        e->merged |= is_named(wasm_exporttype_name(exports.data[i]), "_dispatch");
    }
    wasm_exporttype_vec_delete(&exports);
    e->programs = e->merged ? functions - 1 : 1;
}

static int export_of(const wasmtime_instance_t *instance, const char *name, uint8_t kind, wasmtime_extern_t *out) {
    return wasmtime_instance_export_get(guest.context, instance, name, strlen(name), out) && out->kind == kind;
}

/* Whether f takes so many i32 and gives so many: the call does not check it. */
static int has_type(const wasmtime_func_t *f, size_t params, size_t results) {
    wasm_functype_t *type = wasmtime_func_type(guest.context, f);
    const wasm_valtype_vec_t *in = wasm_functype_params(type), *out = wasm_functype_results(type);
    int same = in->size == params && out->size == results;
    for (size_t i = 0; same && i < params; i++) {
        same = wasm_valtype_kind(in->data[i]) == WASM_I32;
    }
    wasm_functype_delete(type);
    return same;
}

int entry_call(const struct engine *e, const wasmtime_instance_t *instance, int64_t entry, wasm_trap_t **trap,
               struct rc_error *err) {
    const char *name = e->merged ? "_dispatch" : "_start";
    char memory_name[32] = "memory";
    wasmtime_extern_t memory, function;
    wasmtime_val_raw_t slot[3] = {{.i32 = (int32_t)entry}, {.i32 = guest.wasi.argc}, {.i32 = 0}};
    if (!export_of(instance, name, WASMTIME_EXTERN_FUNC, &function) ||
        !has_type(&function.of.func, e->merged ? 3 : 0, e->merged ? 1 : 0)) {
        return rc_fail(err, RC_E_ENGINE_MODULE, 0, "the module's `%s` is not the function of docs/merge.md", name);
    }
    if (e->merged) {
        snprintf(memory_name, sizeof memory_name, "memory.%lld", (long long)entry);
    }
    if (export_of(instance, memory_name, WASMTIME_EXTERN_MEMORY, &memory)) {
        guest.memory = memory.of.memory;
        guest.has_memory = 1;
    }
    wasmtime_error_t *error =
        wasmtime_func_call_unchecked(guest.context, &function.of.func, slot, sizeof slot / sizeof *slot, trap);
    if (error) {
        return engine_fail(err, RC_E_ENGINE_TRAP, name, error);
    }
    guest.wasi.exit_code = e->merged ? slot[0].i32 : 0;
    return 0;
}
