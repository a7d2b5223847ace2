/* In: the table of WASI functions. Out: each of them as a host function of wasmtime, unchecked: the types were compared
 * when the module was linked, so a call is an indirect jump and arguments in an array. Pointers are rc_wasi's to check,
 * against the memory as it is at this call. */
#include "engine/kind/wasi/kind.h"

#include <string.h>
#include <unistd.h>

#include "engine/wasmtime/fail.h"

struct guest guest;

static wasm_trap_t *call_wasi(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *slot, size_t count) {
    const struct rc_wasi_function *f = env;
    const char *parameter = strchr(f->signature, '(') + 1;
    uint64_t arg[16] = {0};
    (void)caller;
    for (size_t i = 0; parameter[i] != ')' && i < count; i++) {
        arg[i] = parameter[i] == 'i' ? (uint32_t)slot[i].i32 : (uint64_t)slot[i].i64;
    }
    if (guest.has_memory) { /* its start function may call before it is known: then no pointer is good */
        guest.wasi.memory = wasmtime_memory_data(guest.context, &guest.memory);
        guest.wasi.memory_size = wasmtime_memory_data_size(guest.context, &guest.memory);
    }
    uint32_t result = f->call(&guest.wasi, arg);
    if (guest.wasi.exited) {
        _exit(guest.wasi.exit_code & 0xff); /* one guest is one process: there is nothing to unwind to */
    }
    if (f->signature[0] != 'v') {
        slot[0].i32 = (int32_t)result;
    }
    return NULL;
}

/* "i(iI)" as wasmtime's type. */
static wasm_functype_t *type_of(const char *signature) {
    wasm_valtype_vec_t params, results;
    const char *parameter = strchr(signature, '(') + 1;
    wasm_valtype_vec_new_uninitialized(&params, strcspn(parameter, ")"));
    for (size_t i = 0; i < params.size; i++) {
        params.data[i] = wasm_valtype_new(parameter[i] == 'I' ? WASM_I64 : WASM_I32);
    }
    wasm_valtype_vec_new_uninitialized(&results, signature[0] != 'v');
    if (results.size) {
        results.data[0] = wasm_valtype_new(WASM_I32);
    }
    return wasm_functype_new(&params, &results);
}

int kind_link(wasmtime_linker_t *linker, struct rc_error *err) {
    for (int i = 0; i < rc_wasi_function_count; i++) {
        const struct rc_wasi_function *f = &rc_wasi_functions[i];
        wasm_functype_t *type = type_of(f->signature);
        wasmtime_error_t *error = wasmtime_linker_define_func_unchecked(
            linker, f->module, strlen(f->module), f->name, strlen(f->name), type, call_wasi, (void *)f, NULL);
        wasm_functype_delete(type);
        if (error) {
            return engine_fail(err, RC_E_ENGINE_LINK, f->name, error);
        }
    }
    return 0;
}
