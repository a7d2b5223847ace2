/* In: the stub's process as its parent left it. Out: the same process with nothing but what a guest's syscalls need.
 * The filter is the table below, made into classic BPF (seccomp(2)): x86-64 and AArch64. */
#include "rc_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "no seccomp table for this machine"
#endif

int rc_sandbox_standard_fds(struct rc_error *err) {
    for (int fd = 0; fd <= 2; fd++) {
        struct stat st;
        if (fcntl(fd, F_GETFD) >= 0) {
            continue;
        }
        int opened = open("/dev/null", O_RDWR | O_NOFOLLOW);
        if (opened != fd || fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) {
            return rc_fail(err, RC_E_PROCESS_FDS, 0, "fd %d is closed and /dev/null cannot stand in for it", fd);
        }
    }
    return 0;
}

static int close_range_or_each(unsigned first, unsigned last) {
    if (first > last || syscall(SYS_close_range, first, last, 0) == 0) {
        return 0;
    }
    if (errno != ENOSYS && errno != EPERM) {
        return -1;
    }
    struct rlimit limit; /* before Linux 5.9, or a container runtime that does not know close_range */
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return -1;
    }
    for (unsigned fd = first; fd <= last && fd < limit.rlim_max && fd < 1u << 20; fd++) {
        close((int)fd);
    }
    return 0;
}

int rc_sandbox_close_fds(int keep, struct rc_error *err) {
    unsigned kept = keep < 0 ? ~0u : (unsigned)keep;
    if (keep >= 0 && fcntl(keep, F_SETFD, FD_CLOEXEC) < 0) {
        return rc_fail(err, RC_E_PROCESS_FDS, 0, "inherited fd %d is not open", keep);
    }
    if (close_range_or_each(3, kept - 1) < 0 || (keep >= 0 && close_range_or_each(kept + 1, ~0u) < 0)) {
        return rc_fail(err, RC_E_PROCESS_FDS, 0, "cannot close inherited fds: %s", strerror(errno));
    }
    return 0;
}

int rc_sandbox_no_privileges(struct rc_error *err) {
    struct rlimit none = {0, 0};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0) {
        return rc_fail(err, RC_E_SANDBOX, 0, "cannot give up privileges: %s", strerror(errno));
    }
    return 0;
}

/* One row allows one syscall when each check of it holds: an argument has the value (EQUAL), one of the bits (WITH), or
 * none of them (WITHOUT). */
enum kind { ANY, EQUAL, WITH, WITHOUT };
enum { CHECKS = 2 };
struct rule {
    int nr;
    struct check {
        enum kind kind;
        int argument;
        uint32_t value;
    } check[CHECKS];
};

/* Instructions around the rules, of one check at most, and of a rule. */
enum { FRAME = 5, CHECK = 6, ROW = 2 + CHECKS * CHECK };
#define LOW_WORD(argument) ((uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)(argument)))

/* Goes on behind itself when the word at `offset` passes the jump, else kills. */
static unsigned emit_test(struct sock_filter *at, uint32_t offset, uint16_t jump, uint32_t value, int passes) {
    at[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset);
    at[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | jump | BPF_K, value, (uint8_t)passes, (uint8_t)!passes);
    at[2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    return 3;
}

static unsigned emit_check(struct sock_filter *at, const struct check *check) {
    uint32_t low = LOW_WORD(check->argument);
    if (check->kind == ANY) {
        return 0;
    }
    if (check->kind == EQUAL) {
        unsigned n = emit_test(at, low + 4, BPF_JEQ, 0, 1);
        return n + emit_test(at + n, low, BPF_JEQ, check->value, 1);
    }
    /* The kernel looks for PROT_EXEC and MAP_ANONYMOUS in the low word only; so does this. */
    return emit_test(at, low, BPF_JSET, check->value, check->kind == WITH);
}

static unsigned emit_rule(struct sock_filter *at, const struct rule *rule) {
    unsigned n = 1;
    for (int i = 0; i < CHECKS; i++) {
        n += emit_check(at + n, &rule->check[i]);
    }
    at[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    at[0] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rule->nr, 0, (uint8_t)(n - 1));
    return n;
}

int rc_sandbox_lock(int socket_fd, struct rc_error *err) {
    const uint32_t socket = (uint32_t)socket_fd, self = (uint32_t)getpid();
    const struct rule rules[] = {
        /* the guest's syscalls */
        {SYS_sendmsg, {{EQUAL, 0, socket}}},
        {SYS_recvmsg, {{EQUAL, 0, socket}}},
        /* memory for wasm3 and its guest; never code, and never the files behind fds 0, 1, 2 */
        {SYS_mmap, {{WITHOUT, 2, PROT_EXEC}, {WITH, 3, MAP_ANONYMOUS}}},
        {SYS_mprotect, {{WITHOUT, 2, PROT_EXEC}}},
        {.nr = SYS_mremap},
        {.nr = SYS_munmap},
        /* the end: a last line, a signal to itself with its default action, or an exit code */
        {SYS_write, {{EQUAL, 0, STDERR_FILENO}}},
        {.nr = SYS_rt_sigaction},
        {.nr = SYS_rt_sigprocmask},
        {SYS_kill, {{EQUAL, 0, self}}},
        {.nr = SYS_exit_group},
    };
    struct sock_filter code[FRAME + ROW * (sizeof rules / sizeof *rules)] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    unsigned n = FRAME - 1;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        n += emit_rule(code + n, &rules[i]);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog program = {.len = (unsigned short)n, .filter = code};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
        return rc_fail(err, RC_E_SANDBOX, 0, "cannot install the seccomp filter: %s", strerror(errno));
    }
    return 0;
}
