/* In: a syscall for this machine's kernel. Out: its answer. A signal that comes after the last look at signal_waiting
 * and before the kernel blocks must not be slept through: the handler (signal.c) finds rip inside the window and moves
 * it to the way out. The kernel itself puts rip back into the window when SA_RESTART asks for it. */
#include "engine/lifted/lifted.h"

__thread volatile sig_atomic_t signal_waiting;

__asm__(".text\n"
        ".type rc_window_syscall, @function\n"
        "rc_window_syscall:\n" /* (nr, arg) */
        "    mov %rdi, %rax\n"
        "    mov 40(%rsi), %r9\n"
        "    mov 32(%rsi), %r8\n"
        "    mov 24(%rsi), %r10\n"
        "    mov 16(%rsi), %rdx\n"
        "    mov 0(%rsi), %rdi\n"
        "    mov 8(%rsi), %rsi\n"
        "rc_window_begins:\n"
        "    cmpl $0, %fs:signal_waiting@tpoff\n"
        "    jne rc_window_leaves\n"
        "    syscall\n"
        "rc_window_ends:\n"
        "    ret\n"
        "rc_window_leaves:\n"
        "    mov $-512, %rax\n"
        "    ret\n"
        ".size rc_window_syscall, . - rc_window_syscall\n"
        ".type rc_plain_syscall, @function\n"
        "rc_plain_syscall:\n"
        "    mov %rdi, %rax\n"
        "    mov 40(%rsi), %r9\n"
        "    mov 32(%rsi), %r8\n"
        "    mov 24(%rsi), %r10\n"
        "    mov 16(%rsi), %rdx\n"
        "    mov 0(%rsi), %rdi\n"
        "    mov 8(%rsi), %rsi\n"
        "    syscall\n"
        "    ret\n"
        ".size rc_plain_syscall, . - rc_plain_syscall\n"
        ".globl window_sigreturn\n"
        ".type window_sigreturn, @function\n"
        "window_sigreturn:\n"
        "    mov $15, %eax\n" /* rt_sigreturn */
        "    syscall\n"
        ".size window_sigreturn, . - window_sigreturn\n");
int64_t rc_window_syscall(int64_t nr, const uint64_t arg[6]);
int64_t rc_plain_syscall(int64_t nr, const uint64_t arg[6]);
extern const char rc_window_begins[], rc_window_ends[], rc_window_leaves[];

int64_t host_syscall(int64_t nr, const uint64_t arg[6]) {
    return rc_window_syscall(nr, arg);
}

int64_t host_syscall_now(int64_t nr, const uint64_t arg[6]) {
    return rc_plain_syscall(nr, arg);
}

int window_leave(greg_t *rip) {
    const uintptr_t at = (uintptr_t)*rip;
    if (at < (uintptr_t)rc_window_begins || at >= (uintptr_t)rc_window_ends) {
        return 0;
    }
    *rip = (greg_t)(uintptr_t)rc_window_leaves;
    return 1;
}
