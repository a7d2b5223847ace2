/* engine/lifted/lifted.h: the machine that a lifted program runs on. One process runs one guest: an x86-64 Linux
 * program that tools/recompiler/lift made into a wasm module. Its 4 GiB of memory are host memory, page protections
 * included; its registers are the module's exported globals whenever host code runs. */
#ifndef LIFTED_H
#define LIFTED_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "engine/wasmtime/lifted.h"

enum { PAGE = 4096 };
#define GUEST_SPACE (UINT64_C(1) << 32) /* addresses of a guest are less than this */

/* ---- program.c: how the program was called */
extern const char *program_name; /* the file it was called by, or its argv[0] */
extern char program_file[];      /* with the working directory before it, if need be */
extern char *const *program_argv;
void program_called(const char *name, char *const argv[]); /* keeps both */

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

/* ---- ledger.c: what was not lifted */
/* Maps the ledger's lines, which are the file's from there on. 0 or -1. */
int ledger_map(int fd, size_t from, size_t size);
/* Says which instruction it is that has no wasm, and dies of SIGILL. */
_Noreturn void ledger_die(uint64_t pc);

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
/* signal.c sets it while it holds a signal for the guest and has all others blocked: no call begins then. */
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

/* ---- thread.c: one thread at a time has the guest's registers: its turn */
extern int thread_count;
/* What a thread runs, from its pc until it ends, and the stack that this takes. */
void thread_begin(void (*run)(uint64_t pc), uint64_t stack_size);
struct birth { /* of a thread: what is not as in the one that makes it */
    uint64_t pc, rsp, fs;
    uint64_t clear_tid; /* set_tid_address(2) of it, or 0 */
};
int64_t thread_create(const struct birth *birth); /* its id, or -EAGAIN */
void thread_clear_tid(uint64_t address);
/* Both are for a thread outside the module. thread_give keeps its registers; with pass it returns when somebody else
 * who wants a turn has had it. thread_take waits for a turn, with the same registers. */
void thread_give(int pass);
void thread_take(void);
int thread_should_give(void); /* others have wanted a turn for a while */
void thread_exit(int status); /* with the turn: gives it away for good; of the last one, the process ends */

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
