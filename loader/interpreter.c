/* In: a module that was verified, validated and walked (rc_wasm_check_engine). Out: its effects, through wasi; its
 * trap, as an error. wasm3 itself is used as it is published; what fences it is the allocator (fence.c) and m3_Yield
 * below. */
#include "interpreter.h"

#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>

#include "fence.h"
#include "m3_env.h"

/* A wasm call costs at least 8 bytes of the VM's stack, and 100 to 300 of C's for each call and each loop around it. */
enum { VM_STACK = 1 << 20, C_STACK = 64 << 20, C_STACK_SPARE = 1 << 20, PAGE = 65536 };

static IM3Runtime runtime;
static IM3Function start;
static const char *stack_floor;

void interpreter_prepare(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < C_STACK) {
        limit.rlim_cur = limit.rlim_max < C_STACK ? limit.rlim_max : C_STACK;
        setrlimit(RLIMIT_STACK, &limit); /* the kernel reads it at each growth of the stack */
    }
    getrlimit(RLIMIT_STACK, &limit);
    size_t size = limit.rlim_cur < C_STACK ? limit.rlim_cur : C_STACK;
    size_t spare = size / 2 < C_STACK_SPARE ? size / 2 : C_STACK_SPARE;
    /* The limit counts from the stack's top, above argv and the environment: AT_EXECFN is the last of their strings. */
    const char *top = (const char *)getauxval(AT_EXECFN);
    stack_floor = (top != NULL ? top : (const char *)__builtin_frame_address(0)) - (size - spare);
}

/* wasm3 asks this at every call. Its own check counts its own stack; the C stack may end sooner. */
M3Result m3_Yield(void) {
    return (const char *)__builtin_frame_address(0) < stack_floor ? m3Err_trapStackOverflow : m3Err_none;
}

/* wasm3's host call: slots of 8 bytes, results first. */
static const void *call_wasi(IM3Runtime caller, IM3ImportContext context, uint64_t *slots, void *memory) {
    const struct rc_wasi_function *f = context->userdata;
    struct rc_wasi *wasi = m3_GetUserData(caller);
    const char *parameter = strchr(f->signature, '(') + 1;
    int results = f->signature[0] != 'v';
    uint64_t arg[16] = {0};
    for (int i = 0; parameter[i] != ')' && i < 16; i++) {
        /* wasm3 writes half of a slot for an i32 */
        arg[i] = parameter[i] == 'i' ? (uint32_t)slots[results + i] : slots[results + i];
    }
    wasi->memory = memory;
    wasi->memory_size = caller->memory.mallocated->length;
    uint32_t result = f->call(wasi, arg);
    if (results) {
        slots[0] = result;
    }
    return wasi->exited ? m3Err_trapExit : m3Err_none;
}

/* wasm3 finds functions by the names of the "name" section as well as by exports, so a name could stand in for _start.
 * Custom sections get an empty name here, in memory, and wasm3 passes them over. */
static void hide_names(uint8_t *wasm, size_t len) {
    for (uint8_t *at = wasm + 8, *end = wasm + len; at < end;) {
        uint8_t id = *at++;
        uint64_t size = 0;
        for (int shift = 0;; shift += 7) { /* well-formed: rc_wasm_check */
            size |= (uint64_t)(*at & 0x7f) << shift;
            if (!(*at++ & 0x80)) {
                break;
            }
        }
        if (id == 0 && size > 0) {
            *at = 0;
        }
        at += size;
    }
}

static int bad_module(M3Result why, struct rc_error *err) {
    return rc_fail(err, RC_E_ENGINE_MODULE, 0, "wasm3 does not take this module: %s", why);
}

static int bound_memory(IM3Module module, uint64_t memory_bytes, struct rc_error *err) {
    uint64_t pages = memory_bytes / PAGE;
    if (pages > d_m3MaxLinearMemoryPages) {
        pages = d_m3MaxLinearMemoryPages;
    }
    if (module->memoryInfo.initPages > pages) {
        return rc_fail(err, RC_E_ENGINE_MEMORY, 0, "the module begins with %u pages of memory, its manifest allows %u",
                       module->memoryInfo.initPages, (unsigned)pages);
    }
    if (module->memoryInfo.maxPages == 0 || module->memoryInfo.maxPages > pages) {
        module->memoryInfo.maxPages = (u32)pages;
    }
    return 0;
}

static int link_wasi(IM3Module module, struct rc_error *err) {
    for (u32 i = 0; i < module->numFuncImports; i++) {
        IM3ImportInfo import = &module->functions[i].import;
        const struct rc_wasi_function *f = NULL;
        for (int k = 0; k < rc_wasi_function_count && f == NULL; k++) {
            const struct rc_wasi_function *row = &rc_wasi_functions[k];
            if (strcmp(import->moduleUtf8, row->module) == 0 && strcmp(import->fieldUtf8, row->name) == 0) {
                f = row;
            }
        }
        M3Result why = f == NULL ? m3Err_functionImportMissing
                                 : m3_LinkRawFunctionEx(module, f->module, f->name, f->signature, call_wasi, f);
        if (why) {
            return rc_fail(err, RC_E_ENGINE_LINK, 0, "import %s.%s: %s", import->moduleUtf8, import->fieldUtf8, why);
        }
    }
    return 0;
}

int interpreter_load(uint8_t *wasm, size_t len, uint64_t memory_bytes, struct rc_wasi *wasi, struct rc_error *err) {
    IM3Module module;
    IM3Environment environment = m3_NewEnvironment();
    rc_fence_guarding = 1;
    runtime = environment ? m3_NewRuntime(environment, VM_STACK, wasi) : NULL;
    rc_fence_guarding = 0;
    if (runtime == NULL) {
        return rc_fail(err, RC_E_NO_MEMORY, 0, "no memory for wasm3");
    }
    hide_names(wasm, len);
    M3Result why = m3_ParseModule(environment, &module, wasm, (uint32_t)len);
    if (why) {
        return bad_module(why, err);
    }
    if (bound_memory(module, memory_bytes, err) < 0) {
        return -1;
    }
    rc_fence_guarding = 1;
    why = m3_LoadModule(runtime, module);
    rc_fence_guarding = 0;
    if (why == m3Err_mallocFailed) {
        return rc_fail(err, RC_E_ENGINE_MEMORY, 0, "no memory for the module's %u pages", module->memoryInfo.initPages);
    }
    if (why) {
        return bad_module(why, err);
    }
    runtime->memory.maxPages = module->memoryInfo.maxPages; /* wasm3 takes a bound of 0 pages for none */
    if (link_wasi(module, err) < 0) {
        return -1;
    }
    /* All of it now: what wasm3 cannot compile is refused before the guest has done anything. */
    why = m3_CompileModule(module);
    if (why) {
        return bad_module(why, err);
    }
    start = v_FindFunction(module, "_start");
    if (start == NULL || m3_GetArgCount(start) != 0 || m3_GetRetCount(start) != 0) {
        return rc_fail(err, RC_E_ENGINE_MODULE, 0, "_start is not a function without parameters and results");
    }
    return 0;
}

int interpreter_run(struct rc_error *err) {
    static const char prefix[] = "[trap] ";
    struct rc_wasi *wasi = m3_GetUserData(runtime);
    rc_fence_guarding = 1; /* memory.grow may make the guest's memory large enough for a guard only now */
    M3Result why = m3_RunStart(start->module);
    if (!why) {
        why = m3_CallV(start);
    }
    if (!why || wasi->exited) {
        return 0;
    }
    return rc_fail(err, RC_E_ENGINE_TRAP, 0, "%s",
                   strncmp(why, prefix, sizeof prefix - 1) == 0 ? why + sizeof prefix - 1 : why);
}
