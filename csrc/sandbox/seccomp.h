/* sandbox/seccomp.h: a table of what a process may still ask of the kernel, and its installation (seccomp(2)). */
#ifndef RC_SECCOMP_H
#define RC_SECCOMP_H

#include "base/base.h"

/* One row allows one syscall when each check of it holds: an argument has the value (EQUAL), one of its bits (WITH), or
 * none of them (WITHOUT). Bits are looked for in the low word: the kernel takes PROT_EXEC and the like from no other.
 */
enum rc_seccomp_kind { RC_SECCOMP_ANY, RC_SECCOMP_EQUAL, RC_SECCOMP_WITH, RC_SECCOMP_WITHOUT };
enum { RC_SECCOMP_CHECKS = 2, RC_SECCOMP_RULES = 288 };
struct rc_seccomp_rule {
    int nr;
    struct rc_seccomp_check {
        enum rc_seccomp_kind kind;
        int argument;
        uint32_t value;
    } check[RC_SECCOMP_CHECKS];
};

/* From here on, a syscall that none of these rules allows kills the process (SIGSYS). Filters add up. E_SANDBOX. */
int rc_seccomp_install(const struct rc_seccomp_rule *rule, size_t count, struct rc_error *err);

#endif
