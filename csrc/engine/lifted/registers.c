/* In: an instance. Out: the guest's registers, which are globals that the module exports and only host code reads so;
 * those of the x87 unit are in a memory of its own. */
#include <stdio.h>
#include <string.h>
#include <xmmintrin.h>

#include "engine/lifted/lifted.h"

enum { I32 = 0, I64 = 1, V128 = 4 };
static const char *const gpr_names[GPRS] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                            "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
static const char *const flag_names[FLAGS] = {"cf", "pf", "af", "zf", "sf", "of", "df"};

static wasmtime_context_t *context;
static wasmtime_global_t gpr[GPRS], xmm[16], flag[FLAGS], segment[2], pending;
static struct x87 *x87; /* NULL: a module without the unit */

static int find(const wasmtime_instance_t *instance, const char *name, uint8_t kind, wasmtime_global_t *out,
                struct rc_error *err) {
    wasmtime_extern_t item;
    wasmtime_val_t value;
    wasmtime_global_t global;
    if (!wasmtime_instance_export_get(context, instance, name, strlen(name), &item) ||
        item.kind != WASMTIME_EXTERN_GLOBAL) {
        return rc_fail(err, RC_E_ENGINE_MODULE, 0, "the lifted module has no register `%s`", name);
    }
    global = extern_global(&item);
    wasmtime_global_get(context, &global, &value);
    if (value.kind != kind) {
        return rc_fail(err, RC_E_ENGINE_MODULE, 0, "the lifted module's register `%s` is of another type", name);
    }
    *out = global;
    return 0;
}

static void find_x87(const wasmtime_instance_t *instance) {
    enum { STATE = 64 };
    wasmtime_extern_t item;
    if (wasmtime_instance_export_get(context, instance, "x87", 3, &item) && item.kind == WASMTIME_EXTERN_MEMORY &&
        wasmtime_memory_data_size(context, &item.of.memory) >= STATE + sizeof *x87) {
        x87 = (struct x87 *)(wasmtime_memory_data(context, &item.of.memory) + STATE);
    }
}

int registers_find(wasmtime_context_t *of, const wasmtime_instance_t *instance, struct rc_error *err) {
    context = of;
    find_x87(instance);
    for (int i = 0; i < GPRS; i++) {
        char name[8];
        snprintf(name, sizeof name, "xmm%d", i);
        if (find(instance, gpr_names[i], I64, &gpr[i], err) < 0 || find(instance, name, V128, &xmm[i], err) < 0) {
            return -1;
        }
    }
    for (int i = 0; i < FLAGS; i++) {
        if (find(instance, flag_names[i], I32, &flag[i], err) < 0) {
            return -1;
        }
    }
    return find(instance, "fs", I64, &segment[FS], err) < 0 || find(instance, "gs", I64, &segment[GS], err) < 0 ||
                   find(instance, "pending", I32, &pending, err) < 0
               ? -1
               : 0;
}

static wasmtime_val_t get(const wasmtime_global_t *global) {
    wasmtime_val_t value;
    wasmtime_global_get(context, global, &value);
    return value;
}

static void set(const wasmtime_global_t *global, uint8_t kind, uint64_t integer) {
    wasmtime_val_t value = {.kind = kind, .of = {.i64 = (int64_t)integer}};
    wasmtime_global_set(context, global, &value);
}

uint64_t register_get(int i) {
    return (uint64_t)get(&gpr[i]).of.i64;
}

void register_set(int i, uint64_t value) {
    set(&gpr[i], I64, value);
}

uint64_t segment_get(int i) {
    return (uint64_t)get(&segment[i]).of.i64;
}

void segment_set(int i, uint64_t base) {
    set(&segment[i], I64, base);
}

void pending_set(int on) {
    set(&pending, I32, (uint64_t)on);
}

/* MXCSR is the CPU's own, so that rounding, denormals and sticky flags of lifted code are; but no exception is
 * unmasked: the guest's masks are only remembered. */
enum { MXCSR_MASKS = 0x1f80, MXCSR_BITS = 0xffff };
static uint32_t masks = MXCSR_MASKS;

uint32_t mxcsr_get(void) {
    return (_mm_getcsr() & ~(uint32_t)MXCSR_MASKS) | masks;
}

void mxcsr_set(uint32_t value) {
    masks = value & MXCSR_MASKS;
    _mm_setcsr((value & MXCSR_BITS) | MXCSR_MASKS);
}

void registers_load(struct registers *r) {
    for (int i = 0; i < GPRS; i++) {
        r->gpr[i] = register_get(i);
        memcpy(r->xmm[i], get(&xmm[i]).of.v128, sizeof r->xmm[i]);
    }
    for (int i = 0; i < FLAGS; i++) {
        r->flag[i] = (uint32_t)get(&flag[i]).of.i32;
    }
    r->mxcsr = mxcsr_get();
    r->x87 = x87 ? *x87 : (struct x87){0};
}

void registers_store(const struct registers *r) {
    for (int i = 0; i < GPRS; i++) {
        wasmtime_val_t value = {.kind = V128};
        register_set(i, r->gpr[i]);
        memcpy(value.of.v128, r->xmm[i], sizeof r->xmm[i]);
        wasmtime_global_set(context, &xmm[i], &value);
    }
    for (int i = 0; i < FLAGS; i++) {
        set(&flag[i], I32, r->flag[i]);
    }
    mxcsr_set(r->mxcsr);
    if (x87) {
        *x87 = r->x87;
    }
}
