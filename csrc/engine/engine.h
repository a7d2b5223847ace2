/* engine.h: what the parts of the engine say to each other. One process runs one of three lives: zygote, container,
 * guest; each is forked from the one before and can do less. */
#ifndef ENGINE_H
#define ENGINE_H

#include <poll.h>
#include <sys/types.h>
#include <time.h>

#include "engine/control.h"
#include "engine/wasmtime/api.h"
#include "wasi/wasi.h"

/* ---- load.c: verified bytes to a module that every fork shares */
struct engine {
    wasm_engine_t *wasm;
    wasmtime_module_t *module;
    wasmtime_instance_pre_t *prepared; /* its imports bound, nothing instantiated */
    int merged;                        /* it has `_dispatch`: entry.c */
    int64_t programs;                  /* entry ids are less than this */
};
/* Copies the artifact into a sealed memfd, checks size and BLAKE3 of the copy, compares the settings with this
 * engine's, and maps that copy. fd stays the caller's. E_DIGEST, E_READ, E_ENGINE_MODULE, E_ENGINE_LINK. */
int engine_load(struct engine *e, int fd, uint64_t size, const uint8_t blake3[32], const char *settings,
                struct rc_error *err);

/* ---- wasi_link.c: rc_wasi as host functions */
int engine_link_wasi(wasmtime_linker_t *linker, struct rc_error *err);

/* ---- zygote.c */
_Noreturn void zygote_run(int control);

/* ---- container.c, confine.c */
enum in_force { /* docs/engine.md names and explains them */
                FORCE_USER_NS = 1 << 0,
                FORCE_MOUNT_NS = 1 << 1,
                FORCE_PID_NS = 1 << 2,
                FORCE_NET_NS = 1 << 3,
                FORCE_IPC_NS = 1 << 4,
                FORCE_UTS_NS = 1 << 5,
                FORCE_ROOT = 1 << 6,    /* pivot_root: nothing of the host's tree is left */
                FORCE_CHROOT = 1 << 7,  /* the weaker one */
                FORCE_OVERLAY = 1 << 8, /* writes go to memory, at most disk_bytes */
                FORCE_NO_DEVICES = 1 << 9,
                FORCE_LANDLOCK_FILES = 1 << 10,
                FORCE_LANDLOCK_NET = 1 << 11,
                FORCE_LANDLOCK_SCOPE = 1 << 12,
                FORCE_NO_CAPABILITIES = 1 << 13,
                FORCE_NO_NEW_PRIVILEGES = 1 << 14,
                FORCE_SECCOMP = 1 << 15,
                FORCE_CGROUP = 1 << 16, /* the groups that the caller made and passed */
};
struct container {
    const struct engine *engine;
    struct control_container is;
    struct control_rule rule[CONTROL_RULES];
    char name[64];
    uint32_t in_force;
    int control;             /* SPAWN, SIGNAL and STOP come here */
    int lifeline;            /* its other end is the zygote's: closed when the zygote is gone */
    int cgroup[CONTROL_FDS]; /* cgroup.procs of each, -1 behind the last */
    int root;                /* O_PATH of the directory that is the guests' "/" */
    dev_t root_device;
    ino_t root_inode;
};
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
/* In a fork of the container's first process: closes what is not for it. */
void guests_leave(const struct container *c);

/* ---- spare.c: a guest's process, forked when it is asked for or ahead */
/* The process that runs the record, and the reading end of its pipe for refusals; or -1 with errno. */
pid_t spare_or_fork(const struct container *c, const struct control_message *record, int *denied);
/* How long to wait for something else before spare_make is called; NULL: for ever. guests_ended: since the last. */
const struct timespec *spare_after(int guests_ended);
void spare_make(const struct container *c);
/* A process was reaped, which may be the spare. */
void spare_ended(pid_t pid);
void spare_kill(void);

/* ---- denied.c: what the policy refuses in a guest, on its way to the container's first process */
enum {
    ROOT_FD = 1000,   /* struct container's root, out of the way of the numbers that guests get */
    DENIED_FD = 1001, /* a guest's end of its pipe; in a container another fd keeps the number */
    DENIED_SIZE = 128,
    DENIED_RULES = 64, /* refusals by rules that one guest tells of; those of the allow-list: once per syscall */
    DENIED_MOST = DENIED_RULES + 64,
};
struct denied {
    int32_t nr, error;
    char text[DENIED_SIZE - 8]; /* ends with a NUL or with the array */
};
/* Makes the text printable, whoever wrote it; its length. */
size_t denied_clean(struct denied *record);

/* ---- landlock.c: bits of enum in_force that this kernel granted */
uint32_t landlock_confine(const struct container *c);

/* ---- filter.c: seccomp, one table for the three lives */
enum life { LIFE_ZYGOTE = 1, LIFE_CONTAINER = 2, LIFE_GUEST = 4 };
/* syscalls: the manifest's allow-list, for LIFE_CONTAINER and LIFE_GUEST. E_SANDBOX. */
int filter_install(enum life life, const uint8_t syscalls[64], struct rc_error *err);

/* ---- process.c, entry.c, trap.c */
/* All of a guest's start that needs no record, in a process forked for it. E_SANDBOX. */
int process_prepare(const struct container *c, struct rc_error *err);
/* Runs a guest in this process, which is prepared; ends with its status. */
_Noreturn void process_run(const struct container *c, const struct control_message *spawn);

struct guest { /* one per process */
    struct rc_wasi wasi;
    wasmtime_context_t *context;
    wasmtime_memory_t memory;
    int has_memory;
};
extern struct guest guest;

/* Learns the module's shape (merged, programs) from its exports. */
void entry_scan(struct engine *e);
/* Finds the entry's memory (into guest.memory) and runs it; *trap is what ended it, or NULL: then the status is in
 * guest.wasi. E_ENGINE_*. */
int entry_call(const struct engine *e, const wasmtime_instance_t *instance, int64_t entry, wasm_trap_t **trap,
               struct rc_error *err);

/* Ends this process as the trap would end a native one: by a signal. */
_Noreturn void trap_end(const wasm_trap_t *trap);

/* ---- engine/linux/wasi/table.c: struct rc_sys in this process */
struct rc_sys *sys_host(const struct container *c);

#endif
