/* container.h: what a container is, to all that runs in it. */
#ifndef CONTAINER_H
#define CONTAINER_H

#include <sys/types.h>

#include "engine/control/control.h"

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
    int root;                /* O_PATH of the directory that is the guests' "/"; once confined, ROOT_FD */
    dev_t root_device;
    ino_t root_inode;
};

enum { ROOT_FD = 1000 }; /* out of the way of the numbers that guests get */

#endif
