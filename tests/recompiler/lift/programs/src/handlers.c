// Asynchronous signals: raise, masks, nesting, alternate stacks; waiting for one.
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t seen[65], depth, deepest, ticks;
static char alternate[65536];
static volatile int on_alternate;

static void count(int number) {
    seen[number]++, depth++;
    if (depth > deepest) {
        deepest = depth;
    }
    if (number == SIGUSR1 && seen[SIGUSR1] < 5) {
        raise(SIGUSR2);
    }
    if (number == SIGUSR2 && seen[SIGUSR2] < 5) {
        raise(SIGUSR1);
    }
    depth--;
}
static void tick(int number) {
    volatile double spoil[8];
    for (int n = 0; n < 8; n++) {
        spoil[n] = n * 1.5 + number;
    }
    ticks += spoil[7] > 0;
}
static void where(int number, siginfo_t *info, void *context) {
    char here;
    (void)context;
    on_alternate = &here >= alternate && &here < alternate + sizeof alternate;
    seen[number] += info->si_pid == getpid();
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    struct sigaction action = {.sa_handler = count};
    sigaction(SIGUSR1, &action, NULL), sigaction(SIGUSR2, &action, NULL), sigaction(SIGHUP, &action, NULL);
    raise(SIGUSR1);
    printf("%d %d %d\n", seen[SIGUSR1], seen[SIGUSR2], deepest);
    sigset_t block, old, pending;
    sigemptyset(&block), sigaddset(&block, SIGHUP), sigaddset(&block, SIGUSR2);
    sigprocmask(SIG_BLOCK, &block, &old);
    raise(SIGHUP), raise(SIGHUP), raise(SIGUSR2);
    sigpending(&pending);
    printf("%d %d %d %d\n", seen[SIGHUP], sigismember(&pending, SIGHUP), sigismember(&pending, SIGUSR2),
           sigismember(&pending, SIGINT));
    sigprocmask(SIG_SETMASK, &old, NULL);
    printf("%d %d\n", seen[SIGHUP], seen[SIGUSR2]);
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate}, now;
    sigaltstack(&stack, NULL);
    struct sigaction other = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND};
    other.sa_sigaction = where;
    sigaction(SIGTERM, &other, NULL);
    raise(SIGTERM);
    sigaltstack(NULL, &now);
    sigaction(SIGTERM, NULL, &other);
    printf("%d %d %d %d\n", on_alternate, seen[SIGTERM], now.ss_flags, other.sa_handler == SIG_DFL);
    struct sigaction alarm_ = {.sa_handler = tick};
    sigaction(SIGALRM, &alarm_, NULL);
    struct itimerval every = {{0, 0}, {0, 0}};
    sigaddset(&block, SIGALRM), sigprocmask(SIG_BLOCK, &block, &old);
    every.it_value.tv_usec = 3000, setitimer(ITIMER_REAL, &every, NULL);
    errno = 0;
    int left = sigsuspend(&old);
    printf("%d %d\n", left, errno == EINTR);
    signal(SIGALRM, SIG_IGN), raise(SIGALRM), puts("ignored");
    return 0;
}
