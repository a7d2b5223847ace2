/* lifted.h: what the parts of the host of lifted programs say to each other. One process runs one guest: an x86-64
 * Linux program that tools/recompiler/lift made into a wasm module. Its 4 GiB of memory are host memory, page
 * protections included; its registers are the module's exported globals whenever host code runs; its syscalls are made
 * here. */
#ifndef LIFTED_H
#define LIFTED_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "engine/wasmtime/lifted.h"

enum { PAGE = 4096 };
#define GUEST_SPACE (UINT64_C(1) << 32) /* addresses of a guest are less than this */

/* ---- main.c */
extern const char *program_name; /* as it was called */
extern char program_file[];      /* with the working directory before it, if need be */

/* ---- registers.c: the exported globals. Order: x86's encoding */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, GPRS };
enum flag { CF, PF, AF, ZF, SF, OF, DF, FLAGS };
struct x87 { /* csrc/x87/x87.zig; all zeros is what FNINIT leaves */
    uint16_t control /* xor 037FH */, status;
    uint8_t tags, pad[27]; /* bit r: R(r) is not empty */
    uint8_t r[8][16];      /* R0..R7: ST(i) is R((TOP + i) mod 8) */
};
struct registers {
    uint64_t gpr[GPRS];
    uint8_t xmm[16][16];
    uint32_t flag[FLAGS]; /* 0 or 1 */
    uint32_t mxcsr;
    struct x87 x87;
};
/* Finds every global of the contract in the instance. E_ENGINE_MODULE names one that is missing or of another type. */
int registers_find(wasmtime_context_t *context, const wasmtime_instance_t *instance, struct rc_error *err);
void registers_load(struct registers *r);
void registers_store(const struct registers *r);
uint32_t mxcsr_get(void);
void mxcsr_set(uint32_t value);
uint64_t register_get(int gpr);
void register_set(int gpr, uint64_t value);
enum { FS, GS };
uint64_t segment_get(int segment);
void segment_set(int segment, uint64_t base);
void pending_set(int on); /* what loop headers test */

/* ---- instance.c: the module, its imports, the loop that runs it */
/* Maps and instantiates an artifact and its pc map. E_OPEN, E_ENGINE_MODULE, E_ENGINE_LINK, E_ENGINE_MEMORY. */
int instance_load(const char *artifact, const char *pcmap, struct rc_error *err);
/* The exported global `base`: where the lifter put an ET_DYN program; 0 when there is none. */
uint64_t instance_base(void);
/* Runs the guest from pc until it ends this process. */
_Noreturn void instance_run(uint64_t pc);
void instance_loop(uint64_t pc);    /* on this stack, until this thread ends */
uint64_t instance_stack_size(void); /* that it needs */
/* Inside a host call: the trap that unwinds the wasm stack, after which the guest goes on at pc. */
wasm_trap_t *instance_unwind_to(uint64_t pc);

/* ---- ledger.c: what was not lifted */
/* Maps the ledger's lines, which are the file's from there on. 0 or -1. */
int ledger_map(int fd, size_t from, size_t size);
/* Says which instruction it is that has no wasm, and dies of SIGILL. */
_Noreturn void ledger_die(uint64_t pc);

/* ---- elsewhere.c: a pc that is no entry */
uint64_t elsewhere(uint64_t pc); /* where the guest goes on then */
/* A fault whose handler may return to its instruction. */
void elsewhere_remember(int signal, int code, uint64_t address, uint64_t pc);

/* ---- space.c: the 4 GiB, and which pages of it the guest has mapped */
extern uint8_t *space; /* the host's address of guest address 0 */
void space_begin(uint8_t *memory);
int space_is_mapped(uint64_t address, uint64_t size);       /* every page of it */
int space_is_free(uint64_t address, uint64_t size);         /* no page of it */
uint64_t space_mapped_run(uint64_t address, uint64_t size); /* bytes mapped from address on, at most size */
/* The highest free range below the stack, or 0. size: whole pages. */
uint64_t space_find(uint64_t size);
/* mmap(2) at exactly this range of whole pages, replacing what is there; PROT_EXEC is dropped. 0 or -errno. */
int space_map(uint64_t address, uint64_t size, int prot, int flags, int fd, int64_t offset);
/* Gives the range back: no access, free. 0 or -errno. */
int space_unmap(uint64_t address, uint64_t size);
/* After a call of the kernel that failed half-way: a hole that it left in the reservation is closed. */
void space_mend(uint64_t address, uint64_t size);
void space_mark(uint64_t address, uint64_t size, int mapped);
/* Linux's limits of what a program may map: not the first 64 KiB, not the last page. */
int space_is_valid(uint64_t address, uint64_t size);
extern uint64_t space_top; /* mappings are placed below it: the stack's guard gap */

/* ---- guest.c: pointers of a guest, never trusted */
int guest_read(void *to, uint64_t from, size_t size); /* 0 or -EFAULT */
int guest_write(uint64_t to, const void *from, size_t size);
/* A NUL-terminated string into `to`; its length, -EFAULT, or -ENAMETOOLONG when cap bytes do not hold it. */
int64_t guest_string(char *to, uint64_t from, size_t cap);
/* The host's pointer, for the kernel to check: NULL for NULL, and for what is not below 4 GiB a place where nobody ever
 * has anything, so that EFAULT comes where Linux finds it among its errors. */
uint64_t guest_pointer(uint64_t address);

/* ---- elf_map.c, stack.c */
struct program {
    uint64_t base, entry, phdr, end; /* guest addresses; end: behind the last segment, page-aligned */
    uint16_t phent, phnum;
};
/* Maps the file's segments copy-on-write. E_OPEN, E_LIFT_ELF, E_NO_MEMORY. */
int elf_map(struct program *p, const char *path, uint64_t base, struct rc_error *err);
int elf_is_code(uint64_t address); /* whether it is in a segment that the file calls executable */
uint64_t stack_size(void);         /* of a guest: RLIMIT_STACK within bounds, 8 MiB without one */
/* Makes the stack as execve(2) leaves it; its rsp. E_NO_MEMORY. */
int stack_make(const struct program *p, char *const argv[], char *const envp[], uint64_t *rsp, struct rc_error *err);

/* ---- cpuid.c */
void cpuid_of(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

/* ---- window.c: this machine's syscalls */
/* A signal for the guest is stored, and all others are blocked: signal.c's, for no call to begin then. */
extern __thread volatile sig_atomic_t signal_waiting;
/* The kernel's value or -errno. Not begun, or to be begun again, because a signal waits: SYS_RESTART. */
int64_t host_syscall(int64_t nr, const uint64_t arg[6]);
/* The same, never stopped by a signal that waits: for calls that do not block. */
int64_t host_syscall_now(int64_t nr, const uint64_t arg[6]);
#define HOST_NOW(nr, ...) host_syscall_now(nr, (const uint64_t[6]){__VA_ARGS__})
#define SYS_RESTART       (-512) /* the kernel's own ERESTARTSYS */
/* rip of an interrupted host_syscall moved to its way out; of a faulting guest copy likewise. Whether it was in one. */
int window_leave(greg_t *rip);
void window_sigreturn(void); /* the way out of a handler of this process */
int copy_leave(greg_t *rip);

/* ---- a syscall of the guest */
struct call {
    uint32_t nr;
    uint64_t arg[6];
    uint64_t pc; /* where the guest goes on; a handler may change it */
};

/* ---- thread.c */
extern int thread_count;
#define THREAD_LEAVES (GUEST_SPACE << 8) /* pcs that nobody has: the module gives them back */
#define THREAD_ENDS   (THREAD_LEAVES + 1)
int thread_defers(const struct call *call); /* it may wait, so others must have their turn */
/* Each gives the pc that takes the thread out of the module; there thread_left() makes the call, or waits for a turn,
 * and gives the pc where it goes on. */
uint64_t thread_leave_for(const struct call *call);
uint64_t thread_safepoint(uint64_t pc); /* pc itself when nobody wants a turn */
uint64_t thread_left(void);
uint64_t thread_exit(int status); /* outside the module */

/* ---- syscall.c, engine/linux/lifted/table.c */
struct linux_row {
    uint16_t nr;
    uint8_t strings, pointers; /* bit n: argument n is a path, another pointer */
    const char *name, *status;
    int64_t (*handler)(struct call *call); /* NULL: Linux's own answer */
    const char *remark;
};
extern const struct linux_row linux_rows[];
extern const int linux_row_count;
/* Performs a syscall of the guest with all its registers in the globals; its rax. call->pc is where it goes on. */
int64_t syscall_perform(struct call *call);
int64_t syscall_answer(struct call *call);                 /* its first half, for which no registers are needed */
int64_t syscall_finish(struct call *call, int64_t result); /* and signals */
/* The table as Markdown on fd 1; 0. */
int syscall_document(void);
/* What Linux answers, with the row's pointers and strings made the host's. */
int64_t syscall_pass(struct call *call, const struct linux_row *row);

/* ---- lockdown.c: the table again, as the kernel's own. E_SANDBOX. */
int lockdown(struct rc_error *err);

/* ---- linux_*.c: rows that need more than their pointers made the host's */
#define HANDLER(name) int64_t linux_##name(struct call *call)
/* engine/linux/lifted/memory.c */
void program_begin(const struct program *p); /* where brk begins */
HANDLER(mmap);
HANDLER(mprotect);
HANDLER(munmap);
HANDLER(brk);
HANDLER(mremap);
HANDLER(madvise);
HANDLER(mlock);
HANDLER(msync);
HANDLER(mincore);
/* engine/linux/lifted/signal.c */
HANDLER(rt_sigaction);
HANDLER(rt_sigprocmask);
HANDLER(rt_sigreturn);
HANDLER(sigaltstack);
/* engine/linux/lifted/io.c */
HANDLER(iov);
HANDLER(sendmsg);
HANDLER(recvmsg);
HANDLER(pselect6);
HANDLER(ioctl);
HANDLER(fcntl);
HANDLER(setsockopt);
/* engine/linux/lifted/path.c: strings of rows, copied; `at` is which argument */
int64_t linux_path(struct call *call, int at, char *copy, size_t cap);
HANDLER(open);
HANDLER(readlink);
/* engine/linux/lifted/proc.c: a file of /proc/self as the guest would see it; its fd, or -ENOENT when the host's own
 * serves */
int64_t proc_open(const char *name, int flags);
extern char *const *program_argv;
/* engine/linux/lifted/process.c */
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

/* ---- signal.c: delivery. frame.c: the frame on the guest's stack */
struct action { /* the kernel's struct sigaction */
    uint64_t handler, flags, restorer, mask;
};
extern struct action signal_action[65];
#define NO_PC UINT64_MAX /* of a fault whose instruction and registers are not known: a handler cannot return there */
void signal_begin(void);
void signal_thread_begin(uint64_t mask);
void signal_thread_end(void);
void signal_pend(void);                                              /* the next safepoint is to be taken */
void signal_arrives(int sig, const siginfo_t *info, ucontext_t *uc); /* in a handler of this process */
int64_t signal_set_action(int sig, const struct action *action);
/* Between host code and wasm. Enter answers where to go on instead of pc when signals are delivered. */
void signal_host(void);
int signal_is_due(void);                /* something waits */
uint64_t signal_deliver(uint64_t pc);   /* delivers it */
uint64_t signal_safepoint(uint64_t pc); /* the same where the module found `pending` set */
void signal_guest(void);
/* A synchronous signal at pc: where the handler is. Ends the process when the default action is due. */
uint64_t signal_force(int sig, int code, uint64_t address, uint64_t pc, int precise);
_Noreturn void signal_die(int sig);
/* Masks as the guest sees them: the kernel's, and the engine's own signals, which the kernel must never block. */
uint64_t signal_mask(void);
void signal_set_mask(uint64_t mask);
/* rt_sigprocmask: SYS_RESTART when a signal waits. */
int64_t signal_change_mask(uint64_t how, const uint64_t *set, uint64_t *old);
/* Pushes a frame for sig; its handler's pc, or 0 when the stack cannot hold it. */
uint64_t frame_push(const struct action *action, int sig, const siginfo_t *info, uint64_t pc, uint64_t mask);
/* rt_sigreturn: takes the frame at rsp; where the guest goes on, its rax and its mask then. -1: no frame there. */
int frame_pop(uint64_t *pc, uint64_t *rax, uint64_t *mask);
struct altstack { /* stack_t */
    uint64_t sp;
    int32_t flags, pad;
    uint64_t size;
};
extern __thread struct altstack altstack;
int altstack_holds(uint64_t rsp);

/* ---- fault.c: SIGSEGV, SIGBUS, SIGILL, SIGFPE of this process */
void fault_begin(void); /* after the engine has installed its handlers */
struct fault {
    int signal, code;
    uint64_t address;
};
struct fault fault_of(const wasm_trap_t *trap); /* the signal that Linux would send */

#endif
