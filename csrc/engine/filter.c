/* In: which of its three lives this process begins, and the manifest's allow-list. Out: a seccomp filter (seccomp(2))
 * that kills it for anything else. Filters add up: a guest is under all three. The tables are the documentation. */
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/linux/wasi/denied.h"
#include "engine/linux/wasi/linux.h"
#include "sandbox/seccomp.h"

/* A row of the lives: sandbox/seccomp.h's kinds, and SELF: the argument is this process's pid. */
enum { ANY = RC_SECCOMP_ANY, EQUAL = RC_SECCOMP_EQUAL, WITHOUT = RC_SECCOMP_WITHOUT, SELF };
struct rule {
    int nr;
    unsigned lives;
    int argument, check;
    uint32_t value;
};
#define Z   LIFE_ZYGOTE
#define ZC  (LIFE_ZYGOTE | LIFE_CONTAINER)
#define ALL (LIFE_ZYGOTE | LIFE_CONTAINER | LIFE_GUEST)
#define NEW_NAMESPACES                                                                                                 \
    (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWUSER | CLONE_NEWCGROUP |       \
     CLONE_VM | CLONE_PTRACE | CLONE_UNTRACED)

static const struct rule rules[] = {
    /* memory of the engine and of its guest; never code: no life maps a page that is executable */
    {SYS_mmap, ALL, 2, WITHOUT, PROT_EXEC},
    {SYS_mprotect, ALL, 2, WITHOUT, PROT_EXEC},
    {SYS_munmap, ALL, 0, ANY, 0},
    {SYS_mremap, ALL, 0, ANY, 0},
    {SYS_madvise, ALL, 0, ANY, 0},
    {SYS_brk, ALL, 0, ANY, 0},
    {SYS_futex, ALL, 0, ANY, 0},
    /* signals and the end */
    {SYS_rt_sigaction, ALL, 0, ANY, 0},
    {SYS_rt_sigprocmask, ALL, 0, ANY, 0},
    {SYS_rt_sigreturn, ALL, 0, ANY, 0},
    {SYS_sigaltstack, ALL, 0, ANY, 0},
    {SYS_restart_syscall, ALL, 0, ANY, 0},
    {SYS_getpid, ALL, 0, ANY, 0},
    {SYS_gettid, ALL, 0, ANY, 0},
    {SYS_exit_group, ALL, 0, ANY, 0},
    {SYS_getrandom, ALL, 0, ANY, 0},                                   /* wasmtime seeds its hash tables */
    {SYS_write, LIFE_CONTAINER | LIFE_GUEST, 0, EQUAL, STDERR_FILENO}, /* the last line */
    {SYS_write, LIFE_CONTAINER | LIFE_GUEST, 0, EQUAL, DENIED_FD},     /* what the policy refused */
    {SYS_kill, LIFE_GUEST, 0, SELF, 0},
    {SYS_tgkill, LIFE_GUEST, 0, SELF, 0},
    {SYS_kill, ZC, 0, ANY, 0},
    {SYS_tgkill, ZC, 0, ANY, 0},
    /* a container: records in, processes out */
    {SYS_ppoll, ZC, 0, ANY, 0},
    {SYS_recvmsg, ZC, 0, ANY, 0},
    {SYS_sendmsg, ZC, 0, ANY, 0},
    {SYS_close, ZC, 0, ANY, 0},
    {SYS_wait4, ZC, 0, ANY, 0},
    {SYS_clone, LIFE_CONTAINER, 0, WITHOUT, NEW_NAMESPACES},
    {SYS_set_robust_list, ZC, 0, ANY, 0}, /* fork(3) */
    {SYS_dup3, ZC, 0, ANY, 0},
    {SYS_setsid, ZC, 0, ANY, 0},
    {SYS_ioctl, ZC, 1, EQUAL, TIOCSCTTY},
    {SYS_prlimit64, ZC, 0, ANY, 0},
    {SYS_chdir, ZC, 0, ANY, 0},
    {SYS_prctl, LIFE_CONTAINER, 0, EQUAL, PR_SET_PDEATHSIG},
    {SYS_getppid, ZC, 0, ANY, 0},
    {SYS_seccomp, ZC, 0, ANY, 0},
    {SYS_sendto, LIFE_CONTAINER, 0, ANY, 0}, /* its report */
    {SYS_pipe2, LIFE_CONTAINER, 0, ANY, 0},
    {SYS_socketpair, LIFE_CONTAINER, 0, EQUAL, AF_UNIX},
    {SYS_prctl, LIFE_CONTAINER, 0, EQUAL, PR_SET_NAME},
    {SYS_read, LIFE_CONTAINER, 0, ANY, 0},
#ifdef __x86_64__
    {SYS_dup2, ZC, 0, ANY, 0},
    {SYS_poll, Z, 0, ANY, 0},
#endif
    /* the zygote: what makes a container */
    {SYS_clone, Z, 0, ANY, 0},
    {SYS_prctl, Z, 0, ANY, 0},
    {SYS_write, Z, 0, ANY, 0},
    {SYS_sendto, Z, 0, ANY, 0},
    {SYS_recvfrom, Z, 0, ANY, 0},
    {SYS_socketpair, Z, 0, ANY, 0},
    {SYS_openat, Z, 0, ANY, 0},
    {SYS_fcntl, Z, 0, ANY, 0},
    {SYS_fstat, Z, 0, ANY, 0},
    {SYS_newfstatat, Z, 0, ANY, 0},
    {SYS_statx, Z, 0, ANY, 0},
    {SYS_geteuid, Z, 0, ANY, 0},
    {SYS_getegid, Z, 0, ANY, 0},
    {SYS_fchdir, Z, 0, ANY, 0},
    {SYS_chroot, Z, 0, ANY, 0},
    {SYS_mount, Z, 0, ANY, 0},
    {SYS_umount2, Z, 0, ANY, 0},
    {SYS_pivot_root, Z, 0, ANY, 0},
    {SYS_fsopen, Z, 0, ANY, 0},
    {SYS_fsconfig, Z, 0, ANY, 0},
    {SYS_fsmount, Z, 0, ANY, 0},
    {SYS_move_mount, Z, 0, ANY, 0},
    {SYS_open_tree, Z, 0, ANY, 0},
    {SYS_mount_setattr, Z, 0, ANY, 0},
    {SYS_mkdirat, Z, 0, ANY, 0},
    {SYS_fchmodat, Z, 0, ANY, 0},
    {SYS_fchownat, Z, 0, ANY, 0},
    {SYS_sethostname, Z, 0, ANY, 0},
    {SYS_capset, Z, 0, ANY, 0},
    {SYS_landlock_create_ruleset, Z, 0, ANY, 0},
    {SYS_landlock_add_rule, Z, 0, ANY, 0},
    {SYS_landlock_restrict_self, Z, 0, ANY, 0},
};

/* Syscalls behind a row of the policy of which the engine's code makes only some; `lives` is the policy's. */
static const struct rule narrow[] = {
    {SYS_socket, 0, 0, EQUAL, AF_INET}, {SYS_socket, 0, 0, EQUAL, AF_INET6}, {SYS_fcntl, 0, 1, EQUAL, F_DUPFD_CLOEXEC},
    {SYS_fcntl, 0, 1, EQUAL, F_GETFD},  {SYS_fcntl, 0, 1, EQUAL, F_GETFL},   {SYS_fcntl, 0, 1, EQUAL, F_SETFL},
};

static struct rc_seccomp_rule one(const struct rule *rule) {
    const int self = rule->check == SELF;
    return (struct rc_seccomp_rule){.nr = rule->nr,
                                    .check = {{.kind = self ? RC_SECCOMP_EQUAL : (enum rc_seccomp_kind)rule->check,
                                               .argument = rule->argument,
                                               .value = self ? (uint32_t)getpid() : rule->value}}};
}

static size_t allowed_by_policy(int nr, struct rc_seccomp_rule *out) {
    size_t n = 0;
    for (size_t i = 0; i < sizeof narrow / sizeof *narrow; i++) {
        if (narrow[i].nr == nr) {
            out[n++] = one(&narrow[i]);
        }
    }
    if (n == 0) {
        out[n++] = (struct rc_seccomp_rule){.nr = nr};
    }
    return n;
}

int filter_install(enum life life, const uint8_t syscalls[64], struct rc_error *err) {
    struct rc_seccomp_rule out[RC_SECCOMP_RULES];
    uint64_t seen[SYS_NUMBERS / 64] = {0};
    size_t n = 0;
    /* First what the policy allows; the x32 numbers (bit 30) are in no row. */
    for (int i = 0; i < sys_row_count; i++) {
        const struct sys_row *row = &sys_rows[i];
        if (syscalls && !(syscalls[row->nr / 8] >> row->nr % 8 & 1)) {
            continue;
        }
        for (int k = 0; k < SYS_NEEDS && row->needs[k] >= 0; k++) {
            const unsigned nr = (unsigned)row->needs[k];
            if (!(seen[nr / 64] >> nr % 64 & 1)) {
                seen[nr / 64] |= UINT64_C(1) << nr % 64;
                n += allowed_by_policy(row->needs[k], out + n);
            }
        }
    }
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (rules[i].lives & life) {
            out[n++] = one(&rules[i]);
        }
    }
    return rc_seccomp_install(out, n, err);
}
