/* In: a guest's syscall in the words of docs/wire.md. Out: what Linux answers in this very process, which the container
 * confines: most rows pass through. The policy decides here first; the seccomp filter made from the same rows, second.
 * docs/syscalls.md is made from these rows. */
#include "engine/linux/wasi/linux.h"

#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>

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

int sys_document(void) {
    for (int i = 0; i < sys_row_count; i++) {
        const struct sys_row *row = &sys_rows[i];
        printf("%u\t%s\t%s\t%s\n", row->nr, row->name, row->status, row->remark);
    }
    return 0;
}

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
