/* In: a guest's calls on fds. Out: Linux's answers, for the numbers that this guest was given: no other fd of the
 * process is its to use. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/linux/wasi/linux.h"

/* ---- the guest's fd numbers */

static uint64_t given[SYS_FDS / 64] = {7}; /* 0, 1, 2 */

int sys_fd_ok(int64_t fd) {
    return fd >= 0 && fd < SYS_FDS && (given[fd / 64] >> fd % 64 & 1);
}

int64_t sys_fd_give(int64_t host) {
    if (host < 0) {
        return -errno;
    }
    if (host >= SYS_FDS) {
        close((int)host);
        return -EMFILE;
    }
    given[host / 64] |= UINT64_C(1) << host % 64;
    return host;
}

/* ---- what calls answer */

int64_t sys_result(int64_t value) {
    return value < 0 ? -errno : value;
}

size_t sys_room(const struct rc_call *call, int64_t count) {
    return (uint64_t)count < call->reply_cap ? (size_t)count : call->reply_cap;
}

int64_t sys_reply(struct rc_call *call, int64_t ret) {
    call->reply_len = ret > 0 ? (size_t)ret : 0;
    return sys_result(ret);
}

int64_t sys_stat_reply(struct rc_call *call, int host) {
    struct stat st;
#ifdef __x86_64__
    _Static_assert(sizeof st == 144, "struct stat is the wire's");
#else
#error "pack struct stat as docs/wire.md says"
#endif
    if (fstat(host, &st) < 0) {
        return -errno;
    }
    if (call->reply_cap < sizeof st) {
        return -EINVAL;
    }
    memcpy(call->reply, &st, sizeof st);
    call->reply_len = sizeof st;
    return 0;
}

/* ---- calls */

int64_t sys_read(struct rc_call *call) {
    return sys_reply(call, read((int)call->arg[0], call->reply, sys_room(call, call->arg[1])));
}

int64_t sys_write(struct rc_call *call) {
    return sys_result(write((int)call->arg[0], call->data, call->data_len));
}

int64_t sys_pread64(struct rc_call *call) {
    return sys_reply(call, pread((int)call->arg[0], call->reply, sys_room(call, call->arg[1]), call->arg[2]));
}

int64_t sys_pwrite64(struct rc_call *call) {
    return sys_result(pwrite((int)call->arg[0], call->data, call->data_len, call->arg[1]));
}

int64_t sys_close(struct rc_call *call) {
    given[call->arg[0] / 64] &= ~(UINT64_C(1) << call->arg[0] % 64);
    return sys_result(close((int)call->arg[0]));
}

int64_t sys_fstat(struct rc_call *call) {
    return sys_stat_reply(call, (int)call->arg[0]);
}

int64_t sys_lseek(struct rc_call *call) {
    return sys_result(lseek((int)call->arg[0], call->arg[1], (int)call->arg[2]));
}

int64_t sys_dup(struct rc_call *call) {
    return sys_fd_give(fcntl((int)call->arg[0], F_DUPFD_CLOEXEC, 3));
}

int64_t sys_fcntl(struct rc_call *call) {
    switch (call->arg[1]) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return sys_fd_give(fcntl((int)call->arg[0], F_DUPFD_CLOEXEC, (int)call->arg[2]));
    case F_GETFD:
    case F_GETFL:
        return sys_result(fcntl((int)call->arg[0], (int)call->arg[1]));
    case F_SETFL:
        return sys_result(fcntl((int)call->arg[0], F_SETFL, (int)call->arg[2] & (O_APPEND | O_NONBLOCK | O_NOATIME)));
    case F_SETFD:
        return 0; /* no exec */
    default:
        return -EINVAL;
    }
}

int64_t sys_fsync(struct rc_call *call) {
    return sys_result(fsync((int)call->arg[0]));
}

int64_t sys_fdatasync(struct rc_call *call) {
    return sys_result(fdatasync((int)call->arg[0]));
}

int64_t sys_ftruncate(struct rc_call *call) {
    return sys_result(ftruncate((int)call->arg[0], call->arg[1]));
}

int64_t sys_fallocate(struct rc_call *call) {
    return sys_result(fallocate((int)call->arg[0], (int)call->arg[1], call->arg[2], call->arg[3]));
}

int64_t sys_getdents64(struct rc_call *call) {
    return sys_reply(call, syscall(SYS_getdents64, (int)call->arg[0], call->reply, sys_room(call, call->arg[1])));
}

int64_t sys_pipe2(struct rc_call *call) {
    int ends[2];
    if (call->reply_cap < sizeof ends || call->arg[0] & ~(int64_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) {
        return -EINVAL;
    }
    if (pipe2(ends, (int)call->arg[0] | O_CLOEXEC) < 0) {
        return -errno;
    }
    sys_fd_give(ends[0]);
    sys_fd_give(ends[1]);
    memcpy(call->reply, ends, sizeof ends);
    call->reply_len = sizeof ends;
    return 0;
}
