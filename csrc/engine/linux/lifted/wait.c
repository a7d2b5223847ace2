/* In: a syscall of the guest. Out: whether it may wait, so that other threads must have their turn meanwhile. */
#include <linux/futex.h>
#include <sys/syscall.h>

#include "engine/linux/lifted/linux.h"

static const uint16_t waiting_calls[] = {
    SYS_read,
    SYS_write,
    SYS_poll,
    SYS_select,
    SYS_pause,
    SYS_nanosleep,
    SYS_connect,
    SYS_accept,
    SYS_sendto,
    SYS_recvfrom,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_wait4,
    SYS_semop,
    SYS_msgsnd,
    SYS_msgrcv,
    SYS_fcntl,
    SYS_flock,
    SYS_readv,
    SYS_writev,
    SYS_preadv,
    SYS_pwritev,
    SYS_preadv2,
    SYS_pwritev2,
    SYS_sendfile,
    SYS_splice,
    SYS_tee,
    SYS_vmsplice,
    SYS_fsync,
    SYS_fdatasync,
    SYS_rt_sigtimedwait,
    SYS_rt_sigsuspend,
    SYS_waitid,
    SYS_clock_nanosleep,
    SYS_epoll_wait,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_pselect6,
    SYS_ppoll,
    SYS_accept4,
    SYS_sched_yield,
    SYS_copy_file_range,
    SYS_exit,
};

static int futex_waits(uint64_t operation) {
    const uint64_t command = operation & FUTEX_CMD_MASK;
    return command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET || command == FUTEX_LOCK_PI ||
           command == FUTEX_LOCK_PI2 || command == FUTEX_WAIT_REQUEUE_PI;
}

int syscall_may_wait(const struct call *call) {
    if (call->nr == SYS_futex) {
        return futex_waits(call->arg[1]);
    }
    for (size_t i = 0; i < sizeof waiting_calls / sizeof *waiting_calls; i++) {
        if (waiting_calls[i] == call->nr) {
            return 1;
        }
    }
    return 0;
}
