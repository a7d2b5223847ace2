/* engine/linux/wasi/linux.h: the guest's syscalls, performed in its own process. */
#ifndef LINUX_WASI_H
#define LINUX_WASI_H

#include "base/sys.h"
#include "engine/container.h"

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
/* The backend under WASI in this process, a guest of c. */
struct rc_sys *sys_host(const struct container *c);

extern const struct container *sys_container;
extern const struct sys_row *sys_current; /* the call that runs */

/* ---- engine/linux/wasi/table.c: the numbers that this guest was given; no other fd of the process is its to use */
int sys_fd_ok(int64_t fd);
int64_t sys_fd_give(int64_t host); /* a new host fd, or -1 with errno: as a result */
int64_t sys_result(int64_t value); /* value, or -errno when it is -1 */

/* ---- denied.c: both give the error, and tell the container of it */
int64_t sys_denied(int64_t error, const char *format, ...) __attribute__((format(printf, 2, 3)));
int64_t sys_not_allowed(const struct sys_row *row);

/* ---- engine/linux/wasi/path.c */
int64_t sys_openat(struct rc_call *call);
int64_t sys_open(struct rc_call *call);
int64_t sys_newfstatat(struct rc_call *call);
int64_t sys_mkdirat(struct rc_call *call);
int64_t sys_unlinkat(struct rc_call *call);
int64_t sys_renameat2(struct rc_call *call);
int64_t sys_linkat(struct rc_call *call);
int64_t sys_symlinkat(struct rc_call *call);
int64_t sys_readlinkat(struct rc_call *call);
int64_t sys_utimensat(struct rc_call *call);
int64_t sys_stat_reply(struct rc_call *call, int host, int result);

/* ---- engine/linux/wasi/net.c */
int64_t sys_socket(struct rc_call *call);
int64_t sys_connect(struct rc_call *call);
int64_t sys_bind(struct rc_call *call);
int64_t sys_listen(struct rc_call *call);
int64_t sys_accept4(struct rc_call *call);
int64_t sys_sendto(struct rc_call *call);
int64_t sys_recvfrom(struct rc_call *call);
int64_t sys_shutdown(struct rc_call *call);
int64_t sys_getsockopt(struct rc_call *call);

#endif
