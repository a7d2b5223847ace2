/* In: the syscalls that set signals up. Out: their state here and in the kernel. Those that send, wait, or read masks
 * for the time of a call are Linux's own. */
#include <errno.h>
#include <sys/syscall.h>

#include "engine/linux/lifted/linux.h"

enum { MASK_BYTES = 8, MIN_STACK = 2048 };

HANDLER(rt_sigaction) {
    const uint64_t sig = call->arg[0];
    if (call->arg[3] != MASK_BYTES || sig < 1 || sig > 64 ||
        ((sig == SIGKILL || sig == SIGSTOP) && call->arg[1] != 0)) {
        return -EINVAL;
    }
    struct action action, old = signal_action[sig];
    if (call->arg[1] && guest_read(&action, call->arg[1], sizeof action) < 0) {
        return -EFAULT;
    }
    if (call->arg[1]) {
        const uint64_t unblockable = UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1);
        action.mask &= ~unblockable;
        signal_set_action((int)sig, &action);
    }
    return call->arg[2] ? guest_write(call->arg[2], &old, sizeof old) : 0;
}

HANDLER(rt_sigprocmask) {
    uint64_t set, old;
    if (call->arg[3] != MASK_BYTES || (call->arg[1] && call->arg[0] > SIG_SETMASK)) {
        return -EINVAL;
    }
    if (call->arg[1] && guest_read(&set, call->arg[1], sizeof set) < 0) {
        return -EFAULT;
    }
    const int64_t result = signal_change_mask(call->arg[0], call->arg[1] ? &set : NULL, &old);
    return result < 0 ? result : call->arg[2] ? guest_write(call->arg[2], &old, sizeof old) : 0;
}

HANDLER(rt_sigreturn) {
    uint64_t rax, mask;
    if (frame_pop(&call->pc, &rax, &mask) < 0) {
        signal_die(SIGSEGV);
    }
    signal_set_mask(mask);
    if (call->pc == NO_PC || call->pc == 0) {
        signal_die(SIGSEGV);
    }
    return (int64_t)rax;
}

HANDLER(sigaltstack) {
    const uint64_t rsp = register_get(RSP);
    const int on = altstack_holds(rsp);
    struct altstack next, old = altstack;
    old.flags |= on ? SS_ONSTACK : 0;
    if (call->arg[0]) {
        if (guest_read(&next, call->arg[0], sizeof next) < 0) {
            return -EFAULT;
        }
        const uint32_t mode = (uint32_t)next.flags & ~(1u << 31);
        if (on) {
            return -EPERM;
        }
        if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0) {
            return -EINVAL;
        }
        if (mode == SS_DISABLE) {
            next.sp = next.size = 0;
        } else if (next.size < MIN_STACK) {
            return -ENOMEM;
        } else {
            next.flags &= ~SS_ONSTACK;
        }
        next.pad = 0;
        altstack = next;
    }
    return call->arg[1] ? guest_write(call->arg[1], &old, sizeof old) : 0;
}
