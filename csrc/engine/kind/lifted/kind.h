/* engine/kind/lifted/kind.h: a guest that is a lifted program, from its files to its end. */
#ifndef KIND_LIFTED_H
#define KIND_LIFTED_H

#include "engine/linux/lifted/linux.h"

/* ---- instance.c: the module, its imports, the loop that runs it */
/* Maps and instantiates an artifact and its pc map. E_OPEN, E_ENGINE_MODULE, E_ENGINE_LINK, E_ENGINE_MEMORY. */
int instance_load(const char *artifact, const char *pcmap, struct rc_error *err);
/* The exported global `base`: where the lifter put an ET_DYN program; its default when there is none. */
uint64_t instance_base(void);
/* Runs the guest from pc until it ends this process. */
_Noreturn void instance_run(uint64_t pc);

/* ---- elsewhere.c: a pc that is no entry */
uint64_t elsewhere(uint64_t pc); /* where the guest goes on then */
/* A fault whose handler may return to its instruction. */
void elsewhere_remember(int signal, int code, uint64_t address, uint64_t pc);

/* ---- schedule.c: syscalls, and turns between threads */
#define THREAD_LEAVES (GUEST_SPACE << 8) /* pcs that nobody has: the module gives them back */
#define THREAD_ENDS   (THREAD_LEAVES + 1)
/* Performs a syscall of the guest with all its registers in the globals; its rax. call->pc is where it goes on: at
 * THREAD_LEAVES when it may wait and others must have their turn. */
int64_t syscall_perform(struct call *call);
uint64_t thread_safepoint(uint64_t pc); /* pc itself, or THREAD_LEAVES when others want a turn */
/* Behind THREAD_LEAVES, outside the module: makes the call, or waits for a turn; the pc where the thread goes on, or
 * THREAD_ENDS. */
uint64_t thread_left(void);

#endif
