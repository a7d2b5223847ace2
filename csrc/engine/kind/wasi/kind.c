/* In: a module's exports, an instance, a program's entry id. Out: that program, run on its own memory. The shape of a
 * module is known here and nowhere else: the table below. */
#include "engine/kind/wasi/kind.h"

#include <stdio.h>
#include <string.h>

#include "engine/wasmtime/fail.h"

/* docs/merge.md: `_dispatch(id, argc, argv) -> i32`, one function per program, `memory.ID` of each. */
static int64_t all_but_dispatch(int64_t functions) {
    return functions - 1;
}

static void memory_of(char name[KIND_NAME], int64_t id) {
    snprintf(name, KIND_NAME, "memory.%lld", (long long)id);
}

/* A program by itself: `_start()`, `memory`; entry 0. */
static int64_t one(int64_t functions) {
    (void)functions;
    return 1;
}

static void memory_alone(char name[KIND_NAME], int64_t id) {
    (void)id;
    strcpy(name, "memory");
}

enum { MERGED, SINGLE, KINDS };
static const struct kind kinds[KINDS] = {
    [MERGED] = {"_dispatch", 3, 1, all_but_dispatch, memory_of},
    [SINGLE] = {"_start", 0, 0, one, memory_alone},
};

static int is_named(const wasm_byte_vec_t *name, const char *text) {
    return name->size == strlen(text) && memcmp(name->data, text, name->size) == 0;
}

const struct kind *kind_of(const wasmtime_module_t *module, int64_t *programs) {
    wasm_exporttype_vec_t exports;
    const struct kind *kind = &kinds[SINGLE]; /* of a module with neither export too: kind_call says so */
    int64_t functions = 0;
    wasmtime_module_exports(module, &exports);
    for (size_t i = 0; i < exports.size; i++) {
        functions += wasm_externtype_kind(wasm_exporttype_type(exports.data[i])) == WASM_EXTERN_FUNC;
        if (is_named(wasm_exporttype_name(exports.data[i]), kinds[MERGED].function)) {
            kind = &kinds[MERGED];
        }
    }
    wasm_exporttype_vec_delete(&exports);
    *programs = kind->programs(functions);
    return kind;
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

int kind_call(const struct kind *kind, const wasmtime_instance_t *instance, int64_t entry, wasm_trap_t **trap,
              struct rc_error *err) {
    char memory_name[KIND_NAME];
    wasmtime_extern_t memory, function;
    wasmtime_val_raw_t slot[3] = {{.i32 = (int32_t)entry}, {.i32 = guest.wasi.argc}, {.i32 = 0}};
    if (!export_of(instance, kind->function, WASMTIME_EXTERN_FUNC, &function) ||
        !has_type(&function.of.func, kind->params, kind->results)) {
        return rc_fail(err, RC_E_ENGINE_MODULE, 0, "the module's `%s` is not the function of docs/merge.md",
                       kind->function);
    }
    kind->memory(memory_name, entry);
    if (export_of(instance, memory_name, WASMTIME_EXTERN_MEMORY, &memory)) {
        guest.memory = memory.of.memory;
        guest.has_memory = 1;
    }
    wasmtime_error_t *error =
        wasmtime_func_call_unchecked(guest.context, &function.of.func, slot, sizeof slot / sizeof *slot, trap);
    if (error) {
        return engine_fail(err, RC_E_ENGINE_TRAP, kind->function, error);
    }
    guest.wasi.exit_code = kind->results ? slot[0].i32 : 0;
    return 0;
}
