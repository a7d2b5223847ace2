/* In: SIGSEGV, SIGBUS, SIGILL and SIGFPE of this process. Out: who they are for. A guest copy's fault ends the copy;
 * one that somebody sent is a signal like others; the rest is wasmtime's, whose trap then tells what the guest did. */
#include <string.h>

#include "engine/lifted/lifted.h"

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
static struct sigaction theirs[65];
static __thread struct fault last;

static void on_fault(int sig, siginfo_t *info, void *context) {
    ucontext_t *uc = context;
    if (info->si_code <= 0) {
        signal_arrives(sig, info, uc);
        return;
    }
    if (copy_leave(&uc->uc_mcontext.gregs[REG_RIP])) {
        return;
    }
    last = (struct fault){sig, info->si_code, (uint64_t)((uint8_t *)info->si_addr - space)};
    if (sig == SIGSEGV && last.address < GUEST_SPACE && !space_is_mapped(last.address, 1)) {
        last.code = SEGV_MAPERR; /* the reservation is there, the guest has nothing */
    }
    if (sig == SIGBUS) { /* wasmtime expects no mapped file that ends early, and would do the same as for SIGSEGV */
        sig = SIGSEGV;
    }
    if (theirs[sig].sa_flags & SA_SIGINFO) {
        theirs[sig].sa_sigaction(sig, info, context);
    } else {
        sigaction(sig, &theirs[sig], NULL); /* the default action: the instruction faults again */
    }
}

void fault_begin(void) {
    struct sigaction ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&ours.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaction(signals[i], &ours, &theirs[signals[i]]);
    }
}

/* wasmtime_trap_code_enum: its number is the row; 0: what the hardware said. */
static const struct {
    int signal, code;
} traps[] = {
    {SIGSEGV, SEGV_MAPERR}, /* stack overflow */
    {0, 0},                 /* memory out of bounds */
    {SIGBUS, BUS_ADRALN},   /* heap misaligned */
    {SIGSEGV, SEGV_MAPERR}, /* table out of bounds */
    {SIGSEGV, SEGV_MAPERR}, /* indirect call to null */
    {SIGILL, ILL_ILLOPN},   /* bad signature */
    {SIGFPE, FPE_INTOVF},   /* integer overflow */
    {SIGFPE, FPE_INTDIV},   /* integer division by zero */
    {SIGFPE, FPE_FLTINV},   /* bad conversion to integer */
    {SIGILL, ILL_ILLOPN},   /* unreachable */
};

struct fault fault_of(const wasm_trap_t *trap) {
    uint8_t code;
    struct fault fault = last;
    last = (struct fault){0};
    if (wasmtime_trap_code(trap, &code) && code < sizeof traps / sizeof *traps && traps[code].signal) {
        fault = (struct fault){traps[code].signal, traps[code].code, register_get(RSP)};
    } else if (fault.signal == 0) { /* a bounds check in software: bulk memory beyond 4 GiB */
        fault = (struct fault){SIGSEGV, SEGV_MAPERR, GUEST_SPACE};
    }
    return fault;
}
