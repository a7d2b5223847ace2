/* base/sys.h: the syscall backend under WASI. One request in, one result out, in the words of docs/wire.md.
 * The stub's backend sends it over the socket (wire/wire.c); the engine's performs it in process. */
#ifndef RC_SYS_H
#define RC_SYS_H

#include <stddef.h>
#include <stdint.h>

/* clang-format off */
/* X(name, x86-64 number, request signature, reply): i integer, s string, d request data; reply D data or - none.
 * The order of the letters is the order of args[] in docs/wire.md. */
#define RC_SYSCALLS(X)                                                                                         \
    X(read, 0, "ii", "D") X(write, 1, "id", "-") X(open, 2, "sii", "-") X(close, 3, "i", "-")                  \
    X(fstat, 5, "i", "D") X(poll, 7, "id", "D") X(lseek, 8, "iii", "-") X(mmap, 9, "iiiiii", "-")              \
    X(mprotect, 10, "iii", "-") X(pread64, 17, "iii", "D") X(pwrite64, 18, "iid", "-")                         \
    X(sched_yield, 24, "", "-") X(dup, 32, "i", "-") X(getpid, 39, "", "-") X(socket, 41, "iii", "-")          \
    X(connect, 42, "id", "-") X(sendto, 44, "iiid", "-") X(recvfrom, 45, "iiii", "D")                          \
    X(shutdown, 48, "ii", "-") X(bind, 49, "id", "-") X(listen, 50, "ii", "-")                                 \
    X(setsockopt, 54, "iiid", "-") X(getsockopt, 55, "iiii", "D") X(exit, 60, "i", "-") X(kill, 62, "ii", "-") \
    X(fcntl, 72, "iii", "-") X(fsync, 74, "i", "-") X(fdatasync, 75, "i", "-") X(ftruncate, 77, "ii", "-")     \
    X(futex, 202, "iiiii", "-") X(getdents64, 217, "ii", "D") X(clock_gettime, 228, "i", "D")                  \
    X(clock_getres, 229, "i", "D") X(clock_nanosleep, 230, "iii", "-") X(exit_group, 231, "i", "-")            \
    X(epoll_wait, 232, "iii", "D") X(epoll_ctl, 233, "iiid", "-") X(openat, 257, "isii", "-")                  \
    X(mkdirat, 258, "isi", "-") X(newfstatat, 262, "isi", "D") X(unlinkat, 263, "isi", "-")                    \
    X(linkat, 265, "isisi", "-") X(symlinkat, 266, "sis", "-") X(readlinkat, 267, "isi", "D")                  \
    X(utimensat, 280, "isid", "-") X(fallocate, 285, "iiii", "-") X(accept4, 288, "iii", "D")                  \
    X(epoll_create1, 291, "i", "-") X(pipe2, 293, "i", "D") X(renameat2, 316, "isisi", "-")                    \
    X(getrandom, 318, "ii", "D") X(memfd_create, 319, "si", "-")
/* clang-format on */

enum {
#define RC_SYS_ENUM(name, number, request, reply) RC_SYS_##name = number,
    RC_SYSCALLS(RC_SYS_ENUM)
#undef RC_SYS_ENUM
};

#define RC_SYS_DATA_MAX 1000000 /* bytes of data in one record */

struct rc_call {
    uint32_t nr;        /* RC_SYS_* */
    int64_t arg[6];     /* by place; the place of a string holds 0 */
    const char *str[2]; /* NUL-terminated, in the order of their places */
    const void *data;   /* request data */
    size_t data_len;
    void *reply; /* where reply data goes */
    size_t reply_cap;
    size_t reply_len; /* set by the backend */
};

struct rc_sys {
    /* The syscall's value, or -errno. Does not return when the connection is gone: the backend ends the process. */
    int64_t (*call)(struct rc_sys *self, struct rc_call *call);
};

#endif
