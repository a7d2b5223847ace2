/* In: the table of syscalls. Out: a seccomp filter of the same rows: what the table refuses, and new code, the kernel
 * refuses too, whoever asks. What the engine itself needs (memory, signals, its last line) is among what guests have.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "lifted.h"
#include "rc_seccomp.h"

static int makes_code(int nr) {
    return nr == SYS_mmap || nr == SYS_mprotect;
}

int lockdown(struct rc_error *err) {
    static const int first[] = {SYS_mmap, SYS_mprotect}; /* the kernel remembers its verdict on all others */
    struct rc_seccomp_rule rules[RC_SECCOMP_RULES] = {0};
    size_t n = 0;
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        rules[n++] = (struct rc_seccomp_rule){first[i], {{RC_SECCOMP_WITHOUT, 2, PROT_EXEC}}};
    }
    for (int i = 0; i < linux_row_count; i++) {
        const int refused = strcmp(linux_rows[i].status, "refused") == 0;
        if (!refused && !makes_code(linux_rows[i].nr) && n < RC_SECCOMP_RULES) {
            rules[n++].nr = linux_rows[i].nr;
        }
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return rc_fail(err, RC_E_SANDBOX, 0, "PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
    }
    return rc_seccomp_install(rules, n, err);
}
