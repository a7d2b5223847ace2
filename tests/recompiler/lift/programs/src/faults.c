// Synchronous faults with handlers: si_addr and si_code, siglongjmp out of them.
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

static sigjmp_buf back;
static volatile int number, code;
static void *volatile address;

static void caught(int signal_, siginfo_t *info, void *context) {
    (void)context;
    number = signal_, code = info->si_code, address = info->si_addr;
    siglongjmp(back, 1);
}
static volatile int zero, minus = -1, least = -2147483647 - 1, sink;
static void divide(void) {
    sink = 7 / zero;
}
static void remainder_(void) {
    sink = least % minus;
}
static void undefined(void) {
    __asm__ volatile("ud2");
}
static void breakpoint(void) {
    __asm__ volatile("int3");
}
static void privileged(void) {
    __asm__ volatile("hlt");
}
static void null_read(void) {
    sink = *(volatile int *)16;
}
static void null_write(void) {
    *(volatile int *)0 = 1;
}
static char *page;
static void read_only(void) {
    page[4096 + 123] = 1;
}
static void none(void) {
    sink = page[8192 + 77];
}
static void across(void) {
    sink += (int)*(volatile uint64_t *)(page + 8192 - 3);
}

int main(int argc, char **argv) {
    (void)argc, (void)argv;
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = caught;
    const int signals[] = {SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGBUS};
    for (unsigned n = 0; n < 5; n++) {
        sigaction(signals[n], &action, NULL);
    }
    page = mmap((void *)0x70000000, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    mprotect(page + 4096, 4096, PROT_READ);
    mprotect(page + 8192, 4096, PROT_NONE);
    static const struct {
        const char *name;
        void (*run)(void);
    } rows[] = {{"divide", divide},         {"remainder", remainder_},  {"undefined", undefined},
                {"breakpoint", breakpoint}, {"privileged", privileged}, {"null read", null_read},
                {"null write", null_write}, {"read only", read_only},   {"none", none},
                {"across", across}};
    for (int round = 0; round < 3; round++) {
        for (unsigned n = 0; n < sizeof rows / sizeof *rows; n++) {
            number = code = 0, address = NULL;
            if (!sigsetjmp(back, 1)) {
                rows[n].run(), puts("went on");
            }
            int where =
                number == SIGFPE || number == SIGILL || number == SIGTRAP; // an address of code: differs by level
            printf("%s: %d %d %p\n", rows[n].name, number, code, where ? NULL : address);
        }
    }
    return 0;
}
