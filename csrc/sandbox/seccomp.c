/* In: a table of rules. Out: the same as classic BPF, in force for this process: x86-64 and AArch64. */
#include "sandbox/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "no seccomp filter for this machine"
#endif

/* Instructions around the rules, of one check at most, and of a rule at most. */
enum { FRAME = 5, CHECK = 4, ROW = 3 + CHECK * RC_SECCOMP_CHECKS, NUMBERS = 512 };
#define LOW_WORD(argument) ((uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)(argument)))

static const struct sock_filter load_number = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
static const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
static const struct sock_filter kill_process = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);

/* One load and one test; it goes on behind itself when the test's outcome is `passes`. */
static unsigned emit_test(struct sock_filter *at, uint32_t offset, uint16_t test, uint32_t value, int passes) {
    at[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset);
    at[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, value, (uint8_t)!passes, (uint8_t)passes);
    return 2;
}

static unsigned emit_check(struct sock_filter *at, const struct rc_seccomp_check *check) {
    const uint32_t low = LOW_WORD(check->argument);
    if (check->kind == RC_SECCOMP_ANY) {
        return 0;
    }
    if (check->kind == RC_SECCOMP_EQUAL) {
        unsigned n = emit_test(at, low + 4, BPF_JEQ, 0, 1);
        return n + emit_test(at + n, low, BPF_JEQ, check->value, 1);
    }
    return emit_test(at, low, BPF_JSET, check->value, check->kind == RC_SECCOMP_WITH);
}

/* To the next rule unless the number is this one | each check, else to the last line | allow | the number again, for
 * the next rule. The last line is there when an argument was loaded. */
static unsigned emit(struct sock_filter *at, const struct rc_seccomp_rule *rule) {
    unsigned n = 1;
    for (int i = 0; i < RC_SECCOMP_CHECKS; i++) {
        n += emit_check(at + n, &rule->check[i]);
    }
    const unsigned tests = n - 1;
    at[n++] = allow;
    if (tests) {
        at[n] = load_number;
        for (unsigned i = 2; i <= tests; i += 2) { /* one of jt, jf is 1: it fails; how far it is, is known now */
            at[i].jt = at[i].jt ? (uint8_t)(n - i - 1) : 0;
            at[i].jf = at[i].jf ? (uint8_t)(n - i - 1) : 0;
        }
        n++;
    }
    at[0] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rule->nr, 0, (uint8_t)(n - 1));
    return n;
}

/* The kernel runs a new filter once for each syscall number, to remember what needs no filter; so numbers without
 * checks are tested as ranges, behind all others. */
static unsigned emit_ranges(struct sock_filter *at, const uint8_t plain[NUMBERS]) {
    unsigned n = 0;
    for (uint32_t first = 0, last; first < NUMBERS; first = last + 1) {
        for (last = first; plain[first] && last + 1 < NUMBERS && plain[last + 1];) {
            last++;
        }
        if (plain[first]) {
            at[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, 2);
            at[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last, 1, 0);
            at[n++] = allow;
        }
    }
    return n;
}

int rc_seccomp_install(const struct rc_seccomp_rule *rule, size_t count, struct rc_error *err) {
    struct sock_filter code[FRAME + ROW * RC_SECCOMP_RULES];
    uint8_t plain[NUMBERS] = {0};
    unsigned n = 0;
    if (count > RC_SECCOMP_RULES) {
        return rc_fail(err, RC_E_SANDBOX, 0, "%zu seccomp rules: at most %d", count, RC_SECCOMP_RULES);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
    code[n++] = kill_process;
    code[n++] = load_number;
    for (size_t i = 0; i < count; i++) {
        if (rule[i].nr < NUMBERS && !rule[i].check[0].kind && !rule[i].check[1].kind) {
            plain[rule[i].nr] = 1;
        } else {
            n += emit(code + n, &rule[i]);
        }
    }
    n += emit_ranges(code + n, plain);
    code[n++] = kill_process;
    struct sock_fprog program = {.len = (unsigned short)n, .filter = code};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
        return rc_fail(err, RC_E_SANDBOX, 0, "cannot install the seccomp filter: %s", strerror(errno));
    }
    return 0;
}
