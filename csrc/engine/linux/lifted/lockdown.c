/* In: the table of syscalls. Out: a seccomp filter of the same rows: what the table refuses, and new code, the kernel
 * refuses too, whoever asks. What the engine itself needs (memory, signals, its last line) is among what guests have,
 * but for what the C library does to make a thread. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/linux/lifted/linux.h"
#include "sandbox/seccomp.h"

/* The flags of pthread_create. */
#define THREAD                                                                                                         \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS |                 \
     CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)
/* The kernel remembers its verdict on all others. */
static const struct rc_seccomp_rule first[] = {
    {SYS_mmap, {{RC_SECCOMP_WITHOUT, 2, PROT_EXEC}}},
    {SYS_mprotect, {{RC_SECCOMP_WITHOUT, 2, PROT_EXEC}}},
    {SYS_clone, {{RC_SECCOMP_EQUAL, 0, THREAD}}},
    {SYS_clone3, {{0}}},
    {SYS_rseq, {{0}}},
};
enum { FIRST = sizeof first / sizeof *first };

static int is_first(int nr) {
    for (int i = 0; i < FIRST; i++) {
        if (first[i].nr == nr) {
            return 1;
        }
    }
    return 0;
}

/* clone3 keeps its flags in memory, where no filter looks: ENOSYS, and the C library takes clone. */
static int refuse_clone3(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof *code, code};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int lockdown(struct rc_error *err) {
    struct rc_seccomp_rule rules[RC_SECCOMP_RULES] = {0};
    size_t n = FIRST;
    memcpy(rules, first, sizeof first);
    for (int i = 0; i < linux_row_count; i++) {
        const int refused = strcmp(linux_rows[i].status, "refused") == 0;
        if (!refused && !is_first(linux_rows[i].nr) && n < RC_SECCOMP_RULES) {
            rules[n++].nr = linux_rows[i].nr;
        }
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || refuse_clone3() < 0) {
        return rc_fail(err, RC_E_SANDBOX, 0, "no seccomp filter here: %s", strerror(errno));
    }
    return rc_seccomp_install(rules, n, err);
}
