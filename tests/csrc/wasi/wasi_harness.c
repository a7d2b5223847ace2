/* In: calls of the WASI table with a guest memory between two guard pages. Out: their results, over a backend that
 * performs the syscalls of docs/wire.md in this process, below a root directory. Test code: x86-64 Linux only. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "wasi/wasi.h"

#define PAGE    4096
#define LOG_MAX 4096
#define FORCES  8
#define FDS     4096 /* host fds that are remembered, to be closed with the guest */

struct harness {
    struct rc_sys sys; /* first: the backend finds the harness behind it */
    struct rc_wasi wasi;
    int root;
    uint8_t open[FDS];
    int standard[3]; /* what stands behind the guest's 0, 1, 2 */
    uint8_t *mapping;
    size_t mapping_size;
    uint32_t log[LOG_MAX]; /* numbers of the syscalls asked for */
    int64_t log_arg[LOG_MAX][6];
    int logged;
    struct {
        int64_t nr, ret;
    } force[FORCES]; /* answers that are not Linux's */
    int forces;
};

static int64_t result(long ret) {
    return ret < 0 ? -errno : ret;
}

static int64_t filled(struct rc_call *c, long ret) {
    c->reply_len = ret > 0 ? (size_t)ret : 0;
    return result(ret);
}

static int64_t fixed(struct rc_call *c, long ret, size_t len) {
    c->reply_len = ret >= 0 ? len : 0;
    return result(ret);
}

static long open_below(struct harness *h, int64_t dir, struct rc_call *c) {
    struct open_how how = {.flags = (uint64_t)c->arg[2], .mode = (uint64_t)c->arg[3]};
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    return syscall(SYS_openat2, c->arg[0] == -100 ? h->root : dir, c->str[0], &how, sizeof how);
}

static int64_t perform(struct harness *h, struct rc_call *c) {
    int64_t a[6];
    memcpy(a, c->arg, sizeof a);
    if (a[0] >= 0 && a[0] <= 2 && c->nr != RC_SYS_clock_gettime && c->nr != RC_SYS_clock_getres &&
        c->nr != RC_SYS_clock_nanosleep && c->nr != RC_SYS_socket && c->nr != RC_SYS_getrandom) {
        a[0] = h->standard[a[0]];
    }
    const char *s = c->str[0], *s2 = c->str[1];
    const uint8_t *data = c->data;
    switch (c->nr) {
    case RC_SYS_read:
        return filled(c, syscall(SYS_read, a[0], c->reply, a[1]));
    case RC_SYS_write:
        return result(syscall(SYS_write, a[0], data, c->data_len));
    case RC_SYS_close:
        return result(syscall(SYS_close, a[0]));
    case RC_SYS_fstat:
        return fixed(c, syscall(SYS_fstat, a[0], c->reply), 144);
    case RC_SYS_poll:
        memcpy(c->reply, data, c->data_len);
        for (size_t i = 0; i < c->data_len / sizeof(struct pollfd); i++) {
            struct pollfd *p = (struct pollfd *)c->reply + i;
            p->fd = p->fd >= 0 && p->fd <= 2 ? h->standard[p->fd] : p->fd;
        }
        return fixed(c, syscall(SYS_poll, c->reply, c->data_len / sizeof(struct pollfd), c->arg[0]), c->data_len);
    case RC_SYS_lseek:
        return result(syscall(SYS_lseek, a[0], a[1], a[2]));
    case RC_SYS_pread64:
        return filled(c, syscall(SYS_pread64, a[0], c->reply, a[1], a[2]));
    case RC_SYS_pwrite64:
        return result(syscall(SYS_pwrite64, a[0], data, c->data_len, a[1]));
    case RC_SYS_sched_yield:
        return result(syscall(SYS_sched_yield));
    case RC_SYS_getpid:
        return getpid();
    case RC_SYS_kill:
        return 0; /* logged; the tests live on */
    case RC_SYS_socket:
        return result(syscall(SYS_socket, a[0], a[1], a[2]));
    case RC_SYS_connect:
        return result(syscall(SYS_connect, a[0], data, c->data_len));
    case RC_SYS_bind:
        return result(syscall(SYS_bind, a[0], data, c->data_len));
    case RC_SYS_listen:
        return result(syscall(SYS_listen, a[0], a[1]));
    case RC_SYS_accept4:
        return result(syscall(SYS_accept4, a[0], NULL, NULL, a[1]));
    case RC_SYS_sendto:
        return result(syscall(SYS_sendto, a[0], data, c->data_len, a[1], NULL, 0));
    case RC_SYS_recvfrom:
        return filled(c, syscall(SYS_recvfrom, a[0], c->reply, a[1], a[2], NULL, NULL));
    case RC_SYS_shutdown:
        return result(syscall(SYS_shutdown, a[0], a[1]));
    case RC_SYS_getsockopt: {
        uint32_t len = (uint32_t)c->reply_cap;
        return fixed(c, syscall(SYS_getsockopt, a[0], a[1], a[2], c->reply, &len), len);
    }
    case RC_SYS_fcntl:
        return result(syscall(SYS_fcntl, a[0], a[1], a[2]));
    case RC_SYS_fsync:
        return result(syscall(SYS_fsync, a[0]));
    case RC_SYS_fdatasync:
        return result(syscall(SYS_fdatasync, a[0]));
    case RC_SYS_ftruncate:
        return result(syscall(SYS_ftruncate, a[0], a[1]));
    case RC_SYS_fallocate:
        return result(syscall(SYS_fallocate, a[0], a[1], a[2], a[3]));
    case RC_SYS_getdents64:
        return filled(c, syscall(SYS_getdents64, a[0], c->reply, a[1]));
    case RC_SYS_clock_gettime:
        return fixed(c, syscall(SYS_clock_gettime, a[0], c->reply), 16);
    case RC_SYS_clock_getres:
        return fixed(c, syscall(SYS_clock_getres, a[0], c->reply), 16);
    case RC_SYS_clock_nanosleep: {
        struct timespec t = {.tv_sec = a[2] / 1000000000, .tv_nsec = a[2] % 1000000000};
        return result(syscall(SYS_clock_nanosleep, a[0], a[1], &t, NULL));
    }
    case RC_SYS_openat:
        return result(open_below(h, a[0], c));
    case RC_SYS_mkdirat:
        return result(syscall(SYS_mkdirat, a[0], s, a[2]));
    case RC_SYS_newfstatat:
        return fixed(c, syscall(SYS_newfstatat, a[0], s, c->reply, a[2]), 144);
    case RC_SYS_unlinkat:
        return result(syscall(SYS_unlinkat, a[0], s, a[2]));
    case RC_SYS_linkat:
        return result(syscall(SYS_linkat, a[0], s, a[2], s2, a[4]));
    case RC_SYS_symlinkat:
        return result(syscall(SYS_symlinkat, s, a[1], s2));
    case RC_SYS_readlinkat:
        return filled(c, syscall(SYS_readlinkat, a[0], s, c->reply, a[2]));
    case RC_SYS_utimensat:
        return result(syscall(SYS_utimensat, a[0], *s ? s : NULL, data, a[2]));
    case RC_SYS_renameat2:
        return result(syscall(SYS_renameat2, a[0], s, a[2], s2, a[4]));
    case RC_SYS_getrandom:
        return filled(c, syscall(SYS_getrandom, c->reply, a[0], a[1]));
    default:
        return -ENOSYS;
    }
}

static int64_t backend(struct rc_sys *self, struct rc_call *c) {
    struct harness *h = (struct harness *)(void *)self;
    if (h->logged < LOG_MAX) {
        h->log[h->logged] = c->nr;
        memcpy(h->log_arg[h->logged++], c->arg, sizeof c->arg);
    }
    for (int i = 0; i < h->forces; i++) {
        if (h->force[i].nr == c->nr) {
            int64_t ret = h->force[i].ret;
            c->reply_len = ret < 0 ? 0 : (size_t)ret < c->reply_cap ? (size_t)ret : c->reply_cap;
            return h->force[i].ret;
        }
    }
    int64_t ret = perform(h, c);
    int opens = c->nr == RC_SYS_openat || c->nr == RC_SYS_socket || c->nr == RC_SYS_accept4;
    if (opens && ret >= 0 && ret < FDS) {
        h->open[ret] = 1;
    }
    int64_t closed = c->arg[0] >= 0 && c->arg[0] <= 2 ? h->standard[c->arg[0]] : c->arg[0];
    if (c->nr == RC_SYS_close && ret == 0 && closed < FDS) {
        h->open[closed] = 0;
    }
    return ret;
}

/* A guest of memory_size bytes (whole pages) below root, with in, out, error as its standard fds. NULL: no resources.
 */
struct harness *harness_new(int root, const int *standard, size_t memory_size, int argc, char **argv, int envc,
                            char **envp) {
    struct rc_error err;
    struct harness *h = calloc(1, sizeof *h);
    h->sys.call = backend;
    h->root = root;
    for (int i = 0; i < 3; i++) {
        h->standard[i] = fcntl(standard[i], F_DUPFD_CLOEXEC, 3); /* the caller closes its own */
        if (h->standard[i] >= 0 && h->standard[i] < FDS) {
            h->open[h->standard[i]] = 1;
        }
    }
    h->mapping_size = memory_size + 2 * PAGE;
    h->mapping = mmap(NULL, h->mapping_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (h->mapping == MAP_FAILED || mprotect(h->mapping + PAGE, memory_size, PROT_READ | PROT_WRITE) < 0) {
        return NULL;
    }
    h->wasi = (struct rc_wasi){.sys = &h->sys, .memory = h->mapping + PAGE, .memory_size = memory_size};
    h->wasi.argc = argc;
    h->wasi.argv = argv;
    h->wasi.envc = envc;
    h->wasi.envp = envp;
    return rc_wasi_init(&h->wasi, &err) < 0 ? NULL : h;
}

uint8_t *harness_memory(struct harness *h) {
    return h->wasi.memory;
}

uint32_t harness_call(struct harness *h, int function, const uint64_t *arg) {
    h->logged = 0;
    return rc_wasi_functions[function].call(&h->wasi, arg);
}

void harness_force(struct harness *h, int64_t nr, int64_t ret) {
    h->force[h->forces].nr = nr;
    h->force[h->forces++].ret = ret;
}

void harness_unforce(struct harness *h) {
    h->forces = 0;
}

/* The i-th syscall of the last call: its number and arguments; -1 behind the last. */
int64_t harness_log(struct harness *h, int i, int64_t arg[6]) {
    if (i >= h->logged) {
        return -1;
    }
    memcpy(arg, h->log_arg[i], sizeof h->log_arg[i]);
    return h->log[i];
}

int harness_exit_code(struct harness *h) {
    return h->wasi.exited ? h->wasi.exit_code : -1;
}

void harness_free(struct harness *h) {
    rc_wasi_free(&h->wasi);
    for (int fd = 0; fd < FDS; fd++) {
        if (h->open[fd]) {
            close(fd);
        }
    }
    munmap(h->mapping, h->mapping_size);
    free(h);
}

/* The table, field by field: module, name, signature, status, syscalls, remark. */
const char *harness_row(int i, int field) {
    const struct rc_wasi_function *f = &rc_wasi_functions[i];
    const char *fields[] = {f->module, f->name, f->signature, f->status, f->syscalls, f->remark};
    return i < rc_wasi_function_count ? fields[field] : NULL;
}

/* "name number" of the i-th syscall of docs/wire.md as base/sys.h has it. */
const char *harness_syscall(int i, int *number) {
    static const struct {
        const char *name;
        int number;
    } rows[] = {
#define ROW(name, number, request, reply) {#name, number},
        RC_SYSCALLS(ROW)
#undef ROW
    };
    if (i >= (int)(sizeof rows / sizeof *rows)) {
        return NULL;
    }
    *number = rows[i].number;
    return rows[i].name;
}
