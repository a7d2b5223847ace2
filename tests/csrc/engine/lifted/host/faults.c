/* Signals that the program makes itself: their addresses and codes, alternate stacks, registers in the frame. */
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "check.h"

static sigjmp_buf back;
static char stack[65536];
static volatile int on_stack;
static volatile long depth;

static void report(int sig, siginfo_t *info, void *context) {
    const ucontext_t *uc = context;
    on_stack = (char *)&uc >= stack && (char *)&uc < stack + sizeof stack;
    printf("signal %d code %d own %d\n", sig, info->si_code, info->si_addr == (void *)uc->uc_mcontext.gregs[REG_RIP]);
    siglongjmp(back, 1);
}

/* Goes on behind the instruction: of two bytes in ud2's case, none in int3's, whose rip is behind it already. */
static void skip(int sig, siginfo_t *info, void *context) {
    ucontext_t *uc = context;
    (void)info;
    printf("rax %llx rbx %llx\n", uc->uc_mcontext.gregs[REG_RAX], uc->uc_mcontext.gregs[REG_RBX]);
    uc->uc_mcontext.gregs[REG_RAX] = 0x77;
    uc->uc_mcontext.gregs[REG_RIP] += sig == SIGILL ? 2 : 0;
}

static void overflow(int sig, siginfo_t *info, void *context) {
    (void)context, (void)info;
    printf("signal %d on its stack %d\n", sig, (char *)&sig >= stack && (char *)&sig < stack + sizeof stack);
    siglongjmp(back, 1);
}

static long __attribute__((noinline)) deep(volatile long *above) {
    volatile long here[4] = {above ? *above + 1 : 0};
    depth = here[0];
    return here[0] < 0 ? 0 : deep(here) + here[1];
}

/* Goes to places that no branch, table or pointer names, as Go's runtime does. */
__asm__(".text\n"
        ".type odd, @function\n"
        "odd:\n"
        "    nop\n"
        "    call landed\n"
        "    jmp 1f\n"
        "    nop\n"
        "1:  ret\n"
        ".size odd, . - odd\n");
void odd(void);
void landed(void);
static volatile int landings, first = 1, last = 8;

void landed(void) {
    landings++;
}

static void odd_places(void) {
    odd();
    ((void (*)(void))((char *)odd + first))();
    ((void (*)(void))((char *)odd + last))();
    SAY(landings);
}

void faults(void) {
    odd_places();
    struct sigaction action = {.sa_sigaction = report, .sa_flags = SA_SIGINFO};
    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGTRAP, &action, NULL);
    if (sigsetjmp(back, 1) == 0) {
        divide_by_zero();
    }
    if (sigsetjmp(back, 1) == 0) {
        __asm__ volatile("ud2");
    }

    action.sa_sigaction = skip;
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGTRAP, &action, NULL);
    unsigned long rax = 0x1111, rbx = 0x2222;
    __asm__ volatile("ud2" : "+a"(rax), "+b"(rbx));
    printf("rax %lx rbx %lx\n", rax, rbx);
    rax = 0x3333;
    __asm__ volatile("int3" : "+a"(rax), "+b"(rbx));
    printf("rax %lx rbx %lx\n", rax, rbx);

    const stack_t ours = {.ss_sp = stack, .ss_size = sizeof stack}, none = {.ss_flags = SS_DISABLE};
    stack_t now;
    SAY(sigaltstack(&ours, NULL));
    SAY(sigaltstack(NULL, &now));
    SAY(now.ss_flags);
    SAY(now.ss_size);
    action.sa_sigaction = overflow;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, NULL);
    for (int i = 0; i < 3; i++) { /* and again: nothing of the first is left */
        if (sigsetjmp(back, 1) == 0) {
            depth = (long)deep(NULL);
        }
        printf("deep enough %d\n", depth > 50000);
    }
    stack_t small = ours;
    small.ss_size = 100;
    SAY(sigaltstack(&small, NULL));
    small.ss_flags = 99;
    SAY(sigaltstack(&small, NULL));
    SAY(sigaltstack(&none, &now));
    SAY(now.ss_flags);
}
