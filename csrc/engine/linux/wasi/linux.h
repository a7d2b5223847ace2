/* engine/linux/wasi/linux.h: the guest's syscalls, performed in its own process. */
#ifndef LINUX_WASI_H
#define LINUX_WASI_H

#include "base/sys.h"
#include "engine/control/container.h"

enum { SYS_NEEDS = 6, SYS_FDS = 65536, SYS_NUMBERS = 512 };

/* One syscall of docs/wire.md. The table is the documentation: `full` is Linux's behaviour, `partial` is it with the
 * limits of the remark, `refused` is -ENOSYS whatever the policy says. */
struct sys_row {
    uint32_t nr;
    const char *name, *status;
    int64_t (*handler)(struct rc_call *call);
    int takes_fd;         /* the first argument must be an fd of the guest */
    int needs[SYS_NEEDS]; /* this machine's syscalls behind it, for the filter; -1 ends */
    const char *remark;
};
extern const struct sys_row sys_rows[];
extern const int sys_row_count;
/* The table on fd 1: number, name, status, remark, with TABs between them; 0. */
int sys_document(void);
/* The backend under WASI in this process, a guest of c. */
struct rc_sys *sys_host(const struct container *c);

/* ---- denied.c: the guest's container, and the call that runs */
extern const struct container *sys_container;
extern const struct sys_row *sys_current;
/* Both give the error, and tell the container of it. */
int64_t sys_denied(int64_t error, const char *format, ...) __attribute__((format(printf, 2, 3)));
int64_t sys_not_allowed(const struct sys_row *row);

/* ---- fd.c: the numbers that this guest was given */
int sys_fd_ok(int64_t fd);
int64_t sys_fd_give(int64_t host);                          /* a new host fd, or -1 with errno: as a result */
int64_t sys_result(int64_t value);                          /* value, or -errno when it is -1 */
size_t sys_room(const struct rc_call *call, int64_t count); /* of the count bytes asked for, those that a reply has */
int64_t sys_reply(struct rc_call *call, int64_t value);     /* sys_result of a value that is the reply's length too */
int64_t sys_stat_reply(struct rc_call *call, int host);     /* struct stat of a host fd */
int64_t sys_read(struct rc_call *call);
int64_t sys_write(struct rc_call *call);
int64_t sys_pread64(struct rc_call *call);
int64_t sys_pwrite64(struct rc_call *call);
int64_t sys_close(struct rc_call *call);
int64_t sys_fstat(struct rc_call *call);
int64_t sys_lseek(struct rc_call *call);
int64_t sys_dup(struct rc_call *call);
int64_t sys_fcntl(struct rc_call *call);
int64_t sys_fsync(struct rc_call *call);
int64_t sys_fdatasync(struct rc_call *call);
int64_t sys_ftruncate(struct rc_call *call);
int64_t sys_fallocate(struct rc_call *call);
int64_t sys_getdents64(struct rc_call *call);
int64_t sys_pipe2(struct rc_call *call);

/* ---- path.c */
int64_t sys_openat(struct rc_call *call);
int64_t sys_open(struct rc_call *call);
int64_t sys_newfstatat(struct rc_call *call);
int64_t sys_readlinkat(struct rc_call *call);
int64_t sys_mkdirat(struct rc_call *call);
int64_t sys_unlinkat(struct rc_call *call);
int64_t sys_symlinkat(struct rc_call *call);
int64_t sys_renameat2(struct rc_call *call);
int64_t sys_linkat(struct rc_call *call);
int64_t sys_utimensat(struct rc_call *call);

/* ---- net.c */
int64_t sys_socket(struct rc_call *call);
int64_t sys_connect(struct rc_call *call);
int64_t sys_bind(struct rc_call *call);
int64_t sys_listen(struct rc_call *call);
int64_t sys_accept4(struct rc_call *call);
int64_t sys_sendto(struct rc_call *call);
int64_t sys_recvfrom(struct rc_call *call);
int64_t sys_shutdown(struct rc_call *call);
int64_t sys_getsockopt(struct rc_call *call);

/* ---- wait.c */
int64_t sys_poll(struct rc_call *call);
int64_t sys_clock_gettime(struct rc_call *call);
int64_t sys_clock_getres(struct rc_call *call);
int64_t sys_clock_nanosleep(struct rc_call *call);

/* ---- process.c */
int64_t sys_getpid(struct rc_call *call);
int64_t sys_kill(struct rc_call *call);
int64_t sys_sched_yield(struct rc_call *call);
int64_t sys_exit(struct rc_call *call);
int64_t sys_getrandom(struct rc_call *call);

#endif
