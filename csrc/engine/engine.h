/* engine.h: what the parts of the engine say to each other. One process runs one of three lives: zygote, container,
 * guest; each is forked from the one before and can do less. */
#ifndef ENGINE_H
#define ENGINE_H

#include <poll.h>
#include <sys/types.h>
#include <time.h>

#include "engine/control/container.h"
#include "engine/kind/wasi/kind.h"
#include "engine/wasmtime/api.h"

/* ---- load.c: verified bytes to a module that every fork shares */
struct engine {
    wasm_engine_t *wasm;
    wasmtime_module_t *module;
    wasmtime_instance_pre_t *prepared; /* its imports bound, nothing instantiated */
    const struct kind *kind;           /* its shape */
    int64_t programs;                  /* entry ids are less than this */
};
/* Copies the artifact into a sealed memfd, checks size and BLAKE3 of the copy, compares the settings with this
 * engine's, and maps that copy. fd stays the caller's. E_DIGEST, E_READ, E_ENGINE_MODULE, E_ENGINE_LINK. */
int engine_load(struct engine *e, int fd, uint64_t size, const uint8_t blake3[32], const char *settings,
                struct rc_error *err);

/* ---- zygote.c */
_Noreturn void zygote_run(int control);

/* ---- container.c, confine.c */
/* Reads what CONTROL_CREATE says. E_USAGE. */
int container_parse(struct container *c, const struct control_message *m, struct rc_error *err);
/* Forks a container with root_fd as its root; takes the process into the groups of c->cgroup. zygote_fds are not for
 * it. Fills what the zygote keeps of it: lifeline, and control, the end of the container's control socket that goes to
 * who asked. Its pid, or -1 with *err. */
pid_t container_start(struct container *c, int root_fd, const struct pollfd *zygote_fds, int zygote_fd_count,
                      int *control, int *lifeline, struct rc_error *err);
/* Namespaces to ask clone(2) for, best first, until one is granted; ends with 0. */
const int *container_namespaces(const struct container *c);
/* In the new container: everything that is optional by capability; c->in_force says what worked. */
int container_confine(struct container *c, int namespaces, uid_t uid, gid_t gid, struct rc_error *err);

/* ---- guests.c */
_Noreturn void guests_serve(const struct container *c);

/* ---- spare.c: a guest's process, forked when it is asked for or ahead */
/* What a fork of the container's first process does first: it closes what is not for it. */
typedef void spare_leave(const struct container *c);
/* The process that runs the record, and the reading end of its pipe for refusals; or -1 with errno. */
pid_t spare_or_fork(const struct container *c, const struct control_message *record, spare_leave *leave, int *denied);
/* How long to wait for something else before spare_make is called; NULL: for ever. guests_ended: since the last. */
const struct timespec *spare_after(int guests_ended);
void spare_make(const struct container *c, spare_leave *leave);
/* A process was reaped, which may be the spare. */
void spare_ended(pid_t pid);
void spare_kill(void);

/* ---- landlock.c: bits of enum in_force that this kernel granted */
uint32_t landlock_confine(const struct container *c);

/* ---- filter.c: seccomp, one table for the three lives */
enum life { LIFE_ZYGOTE = 1, LIFE_CONTAINER = 2, LIFE_GUEST = 4 };
/* syscalls: the manifest's allow-list, for LIFE_CONTAINER and LIFE_GUEST. E_SANDBOX. */
int filter_install(enum life life, const uint8_t syscalls[64], struct rc_error *err);

/* ---- process.c, trap.c */
/* All of a guest's start that needs no record, in a process forked for it. E_SANDBOX. */
int process_prepare(const struct container *c, struct rc_error *err);
/* Runs a guest in this process, which is prepared; ends with its status. */
_Noreturn void process_run(const struct container *c, const struct control_message *spawn);

/* Ends this process as the trap would end a native one: by a signal. */
_Noreturn void trap_end(const wasm_trap_t *trap);

#endif
