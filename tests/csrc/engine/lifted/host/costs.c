/* What a boundary costs: nanoseconds of the CPU, the kernel's included; the least of some rounds. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

static sigjmp_buf back;
static volatile sig_atomic_t count;
static int zero;

static void counting(int sig) {
    (void)sig;
    count++;
}

static void jumping(int sig) {
    siglongjmp(back, sig);
}

static void number(void) {
    syscall(SYS_getppid);
}

static void reading(void) {
    char c;
    if (read(zero, &c, 1) != 1) {
        abort();
    }
}

static void clock_call(void) {
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
}

static void clock_libc(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
}

static void handler(void) {
    raise(SIGUSR1);
}

static void mapping(void) {
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[0] = 1;
    munmap(page, 4096);
}

static void fault(void) {
    if (sigsetjmp(back, 1) == 0) {
        *(volatile int *)8 = 1;
    }
}

/* Two threads, one byte each way. */
static int there[2], here[2];

static void *answering(void *argument) {
    char c;
    while (read(there[0], &c, 1) == 1 && write(here[1], &c, 1) == 1) {
    }
    return argument;
}

static void turn(void) {
    static pthread_t thread;
    char c = 1;
    if (!here[1] && (pipe(there) < 0 || pipe(here) < 0 || pthread_create(&thread, NULL, answering, NULL) != 0)) {
        abort();
    }
    if (write(there[1], &c, 1) != 1 || read(here[0], &c, 1) != 1) {
        abort();
    }
}

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void costs(void) {
    static const struct {
        const char *name;
        void (*run)(void);
        int times;
    } rows[] = {
        {"getppid", number, 100000},
        {"read of one byte", reading, 100000},
        {"clock_gettime, the syscall", clock_call, 100000},
        {"clock_gettime, the function", clock_libc, 100000},
        {"raise, handler, sigreturn", handler, 20000},
        {"mmap, touch, munmap", mapping, 20000},
        {"fault, handler, siglongjmp", fault, 20000},
        {"a byte to another thread and back", turn, 5000},
    };
    zero = open("/dev/zero", O_RDONLY);
    signal(SIGUSR1, counting);
    signal(SIGSEGV, jumping);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        long long least = -1;
        for (int round = 0; round < 5; round++) {
            const long long start = now();
            for (int n = 0; n < rows[i].times; n++) {
                rows[i].run();
            }
            const long long spent = (now() - start) / rows[i].times;
            least = least < 0 || spent < least ? spent : least;
        }
        printf("%s\t%lld\n", rows[i].name, least);
    }
}
