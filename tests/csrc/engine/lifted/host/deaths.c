/* Ways to end. */
#include <sys/mman.h>

#include "check.h"

static volatile int zero;

static long __attribute__((noinline)) deep(volatile long *above) {
    volatile long here[4] = {above ? *above + 1 : 0};
    return here[0] < 0 ? 0 : deep(here) + here[1];
}

static void again(int sig) {
    (void)sig; /* returns to the fault */
}

int die(const char *how) {
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigset_t set;
    sigfillset(&set);
    printf("%s\n", how);
    switch (how[0]) {
    case 'n':
        return *(volatile int *)8;
    case 'w':
        page[0] = 1;
        return 0;
    case 'j':
        ((void (*)(void))page)();
        return 0;
    case 'd':
        divide_by_zero();
        return 0;
    case 'u':
        __asm__ volatile("ud2");
        return 0;
    case 'i':
        __asm__ volatile("int3");
        return 0;
    case 'h':
        __asm__ volatile("hlt");
        return 0;
    case 'r':
        return (int)deep(NULL);
    case 'a':
        abort();
    case 't':
        raise(SIGTERM);
        return 0;
    case 'k':
        kill(getpid(), SIGKILL);
        return 0;
    case 's':
        raise(SIGSEGV);
        return 0;
    case 'p':
        close(0);
        return pipe((int[2]){0}) + 40;
    case 'b': /* a fault that is blocked */
        sigprocmask(SIG_BLOCK, &set, NULL);
        return *(volatile int *)8;
    case 'g': /* ignored */
        signal(SIGSEGV, SIG_IGN);
        return *(volatile int *)8;
    case 'o': /* handled once */
        sigaction(SIGFPE, &(struct sigaction){.sa_handler = again, .sa_flags = SA_RESETHAND}, NULL);
        divide_by_zero();
        return 0;
    case 'l':
        alarm(1);
        for (;;) {
            zero = zero;
        }
    default:
        return how[0] - '0';
    }
}
