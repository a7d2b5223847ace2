/* In: signals that this process gets. Out: handlers of the guest, entered where its state is in the globals: at a
 * syscall, at a loop's safepoint, behind a trap. SIG_DFL, SIG_IGN and the mask are the kernel's own; only a handler of
 * the guest puts ours in its place. That one stores one signal and leaves all others blocked until the guest has taken
 * it, so the kernel's queue stays the only queue, and order and siginfo are Linux's. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/lifted/lifted.h"

#define BIT(sig) (UINT64_C(1) << ((sig) - 1))
/* Traps of wasm and faults of guest copies are these: the kernel must never find them blocked. */
#define ENGINE_SIGNALS (BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGILL) | BIT(SIGFPE))
enum { HANDLER_STACK = 1 << 19, SA_RESTORER = 0x04000000, SETMASK = 2 /* SIG_SETMASK */ };

struct action signal_action[65];
static __thread struct {
    siginfo_t info;
    uint64_t mask; /* the guest's, to be restored behind its handler */
} waiting;
static __thread volatile sig_atomic_t in_host = 1;
static volatile sig_atomic_t pending_is_on;
static __thread uint64_t engine_blocked; /* of ENGINE_SIGNALS, those that the guest believes blocked */
static __thread uint64_t engine_sent;    /* and those that were sent meanwhile */

/* ---- masks */

static uint64_t swap_mask(const uint64_t *mask) {
    uint64_t old = 0;
    HOST_NOW(SYS_rt_sigprocmask, SETMASK, (uint64_t)(uintptr_t)mask, (uint64_t)(uintptr_t)&old, sizeof old);
    return old;
}

uint64_t signal_mask(void) {
    const uint64_t all = ~ENGINE_SIGNALS;
    uint64_t mask = swap_mask(&all);
    if (signal_waiting) {
        mask = waiting.mask;
    } else {
        swap_mask(&mask);
    }
    return (mask & ~ENGINE_SIGNALS) | engine_blocked;
}

void signal_set_mask(uint64_t mask) {
    const uint64_t all = ~ENGINE_SIGNALS, kernel = mask & ~ENGINE_SIGNALS & ~BIT(SIGKILL) & ~BIT(SIGSTOP);
    swap_mask(&all);
    engine_blocked = mask & ENGINE_SIGNALS;
    if (signal_waiting) {
        waiting.mask = kernel;
    } else {
        swap_mask(&kernel);
    }
}

int64_t signal_change_mask(uint64_t how, const uint64_t *set, uint64_t *old) {
    const uint64_t kernel = set ? *set & ~ENGINE_SIGNALS : 0, engine = set ? *set & ENGINE_SIGNALS : 0;
    const uint64_t arg[6] = {how, set ? (uint64_t)(uintptr_t)&kernel : 0, (uint64_t)(uintptr_t)old, sizeof *old};
    const int64_t result = host_syscall(SYS_rt_sigprocmask, arg);
    if (result == 0) {
        *old = (*old & ~ENGINE_SIGNALS) | engine_blocked;
        if (set) {
            engine_blocked = how == SIG_BLOCK     ? engine_blocked | engine
                             : how == SIG_UNBLOCK ? engine_blocked & ~engine
                                                  : engine;
        }
    }
    return result;
}

/* ---- arrival: in the handler of this process */

void signal_pend(void) {
    pending_is_on = 1;
    pending_set(1);
}

static void unpend(void) {
    pending_is_on = 0;
    pending_set(0);
}

uint64_t signal_safepoint(uint64_t pc) {
    unpend(); /* always: a thread that waits for its turn may have set it again while another cleared it */
    return signal_deliver(pc);
}

void signal_arrives(int sig, const siginfo_t *info, ucontext_t *uc) {
    if ((BIT(sig) & ENGINE_SIGNALS) && (signal_waiting || (engine_blocked & BIT(sig)))) {
        engine_sent |= BIT(sig);
        return;
    }
    const uint64_t all = ~ENGINE_SIGNALS;
    waiting.info = *info;
    memcpy(&waiting.mask, &uc->uc_sigmask, sizeof waiting.mask);
    memcpy(&uc->uc_sigmask, &all, sizeof all);
    signal_waiting = sig;
    window_leave(&uc->uc_mcontext.gregs[REG_RIP]);
    if (!in_host) {
        signal_pend();
    }
}

static void on_signal(int sig, siginfo_t *info, void *context) {
    signal_arrives(sig, info, context);
}

void signal_host(void) {
    in_host = 1;
}

void signal_guest(void) {
    in_host = 0;
    if (signal_waiting && !pending_is_on) { /* it came while we were here */
        signal_pend();
    }
}

/* ---- the kernel's side of an action */

/* Not the C library's sigaction: it keeps two signals to itself, which guests' C libraries do as well. */
static void kernel_action(int sig, void *handler, uint64_t flags) {
    const struct {
        void *handler;
        uint64_t flags;
        void (*restorer)(void);
        uint64_t mask;
    } action = {handler, flags | SA_RESTORER, window_sigreturn, ~ENGINE_SIGNALS};
    HOST_NOW(SYS_rt_sigaction, (uint64_t)sig, (uint64_t)(uintptr_t)&action, 0, sizeof action.mask);
}

int64_t signal_set_action(int sig, const struct action *action) {
    signal_action[sig] = *action;
    if (BIT(sig) & ENGINE_SIGNALS) {
        return 0;
    }
    if (action->handler <= 1) { /* SIG_DFL, SIG_IGN */
        kernel_action(sig, (void *)(uintptr_t)action->handler, action->flags & (SA_NOCLDSTOP | SA_NOCLDWAIT));
    } else {
        const uint64_t same = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_RESTART;
        kernel_action(sig, (void *)on_signal, (action->flags & same) | SA_SIGINFO | SA_ONSTACK);
    }
    return 0;
}

void signal_begin(void) {
    /* Signals that whoever started us ignores stay ignored, as execve leaves them. */
    for (int sig = 1; sig <= 64; sig++) {
        struct sigaction now;
        if (!(BIT(sig) & ENGINE_SIGNALS) && sigaction(sig, NULL, &now) == 0 && now.sa_handler == SIG_IGN) {
            signal_action[sig].handler = 1;
        }
    }
    engine_blocked = swap_mask(NULL) & ENGINE_SIGNALS;
    signal_thread_begin(signal_mask());
}

static __thread void *handler_stack;

void signal_thread_begin(uint64_t mask) {
    stack_t stack = {.ss_size = HANDLER_STACK};
    stack.ss_sp = mmap(NULL, HANDLER_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack.ss_sp != MAP_FAILED) {
        sigaltstack(&stack, NULL);
        handler_stack = stack.ss_sp;
    }
    signal_set_mask(mask);
}

void signal_thread_end(void) {
    const uint64_t all = ~ENGINE_SIGNALS;
    const stack_t none = {.ss_flags = SS_DISABLE};
    swap_mask(&all);
    if (signal_waiting) { /* sent to the process, perhaps: another thread may take it */
        HOST_NOW(SYS_rt_sigqueueinfo, (uint64_t)getpid(), (uint64_t)signal_waiting, (uint64_t)(uintptr_t)&waiting.info);
    }
    sigaltstack(&none, NULL);
    munmap(handler_stack, HANDLER_STACK);
}

/* ---- delivery */

void signal_die(int sig) {
    const uint64_t others = ~BIT(sig);
    if (sig != SIGKILL && sig != SIGSTOP) {
        kernel_action(sig, NULL, 0);
    }
    kill(getpid(), sig);
    swap_mask(&others);
    _exit(128 + sig); /* the first process of a pid namespace outlives its own signals */
}

/* Enters the guest's handler of sig; old is the mask behind it. */
static uint64_t enter(int sig, const siginfo_t *info, uint64_t pc, uint64_t old) {
    const struct action action = signal_action[sig];
    const uint64_t handler = frame_push(&action, sig, info, pc, old);
    if (!handler) { /* Linux: SIGSEGV, with the default action when it was that one */
        if (sig == SIGSEGV) {
            signal_die(SIGSEGV);
        }
        return signal_force(SIGSEGV, SI_KERNEL, 0, pc, 1);
    }
    if (action.flags & SA_RESETHAND) {
        signal_set_action(sig, &(struct action){0});
    }
    signal_set_mask(old | action.mask | (action.flags & SA_NODEFER ? 0 : BIT(sig)));
    return handler;
}

static uint64_t deliver_one(int sig, const siginfo_t *info, uint64_t pc, uint64_t mask) {
    if (signal_action[sig].handler > 1) {
        return enter(sig, info, pc, mask);
    }
    if (signal_action[sig].handler == 0) {
        signal_die(sig);
    }
    signal_set_mask(mask);
    return pc;
}

int signal_is_due(void) {
    return signal_waiting || (engine_sent & ~engine_blocked);
}

uint64_t signal_deliver(uint64_t pc) {
    while (signal_is_due()) {
        if (signal_waiting) {
            const int sig = signal_waiting;
            const siginfo_t info = waiting.info;
            const uint64_t mask = (waiting.mask & ~ENGINE_SIGNALS) | engine_blocked;
            signal_waiting = 0; /* all others are still blocked */
            pc = deliver_one(sig, &info, pc, mask);
        } else {
            const int sig = 1 + __builtin_ctzll(engine_sent & ~engine_blocked);
            const siginfo_t info = {.si_signo = sig, .si_code = SI_USER};
            engine_sent &= ~BIT(sig);
            pc = deliver_one(sig, &info, pc, signal_mask());
        }
    }
    if (pending_is_on) {
        unpend();
    }
    return pc;
}

uint64_t signal_force(int sig, int code, uint64_t address, uint64_t pc, int precise) {
    const uint64_t mask = signal_mask();
    if (signal_action[sig].handler <= 1 || (mask & BIT(sig))) { /* the kernel's force_sig */
        signal_die(sig);
    }
    siginfo_t info = {.si_signo = sig, .si_code = code};
    info.si_addr = (void *)(uintptr_t)address;
    return enter(sig, &info, precise ? pc : NO_PC, mask);
}
