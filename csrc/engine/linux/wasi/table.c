/* In: a guest's syscall in the words of docs/wire.md. Out: what Linux answers in this very process, which the container
 * confines: most rows pass through. The policy decides here first; the seccomp filter made from the same rows, second.
 */
#include "engine/linux/wasi/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

const struct container *sys_container;
const struct sys_row *sys_current;

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

int64_t sys_result(int64_t value) {
    return value < 0 ? -errno : value;
}

/* ---- fds */

static size_t room(const struct rc_call *call, int64_t count) {
    return (uint64_t)count < call->reply_cap ? (size_t)count : call->reply_cap;
}

static int64_t with_reply(struct rc_call *call, int64_t ret) {
    call->reply_len = ret > 0 ? (size_t)ret : 0;
    return sys_result(ret);
}

static int64_t sys_read(struct rc_call *call) {
    return with_reply(call, read((int)call->arg[0], call->reply, room(call, call->arg[1])));
}

static int64_t sys_write(struct rc_call *call) {
    return sys_result(write((int)call->arg[0], call->data, call->data_len));
}

static int64_t sys_pread64(struct rc_call *call) {
    return with_reply(call, pread((int)call->arg[0], call->reply, room(call, call->arg[1]), call->arg[2]));
}

static int64_t sys_pwrite64(struct rc_call *call) {
    return sys_result(pwrite((int)call->arg[0], call->data, call->data_len, call->arg[1]));
}

static int64_t sys_close(struct rc_call *call) {
    given[call->arg[0] / 64] &= ~(UINT64_C(1) << call->arg[0] % 64);
    return sys_result(close((int)call->arg[0]));
}

static int64_t sys_fstat(struct rc_call *call) {
    return sys_stat_reply(call, (int)call->arg[0], 0);
}

static int64_t sys_lseek(struct rc_call *call) {
    return sys_result(lseek((int)call->arg[0], call->arg[1], (int)call->arg[2]));
}

static int64_t sys_dup(struct rc_call *call) {
    return sys_fd_give(fcntl((int)call->arg[0], F_DUPFD_CLOEXEC, 3));
}

static int64_t sys_fcntl(struct rc_call *call) {
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

static int64_t sys_fsync(struct rc_call *call) {
    return sys_result(fsync((int)call->arg[0]));
}

static int64_t sys_fdatasync(struct rc_call *call) {
    return sys_result(fdatasync((int)call->arg[0]));
}

static int64_t sys_ftruncate(struct rc_call *call) {
    return sys_result(ftruncate((int)call->arg[0], call->arg[1]));
}

static int64_t sys_fallocate(struct rc_call *call) {
    return sys_result(fallocate((int)call->arg[0], (int)call->arg[1], call->arg[2], call->arg[3]));
}

static int64_t sys_getdents64(struct rc_call *call) {
    return with_reply(call, syscall(SYS_getdents64, (int)call->arg[0], call->reply, room(call, call->arg[1])));
}

static int64_t sys_pipe2(struct rc_call *call) {
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

/* ---- waiting, clocks, randomness */

enum { POLL_MAX = 4096 };

static int64_t sys_poll(struct rc_call *call) {
    static struct pollfd fds[POLL_MAX];
    const size_t count = call->data_len / sizeof *fds;
    if (call->data_len % sizeof *fds || count > POLL_MAX || call->reply_cap < call->data_len) {
        return -EINVAL;
    }
    memcpy(fds, call->data, call->data_len);
    int invalid = 0;
    for (size_t i = 0; i < count; i++) {
        if (fds[i].fd >= 0 && !sys_fd_ok(fds[i].fd)) {
            fds[i].fd = INT_MIN; /* the kernel passes over it */
            invalid++;
        }
    }
    int64_t timeout = invalid ? 0 : call->arg[0];
    struct timespec wait = {timeout / 1000, timeout % 1000 * 1000000};
    int64_t ret = sys_result(ppoll(fds, count, timeout < 0 ? NULL : &wait, NULL));
    if (ret < 0) {
        return ret;
    }
    const struct pollfd *asked = call->data;
    for (size_t i = 0; i < count; i++) {
        if (fds[i].fd == INT_MIN) {
            memcpy(&fds[i].fd, &asked[i].fd, sizeof fds[i].fd);
            fds[i].revents = POLLNVAL;
        }
    }
    memcpy(call->reply, fds, call->data_len);
    call->reply_len = call->data_len;
    return ret + invalid;
}

static int64_t time_reply(struct rc_call *call, int (*ask)(clockid_t, struct timespec *)) {
    struct timespec time;
    if (call->arg[0] < 0 || call->arg[0] > 11 || call->reply_cap < sizeof time) {
        return -EINVAL; /* negative clocks are those of other processes and of devices */
    }
    if (ask((clockid_t)call->arg[0], &time) < 0) {
        return -errno;
    }
    memcpy(call->reply, &time, sizeof time);
    call->reply_len = sizeof time;
    return 0;
}

static int64_t sys_clock_gettime(struct rc_call *call) {
    return time_reply(call, clock_gettime);
}

static int64_t sys_clock_getres(struct rc_call *call) {
    return time_reply(call, clock_getres);
}

static int64_t sys_clock_nanosleep(struct rc_call *call) {
    const int64_t ns = call->arg[2];
    struct timespec time = {ns / 1000000000, ns % 1000000000};
    if (call->arg[0] < 0 || call->arg[0] > 11 || call->arg[1] & ~(int64_t)TIMER_ABSTIME || ns < 0) {
        return -EINVAL;
    }
    return -clock_nanosleep((clockid_t)call->arg[0], (int)call->arg[1], &time, NULL);
}

static int64_t sys_getrandom(struct rc_call *call) {
    return with_reply(call, getrandom(call->reply, room(call, call->arg[0]), (unsigned)call->arg[1] & 7));
}

/* ---- the process */

static int64_t sys_getpid(struct rc_call *call) {
    (void)call;
    return getpid();
}

static int64_t sys_kill(struct rc_call *call) {
    return call->arg[0] == getpid() ? sys_result(kill(getpid(), (int)call->arg[1])) : -ESRCH;
}

static int64_t sys_sched_yield(struct rc_call *call) {
    (void)call;
    return sched_yield();
}

static int64_t sys_exit(struct rc_call *call) {
    _exit((int)call->arg[0] & 0xff);
}

static int64_t sys_refused(struct rc_call *call) {
    (void)call;
    return -ENOSYS;
}

/* ---- the table */

#define PATHS                                   SYS_openat2, SYS_close, SYS_fstat, SYS_fstatfs
#define ROW(name, status, handler, remark, ...) {RC_SYS_##name, #name, status, handler, 0, {__VA_ARGS__, -1}, remark}
/* Its first argument is an fd; the rows that take a directory's, or a socket's, look for themselves. */
#define FD(name, status, handler, remark, ...) {RC_SYS_##name, #name, status, handler, 1, {__VA_ARGS__, -1}, remark}
#define REFUSED(name, remark)                  {RC_SYS_##name, #name, "refused", sys_refused, 0, {-1}, remark}

const struct sys_row sys_rows[] = {
    FD(read, "full", sys_read, "", SYS_read),
    FD(write, "partial", sys_write, "EPIPE comes without SIGPIPE", SYS_write),
    ROW(open, "partial", sys_open, "as openat", PATHS),
    FD(close, "full", sys_close, "", SYS_close),
    FD(fstat, "full", sys_fstat, "", SYS_fstat),
    ROW(poll, "full", sys_poll, "at most 4096 fds", SYS_ppoll),
    FD(lseek, "full", sys_lseek, "", SYS_lseek),
    REFUSED(mmap, "a wasm guest has no use for it"),
    REFUSED(mprotect, "a wasm guest has no use for it"),
    FD(pread64, "full", sys_pread64, "", SYS_pread64),
    FD(pwrite64, "full", sys_pwrite64, "", SYS_pwrite64),
    ROW(sched_yield, "full", sys_sched_yield, "", SYS_sched_yield),
    FD(dup, "partial", sys_dup, "the lowest free number from 3 on", SYS_fcntl),
    ROW(getpid, "full", sys_getpid, "", SYS_getpid),
    ROW(socket, "partial", sys_socket, "TCP and UDP over IPv4 and IPv6", SYS_socket),
    ROW(connect, "full", sys_connect, "", SYS_connect),
    ROW(sendto, "partial", sys_sendto, "MSG_DONTWAIT, MSG_MORE, MSG_NOSIGNAL (always on)", SYS_sendto),
    ROW(recvfrom, "partial", sys_recvfrom, "MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL", SYS_recvfrom),
    ROW(shutdown, "full", sys_shutdown, "", SYS_shutdown),
    ROW(bind, "full", sys_bind, "", SYS_bind),
    ROW(listen, "full", sys_listen, "", SYS_listen, SYS_getsockname),
    REFUSED(setsockopt, "not asked for by WASI"),
    ROW(getsockopt, "partial", sys_getsockopt, "SO_TYPE, SO_ERROR, SO_ACCEPTCONN", SYS_getsockopt),
    ROW(exit, "full", sys_exit, "", SYS_exit_group),
    ROW(kill, "partial", sys_kill, "itself only", SYS_getpid),
    FD(fcntl, "partial", sys_fcntl, "F_DUPFD, F_DUPFD_CLOEXEC, F_[GS]ETFD, F_[GS]ETFL", SYS_fcntl),
    FD(fsync, "full", sys_fsync, "", SYS_fsync),
    FD(fdatasync, "full", sys_fdatasync, "", SYS_fdatasync),
    FD(ftruncate, "full", sys_ftruncate, "", SYS_ftruncate),
    REFUSED(futex, "a wasm guest has one thread"),
    FD(getdents64, "full", sys_getdents64, "", SYS_getdents64),
    ROW(clock_gettime, "full", sys_clock_gettime, "", SYS_clock_gettime),
    ROW(clock_getres, "full", sys_clock_getres, "", SYS_clock_getres),
    ROW(clock_nanosleep, "full", sys_clock_nanosleep, "", SYS_clock_nanosleep),
    ROW(exit_group, "full", sys_exit, "", SYS_exit_group),
    REFUSED(epoll_wait, "not asked for by WASI"),
    REFUSED(epoll_ctl, "not asked for by WASI"),
    ROW(openat, "partial", sys_openat, "no devices, no set-ID bits", PATHS),
    ROW(mkdirat, "full", sys_mkdirat, "", PATHS, SYS_mkdirat),
    ROW(newfstatat, "full", sys_newfstatat, "", PATHS),
    ROW(unlinkat, "full", sys_unlinkat, "", PATHS, SYS_unlinkat),
    ROW(linkat, "partial", sys_linkat, "a followed symlink before Linux 6.10: ENOENT", PATHS, SYS_linkat),
    ROW(symlinkat, "full", sys_symlinkat, "", PATHS, SYS_symlinkat),
    ROW(readlinkat, "full", sys_readlinkat, "", PATHS, SYS_readlinkat),
    ROW(utimensat, "full", sys_utimensat, "", PATHS, SYS_utimensat),
    FD(fallocate, "full", sys_fallocate, "", SYS_fallocate),
    ROW(accept4, "full", sys_accept4, "", SYS_accept4),
    REFUSED(epoll_create1, "not asked for by WASI"),
    ROW(pipe2, "full", sys_pipe2, "", SYS_pipe2),
    ROW(renameat2, "partial", sys_renameat2, "no RENAME_WHITEOUT", PATHS, SYS_renameat2),
    ROW(getrandom, "full", sys_getrandom, "", SYS_getrandom),
    REFUSED(memfd_create, "no life of the engine has it"),
};
const int sys_row_count = sizeof sys_rows / sizeof *sys_rows;

/* ---- the backend */

static const struct sys_row *by_number[SYS_NUMBERS];

static int64_t call_host(struct rc_sys *self, struct rc_call *call) {
    (void)self;
    call->reply_len = 0;
    const struct sys_row *row = call->nr < SYS_NUMBERS ? by_number[call->nr] : NULL;
    if (!row) {
        return -ENOSYS;
    }
    if (!(sys_container->is.syscalls[row->nr / 8] >> row->nr % 8 & 1)) {
        return sys_not_allowed(row);
    }
    sys_current = row;
    return row->takes_fd && !sys_fd_ok(call->arg[0]) ? -EBADF : row->handler(call);
}

struct rc_sys *sys_host(const struct container *c) {
    static struct rc_sys backend = {call_host};
    sys_container = c;
    for (int i = 0; i < sys_row_count; i++) {
        by_number[sys_rows[i].nr] = &sys_rows[i];
    }
    return &backend;
}
