/* In: calls about the process itself and its threads. Out: the parts that are the guest's (segment bases, limits of its
 * memory, a new thread's registers), and Linux's answer for the rest. */
#include <asm/prctl.h>
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/linux/lifted/linux.h"

HANDLER(refused) {
    (void)call;
    return -ENOSYS;
}

HANDLER(denied) {
    (void)call;
    return -EPERM;
}

HANDLER(exit) { /* of the last thread, or of all */
    _exit((int)call->arg[0] & 0xff);
}

#define SHARED (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
#define KNOWN                                                                                                          \
    (SHARED | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID |         \
     CLONE_DETACHED)

HANDLER(clone) {
    const uint64_t flags = call->arg[0], stack = call->arg[1];
    if (((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND)) || ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM))) {
        return -EINVAL;
    }
    if ((flags & SHARED) != SHARED) {
        return -ENOSYS; /* a process */
    }
    if (flags & ~(uint64_t)KNOWN) {
        return -EINVAL;
    }
    const struct birth birth = {
        .pc = call->pc,
        .rsp = stack ? stack : register_get(RSP),
        .fs = flags & CLONE_SETTLS ? call->arg[4] : segment_get(FS),
        .clear_tid = flags & CLONE_CHILD_CLEARTID ? call->arg[3] : 0,
    };
    const int64_t tid = thread_create(&birth);
    if (tid < 0) {
        return tid;
    }
    const int32_t told = (int32_t)tid;
    if (flags & CLONE_PARENT_SETTID) {
        guest_write(call->arg[2], &told, sizeof told);
    }
    if (flags & CLONE_CHILD_SETTID) {
        guest_write(call->arg[3], &told, sizeof told);
    }
    return tid;
}

HANDLER(set_tid_address) {
    thread_clear_tid(call->arg[0]);
    return HOST_NOW(SYS_gettid, 0);
}

HANDLER(arch_prctl) {
    const uint64_t value = call->arg[1];
    switch (call->arg[0]) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
        segment_set(call->arg[0] == ARCH_SET_FS ? FS : GS, value);
        return 0;
    case ARCH_GET_FS:
    case ARCH_GET_GS: {
        const uint64_t base = segment_get(call->arg[0] == ARCH_GET_FS ? FS : GS);
        return guest_write(value, &base, sizeof base);
    }
    default:
        return -EINVAL;
    }
}

static const struct {
    int option, takes_pointer;
} prctl_options[] = {
    {PR_SET_NAME, 1},
    {PR_GET_NAME, 1},
    {PR_SET_PDEATHSIG, 0},
    {PR_GET_PDEATHSIG, 1},
    {PR_SET_DUMPABLE, 0},
    {PR_GET_DUMPABLE, 0},
    {PR_SET_NO_NEW_PRIVS, 0},
    {PR_GET_NO_NEW_PRIVS, 0},
    {PR_SET_TIMERSLACK, 0},
    {PR_GET_TIMERSLACK, 0},
    {PR_SET_KEEPCAPS, 0},
    {PR_GET_KEEPCAPS, 0},
    {PR_CAPBSET_READ, 0},
    {PR_SET_CHILD_SUBREAPER, 0},
    {PR_GET_CHILD_SUBREAPER, 1},
    {PR_GET_SECUREBITS, 0},
};

HANDLER(prctl) {
    for (size_t i = 0; i < sizeof prctl_options / sizeof *prctl_options; i++) {
        if ((int)call->arg[0] == prctl_options[i].option) {
            uint64_t arg[6] = {call->arg[0], call->arg[1], call->arg[2], call->arg[3], call->arg[4], 0};
            if (prctl_options[i].takes_pointer) {
                arg[1] = guest_pointer(arg[1]);
            }
            return host_syscall(SYS_prctl, arg);
        }
    }
    return -EINVAL;
}

/* READ_IMPLIES_EXEC and its kin would change the engine's own mappings. */
HANDLER(personality) {
    const uint32_t ask = UINT32_MAX;
    return (uint32_t)call->arg[0] == 0 || (uint32_t)call->arg[0] == ask ? 0 : -EPERM;
}

HANDLER(futex) {
    const uint64_t *a = call->arg;
    int takes_time = 0, takes_second = 0;
    switch (a[1] & FUTEX_CMD_MASK) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        takes_time = 1;
        break;
    case FUTEX_WAIT_REQUEUE_PI:
        takes_time = takes_second = 1;
        break;
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
    case FUTEX_CMP_REQUEUE_PI:
    case FUTEX_WAKE_OP:
        takes_second = 1;
        break;
    default:
        break;
    }
    const uint64_t arg[6] = {guest_pointer(a[0]),
                             a[1],
                             a[2],
                             takes_time ? guest_pointer(a[3]) : a[3],
                             takes_second ? guest_pointer(a[4]) : a[4],
                             a[5]};
    return host_syscall(SYS_futex, arg);
}

/* Limits of address space would count the reservations of this process: they are kept, and not enforced. */
static struct rlimit kept[RLIM_NLIMITS];
static int is_kept[RLIM_NLIMITS];

static int counts_space(uint64_t resource) {
    return resource == RLIMIT_AS || resource == RLIMIT_DATA || resource == RLIMIT_STACK;
}

HANDLER(rlimit) {
    const int one = call->nr != SYS_prlimit64;
    const uint64_t resource = call->arg[one ? 0 : 1];
    const uint64_t set = call->nr == SYS_setrlimit ? call->arg[1] : one ? 0 : call->arg[2];
    const uint64_t get = call->nr == SYS_getrlimit ? call->arg[1] : one ? 0 : call->arg[3];
    const int self = one || call->arg[0] == 0 || (int)call->arg[0] == getpid();
    if (resource >= RLIM_NLIMITS) {
        return -EINVAL;
    }
    if (!self || !counts_space(resource)) {
        const uint64_t arg[6] = {one ? 0 : call->arg[0], resource, guest_pointer(set), guest_pointer(get)};
        return host_syscall(SYS_prlimit64, arg);
    }
    struct rlimit next;
    if (!is_kept[resource]) {
        is_kept[resource] = getrlimit((__rlimit_resource_t)resource, &kept[resource]) == 0;
    }
    const struct rlimit old = kept[resource];
    if (set) {
        if (guest_read(&next, set, sizeof next) < 0) {
            return -EFAULT;
        }
        if (next.rlim_cur > next.rlim_max || next.rlim_max > old.rlim_max) {
            return next.rlim_cur > next.rlim_max ? -EINVAL : -EPERM;
        }
        kept[resource] = next;
    }
    return get ? guest_write(get, &old, sizeof old) : 0;
}

/* The kernel would walk the list at exit, by the guest's addresses; with one thread there is nobody to tell. */
HANDLER(set_robust_list) {
    enum { HEAD = 24 };
    return call->arg[1] == HEAD ? 0 : -EINVAL;
}
