/* engine/linux/lifted/linux.h: the syscalls of a lifted program. */
#ifndef LINUX_LIFTED_H
#define LINUX_LIFTED_H

#include "engine/lifted/lifted.h"

struct call { /* a syscall of the guest */
    uint32_t nr;
    uint64_t arg[6];
    uint64_t pc; /* where the guest goes on; a handler may change it */
};

/* ---- table.c */
struct linux_row {
    uint16_t nr;
    uint8_t strings, pointers; /* bit n: argument n is a path, another pointer */
    const char *name, *status;
    int64_t (*handler)(struct call *call); /* NULL: Linux's own answer */
    const char *remark;
};
extern const struct linux_row linux_rows[];
extern const int linux_row_count;

/* ---- syscall.c */
/* Performs a syscall of the guest, in two halves; its rax. call->pc is where the guest goes on. */
int64_t syscall_answer(struct call *call);                 /* no registers are needed */
int64_t syscall_finish(struct call *call, int64_t result); /* with all registers in the globals: and signals */
/* The table on fd 1: number, name, status, remark, with TABs between them; 0. */
int syscall_document(void);

/* ---- wait.c */
int syscall_may_wait(const struct call *call); /* so others must have their turn */

/* ---- lockdown.c: the table again, as the kernel's own. E_SANDBOX. */
int lockdown(struct rc_error *err);

/* ---- rows that need more than their pointers made the host's */
#define HANDLER(name) int64_t linux_##name(struct call *call)
/* memory.c */
void brk_begin(const struct program *p); /* behind the program */
HANDLER(mmap);
HANDLER(mprotect);
HANDLER(munmap);
HANDLER(brk);
HANDLER(mremap);
HANDLER(madvise);
HANDLER(mlock);
HANDLER(msync);
HANDLER(mincore);
/* signal.c */
HANDLER(rt_sigaction);
HANDLER(rt_sigprocmask);
HANDLER(rt_sigreturn);
HANDLER(sigaltstack);
/* io.c */
HANDLER(iov);
HANDLER(sendmsg);
HANDLER(recvmsg);
HANDLER(pselect6);
HANDLER(ioctl);
HANDLER(fcntl);
HANDLER(setsockopt);
/* path.c: strings of rows, copied; `at` is which argument */
int64_t linux_path(struct call *call, int at, char *copy, size_t cap);
HANDLER(open);
HANDLER(readlink);
/* proc.c: a file of /proc/self as the guest would see it; its fd, or -ENOENT when the host's own
 * serves */
int64_t proc_open(const char *name, int flags);
/* process.c */
HANDLER(clone);
HANDLER(set_tid_address);
HANDLER(arch_prctl);
HANDLER(prctl);
HANDLER(personality);
HANDLER(futex);
HANDLER(exit);
HANDLER(rlimit);
HANDLER(set_robust_list);
HANDLER(refused);
HANDLER(denied);

#endif
