/* In: an artifact and its pc map. Out: the guest running. The module runs until it asks for something (its imports, the
 * table below), traps, or returns a pc that it does not know; nothing of a guest's state is then on the wasm stack that
 * is not in its globals, so the answer is always a pc to go on at. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <x86intrin.h>

#include "engine/kind/lifted/kind.h"
#include "engine/wasmtime/config.h"
#include "engine/wasmtime/fail.h"

enum { HOST_STACK_MARGIN = 1 << 20 };
#define DEFAULT_BASE UINT64_C(0x400000) /* tools/recompiler/lift/lifter.py */

/* A guest's stack of n bytes holds n / 8 calls at most, and a frame of wasm is some ten times a return address: 8 MiB
 * of the guest have 1 GiB here, of address space. */
static uint64_t engine_stack_size(void) {
    return stack_size() * 128;
}

static struct {
    wasmtime_context_t *context;
    wasmtime_func_t run;
    uint64_t base;
} instance;
static __thread struct {
    uint64_t go_on; /* with unwinding: the pc behind the trap that a host call asked for */
    int unwinding;
} trap_asked;

uint64_t instance_base(void) {
    return instance.base;
}

/* Inside a host call: the trap that unwinds the wasm stack, after which the guest goes on at pc. */
static wasm_trap_t *unwind_to(uint64_t pc) {
    trap_asked.go_on = pc;
    trap_asked.unwinding = 1;
    return wasmtime_trap_new_code(WASMTIME_TRAP_UNREACHABLE); /* any: it never gets out of loop() */
}

/* ---- imports; a signature is results, then parameters: i = i32, I = i64 */

static wasm_trap_t *import_syscall(wasmtime_val_raw_t *slot) {
    struct call call = {.nr = (uint32_t)slot[0].i64, .pc = (uint64_t)slot[7].i64};
    for (int i = 0; i < 6; i++) {
        call.arg[i] = (uint64_t)slot[1 + i].i64;
    }
    slot[0].i64 = syscall_perform(&call);
    slot[1].i64 = (int64_t)call.pc;
    return NULL;
}

static wasm_trap_t *import_fault(wasmtime_val_raw_t *slot) {
    const int sig = slot[0].i32;
    const uint64_t pc = (uint64_t)slot[1].i64;
    /* The kernel's code of each: #DE, #UD, #BP, #GP. */
    const int code = sig == SIGFPE ? FPE_INTDIV : sig == SIGILL ? ILL_ILLOPN : SI_KERNEL;
    const uint64_t address = sig == SIGFPE || sig == SIGILL ? pc : 0;
    elsewhere_remember(sig, code, address, pc);
    return unwind_to(signal_force(sig, code, address, pc, 1));
}

static wasm_trap_t *import_unlifted(wasmtime_val_raw_t *slot) {
    ledger_die((uint64_t)slot[0].i64);
}

static wasm_trap_t *import_cpuid(wasmtime_val_raw_t *slot) {
    uint32_t out[4];
    cpuid_of((uint32_t)slot[0].i32, (uint32_t)slot[1].i32, out);
    for (int i = 0; i < 4; i++) {
        slot[i].i32 = (int32_t)out[i];
    }
    return NULL;
}

static wasm_trap_t *import_rdtsc(wasmtime_val_raw_t *slot) {
    slot[0].i64 = (int64_t)__rdtsc();
    return NULL;
}

static wasm_trap_t *import_safepoint(wasmtime_val_raw_t *slot) {
    const uint64_t pc = (uint64_t)slot[0].i64;
    if (pc != THREAD_LEAVES) { /* on its way out already: then what waits is seen when it is back */
        slot[0].i64 = (int64_t)thread_safepoint(signal_safepoint(pc));
    }
    return NULL;
}

static wasm_trap_t *import_stmxcsr(wasmtime_val_raw_t *slot) {
    slot[0].i32 = (int32_t)mxcsr_get();
    return NULL;
}

static wasm_trap_t *import_ldmxcsr(wasmtime_val_raw_t *slot) {
    mxcsr_set((uint32_t)slot[0].i32);
    return NULL;
}

static const struct import {
    const char *name, *results, *params;
    wasm_trap_t *(*call)(wasmtime_val_raw_t *slot);
} imports[] = {
    {"syscall", "II", "IIIIIIII", import_syscall},
    {"fault", "", "iI", import_fault},
    {"unlifted", "", "I", import_unlifted},
    {"cpuid", "iiii", "ii", import_cpuid},
    {"rdtsc", "I", "", import_rdtsc},
    {"safepoint", "I", "I", import_safepoint},
    {"stmxcsr", "i", "", import_stmxcsr},
    {"ldmxcsr", "", "i", import_ldmxcsr},
};

static wasm_trap_t *call_import(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *slot, size_t count) {
    (void)caller, (void)count;
    signal_host();
    wasm_trap_t *trap = ((const struct import *)env)->call(slot);
    if (!trap) {
        signal_guest();
    }
    return trap;
}

static void types(wasm_valtype_vec_t *out, const char *letters) {
    wasm_valtype_vec_new_uninitialized(out, strlen(letters));
    for (size_t i = 0; i < out->size; i++) {
        out->data[i] = wasm_valtype_new(letters[i] == 'I' ? WASM_I64 : WASM_I32);
    }
}

static int link_imports(wasmtime_linker_t *linker, struct rc_error *err) {
    for (size_t i = 0; i < sizeof imports / sizeof *imports; i++) {
        const struct import *f = &imports[i];
        wasm_valtype_vec_t params, results;
        types(&params, f->params);
        types(&results, f->results);
        wasm_functype_t *type = wasm_functype_new(&params, &results);
        wasmtime_error_t *error = wasmtime_linker_define_func_unchecked(linker, "linux", 5, f->name, strlen(f->name),
                                                                        type, call_import, (void *)f, NULL);
        wasm_functype_delete(type);
        if (error) {
            return engine_fail(err, RC_E_ENGINE_LINK, f->name, error);
        }
    }
    return 0;
}

/* ---- loading */

static int export_of(const wasmtime_instance_t *of, const char *name, uint8_t kind, wasmtime_extern_t *out,
                     struct rc_error *err) {
    if (!wasmtime_instance_export_get(instance.context, of, name, strlen(name), out) || out->kind != kind) {
        return rc_fail(err, RC_E_ENGINE_MODULE, 0, "the lifted module has no export `%s` of its kind", name);
    }
    return 0;
}

/* The pc map is one read-only mapping of its file, whatever the module's memory is behind it. What the file has beyond
 * the module's memory is the ledger's. */
static int map_pcmap(const char *path, const wasmtime_memory_t *memory, struct rc_error *err) {
    uint8_t *data = wasmtime_memory_data(instance.context, memory);
    const size_t room = wasmtime_memory_data_size(instance.context, memory);
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        return rc_fail(err, RC_E_OPEN, 0, "%s: %s", path, strerror(errno));
    }
    const size_t all = (size_t)st.st_size, size = all < room ? all : room;
    int failed = mprotect(data, room, PROT_READ) < 0 ||
                 (size && mmap(data, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED) ||
                 (all > room && ledger_map(fd, room, all - room) < 0);
    close(fd);
    return failed ? rc_fail(err, RC_E_ENGINE_MODULE, 0, "%s does not fit the module's memory `pcmap`", path) : 0;
}

/* wasmtime keeps the artifact's file open, for more instances than this one; the number is the guest's. */
static int fd_of(const char *path, struct stat *st) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, st) < 0) {
        st->st_ino = 0;
    }
    close(fd);
    return fd;
}

static void close_same(int fd, const struct stat *as) {
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == as->st_dev && st.st_ino == as->st_ino) {
        close(fd);
    }
}

int instance_load(const char *artifact, const char *pcmap, struct rc_error *err) {
    wasmtime_module_t *module;
    wasmtime_instance_t of;
    wasmtime_extern_t memory, map, run, base;
    wasmtime_val_t value;
    wasm_trap_t *trap = NULL;
    wasm_config_t *config = engine_config();
    wasmtime_config_async_stack_size_set(config, engine_stack_size()); /* not part of what was compiled */
    wasmtime_config_max_wasm_stack_set(config, engine_stack_size() - HOST_STACK_MARGIN);
    wasm_engine_t *engine = wasm_engine_new_with_config(config);
    struct stat st;
    const int fd = fd_of(artifact, &st);
    wasmtime_error_t *error = wasmtime_module_deserialize_file(engine, artifact, &module);
    if (error) {
        return engine_fail(err, RC_E_ENGINE_MODULE, "wasmtime refuses the artifact", error);
    }
    instance.context = wasmtime_store_context(wasmtime_store_new(engine, NULL, NULL));
    wasmtime_linker_t *linker = wasmtime_linker_new(engine);
    if (link_imports(linker, err) < 0) {
        return -1;
    }
    error = wasmtime_linker_instantiate(linker, instance.context, module, &of, &trap);
    if (error || trap) {
        return error ? engine_fail(err, RC_E_ENGINE_LINK, "cannot instantiate", error)
                     : rc_fail(err, RC_E_ENGINE_LINK, 0, "the lifted module traps when it is instantiated");
    }
    close_same(fd, &st);
    if (export_of(&of, "memory", WASMTIME_EXTERN_MEMORY, &memory, err) < 0 ||
        export_of(&of, "pcmap", WASMTIME_EXTERN_MEMORY, &map, err) < 0 ||
        export_of(&of, "run", WASMTIME_EXTERN_FUNC, &run, err) < 0 || registers_find(instance.context, &of, err) < 0 ||
        map_pcmap(pcmap, &map.of.memory, err) < 0) {
        return -1;
    }
    if (wasmtime_memory_data_size(instance.context, &memory.of.memory) != GUEST_SPACE) {
        return rc_fail(err, RC_E_ENGINE_MODULE, 0, "the lifted module's memory is not of 4 GiB");
    }
    instance.base = DEFAULT_BASE;
    if (wasmtime_instance_export_get(instance.context, &of, "base", 4, &base) && base.kind == WASMTIME_EXTERN_GLOBAL) {
        const wasmtime_global_t global = extern_global(&base);
        wasmtime_global_get(instance.context, &global, &value);
        instance.base = (uint64_t)value.of.i64;
    }
    instance.run = run.of.func;
    space_begin(wasmtime_memory_data(instance.context, &memory.of.memory));
    return 0;
}

/* ---- running */

static uint64_t after_trap(wasm_trap_t *trap) {
    if (trap_asked.unwinding) {
        trap_asked.unwinding = 0;
        return trap_asked.go_on;
    }
    const struct fault fault = fault_of(trap);
    return signal_force(fault.signal, fault.code, fault.address, 0, 0);
}

/* On this stack, until this thread ends. */
static void loop(uint64_t pc) {
    for (;;) {
        if (pc == THREAD_LEAVES) {
            pc = thread_left();
            if (pc == THREAD_ENDS) {
                return;
            }
            pc = signal_deliver(pc);
        }
        wasmtime_val_raw_t slot = {.i64 = (int64_t)pc};
        wasm_trap_t *trap = NULL;
        signal_guest();
        wasmtime_error_t *error = wasmtime_func_call_unchecked(instance.context, &instance.run, &slot, 1, &trap);
        signal_host();
        if (trap) {
            pc = after_trap(trap);
            wasm_trap_delete(trap);
        } else if (error) {
            struct rc_error err = {0};
            engine_fail(&err, RC_E_ENGINE_TRAP, "run", error);
            engine_refuse(&err);
        } else {
            pc = (uint64_t)slot.i64;
            pc = pc == THREAD_LEAVES ? pc : elsewhere(pc);
        }
        pc = pc == THREAD_LEAVES ? pc : signal_deliver(pc);
    }
}

/* Calls f(argument) on another stack; f does not return. */
__asm__(".text\n"
        ".type rc_on_stack, @function\n"
        "rc_on_stack:\n" /* (top, f, argument) */
        "    mov %rdi, %rsp\n"
        "    xor %ebp, %ebp\n"
        "    mov %rdx, %rdi\n"
        "    call *%rsi\n"
        "    ud2\n"
        ".size rc_on_stack, . - rc_on_stack\n");
_Noreturn void rc_on_stack(void *top, void (*f)(uint64_t), uint64_t argument);

void instance_run(uint64_t pc) {
    const uint64_t size = engine_stack_size();
    uint8_t *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct rc_error err = {0};
    if (stack == MAP_FAILED || mprotect(stack, PAGE, PROT_NONE) < 0) {
        rc_fail(&err, RC_E_NO_MEMORY, 0, "no address space for the engine's stack: %s", strerror(errno));
        engine_refuse(&err);
    }
    thread_begin(loop, size);
    rc_on_stack(stack + size, loop, pc);
}
