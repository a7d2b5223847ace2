/* Signals that arrive from outside: handlers, masks, restarts, timers. */
#include <fcntl.h>
#include <setjmp.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

#include "check.h"

static volatile sig_atomic_t count, depth;
static volatile int last_code, last_value;
static volatile unsigned long last_mask;
static int ends[2];
static sigjmp_buf back;

static void say(const char *text) {
    if (write(1, text, strlen(text)) < 0) {
        abort();
    }
}

static void counting(int sig) {
    (void)sig;
    count++;
}

static void informed(int sig, siginfo_t *info, void *context) {
    const ucontext_t *uc = context;
    count += sig > 0;
    last_code = info->si_code;
    last_value = info->si_value.sival_int;
    memcpy((void *)&last_mask, &uc->uc_sigmask, sizeof last_mask);
}

static void nesting(int sig) {
    depth++;
    say(sig == SIGUSR1 ? "(" : "[");
    if (depth < 4) {
        raise(sig == SIGUSR1 ? SIGUSR2 : SIGUSR1);
    }
    say(sig == SIGUSR1 ? ")" : "]");
}

static void jumping(int sig) {
    siglongjmp(back, sig);
}

static void writing(int sig) {
    (void)sig;
    count++;
    if (write(ends[1], "w", 1) != 1) {
        abort();
    }
}

static void set(int sig, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    sigaction(sig, &action, NULL);
}

static void after(long microseconds, long again) {
    const struct itimerval when = {{0, again}, {0, microseconds}};
    setitimer(ITIMER_REAL, &when, NULL);
}

static void masks(void) {
    sigset_t both, old, now;
    sigemptyset(&both);
    sigaddset(&both, SIGUSR1);
    sigaddset(&both, SIGSEGV);
    struct sigaction action = {.sa_sigaction = informed, .sa_flags = SA_SIGINFO};
    sigaddset(&action.sa_mask, SIGUSR2);
    SAY(sigaction(SIGUSR1, &action, NULL));
    SAY(sigaction(SIGUSR1, NULL, &action));
    SAY(action.sa_flags & SA_SIGINFO);
    SAY(sigprocmask(SIG_BLOCK, &both, &old));
    SAY(raise(SIGUSR1));
    SAY(count);
    SAY(sigpending(&now));
    SAY(sigismember(&now, SIGUSR1));
    SAY(sigprocmask(SIG_SETMASK, &old, &now));
    SAY(count);
    SAY(sigismember(&now, SIGSEGV));
    SAY(sigismember(&now, SIGUSR2));
    printf("code %d mask %lx\n", last_code, last_mask);
    SAY(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 77}));
    printf("code %d value %d\n", last_code, last_value);
    SAY(sigprocmask(SIG_BLOCK, &both, &old));
    raise(SIGUSR1);
    count = 0;
    SAY(sigsuspend(&old));
    SAY(count);
    SAY(sigprocmask(SIG_SETMASK, &old, &now));
    SAY(sigismember(&now, SIGUSR1));
    set(SIGUSR1, counting, SA_RESETHAND);
    SAY(raise(SIGUSR1));
    SAY(sigaction(SIGUSR1, NULL, &action));
    SAY(action.sa_handler == SIG_DFL);
    set(SIGUSR1, SIG_IGN, 0);
    SAY(raise(SIGUSR1));
    SAY(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1));
    SAY(kill(getpid(), 0));
    SAY(kill(getpid(), 99));
}

static void restarts(void) {
    char c;
    SAY(pipe(ends));
    set(SIGALRM, writing, SA_RESTART);
    after(3000, 0);
    SAY(read(ends[0], &c, 1)); /* restarted, and then the handler's byte is there */
    set(SIGALRM, counting, 0);
    after(3000, 3000); /* again and again: one may be faster than the call */
    SAY(read(ends[0], &c, 1));
    SAY(pause());
    struct timespec one = {1, 0}, rest = {0, 0};
    SAY(nanosleep(&one, &rest));
    SAY(rest.tv_nsec > 0);
    set(SIGALRM, counting, SA_RESTART);
    SAY(nanosleep(&one, &rest)); /* never restarted */
    count = 0;
    after(1000, 1000);
    while (count < 50) {
    }
    after(0, 0);
    SAY(count >= 50);
}

static void jumps(void) {
    set(SIGALRM, jumping, 0);
    volatile int times = 0;
    const int sig = sigsetjmp(back, 1);
    if (times++ < 20) {
        after(500, 0);
        for (volatile unsigned n = 0;; n++) {
        }
    }
    SAY(sig);
    SAY(times);
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    SAY(sigismember(&now, SIGALRM));
}

static double __attribute__((noinline)) work(double x, unsigned long n) {
    unsigned long a = 1, b = 2, c = 3, d = 4;
    double y = 1, z = 2;
    for (unsigned long i = 0; i < n; i++) {
        a = a * 6364136223846793005UL + i, b ^= a >> 7, c += b << 3, d -= c ^ a;
        x = x * 0.999 + y, y = y * 0.5 + z * 0.25, z = z + (double)(d & 7) * 0.125;
        if (z > 1000) {
            z = 2;
        }
    }
    return x + y + z + (double)(a ^ b ^ c ^ d);
}

/* A computation under a storm of signals gives what it gives in peace. */
static void storm(void) {
    volatile unsigned long n = 3000000; /* not one call for both */
    const double calm = work(1, n);
    set(SIGALRM, counting, 0);
    count = 0;
    after(200, 200);
    const double stormy = work(1, n);
    after(0, 0);
    SAY(calm == stormy);
    SAY(count > 5);
}

static void exact(int sig) {
    unsigned int mxcsr;
    unsigned short control;
    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr), "=m"(control));
    printf("signal %d mxcsr %x control %x\n", sig, mxcsr, control);
    __asm__ volatile("fldpi; fldl2e; fldz; faddp; xorps %%xmm0, %%xmm0" ::: "st", "st(1)", "st(2)", "xmm0");
}

/* Nothing of the floating-point units is lost to a handler that uses them, nor what it begins with. */
static void units(void) {
    const unsigned short nearest53 = 0x27f, initial = 0x37f;
    const unsigned int toward_zero = 0x7f80, normal = 0x1f80;
    unsigned short control;
    unsigned int mxcsr;
    long double x = 0;
    double y = 0;
    set(SIGUSR1, exact, 0);
    __asm__ volatile("fldcw %0" ::"m"(nearest53));
    __asm__ volatile("ldmxcsr %0" ::"m"(toward_zero));
    __asm__ volatile("fldpi\n\tfld1\n\tmovq %[one], %%xmm7\n\tsyscall\n\tfaddp\n\tfstpt %[x]\n\tmovq %%xmm7, %[y]"
                     : [x] "=m"(x), [y] "=m"(y)
                     : [one] "r"(0x3ff8000000000000), "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1)
                     : "rcx", "r11", "xmm7", "st", "st(1)", "memory");
    __asm__ volatile("fnstcw %0; stmxcsr %1" : "=m"(control), "=m"(mxcsr));
    __asm__ volatile("fldcw %0; ldmxcsr %1" ::"m"(initial), "m"(normal));
    printf("x %La y %a control %x mxcsr %x\n", x, y, control, mxcsr);
}

static void timers(void) {
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1, .sigev_value.sival_int = 1234};
    struct sigaction action = {.sa_sigaction = informed, .sa_flags = SA_SIGINFO};
    const struct itimerspec when = {.it_value = {0, 2000000}};
    sigaction(SIGRTMIN + 1, &action, NULL);
    count = 0;
    SAY(timer_create(CLOCK_MONOTONIC, &event, &timer));
    SAY(timer_settime(timer, 0, &when, NULL));
    while (!count) {
        usleep(500);
    }
    printf("code %d value %d\n", last_code, last_value);
    SAY(timer_delete(timer));
    SAY(alarm(100));
    SAY(alarm(0));
}

void handlers(void) {
    masks();
    set(SIGUSR1, nesting, 0);
    set(SIGUSR2, nesting, 0);
    raise(SIGUSR1);
    say("\n");
    depth = 0;
    set(SIGUSR1, nesting, SA_NODEFER);
    set(SIGUSR2, nesting, SA_NODEFER);
    raise(SIGUSR2);
    say("\n");
    units();
    restarts();
    jumps();
    storm();
    timers();
}
