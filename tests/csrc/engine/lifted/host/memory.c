/* The address space. */
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check.h"

enum { P = 4096 };
static sigjmp_buf back;
static volatile char *touched;

static void on_fault(int sig, siginfo_t *info, void *context) {
    (void)context;
    printf("signal %d code %d offset %ld\n", sig, info->si_code, (long)((char *)info->si_addr - touched));
    siglongjmp(back, 1);
}

static void touch(volatile char *at, int write) {
    touched = at;
    if (sigsetjmp(back, 1) == 0) {
        if (write) {
            *at = 1;
        } else {
            printf("read %d\n", *at);
        }
    }
}

/* Relative to rip, with a prefix for addresses of 32 bits. */
static void relative(void) {
    unsigned long here, there, word, same;
    __asm__("lea 1f(%%rip), %1; lea -0x1000(%%eip), %0; 1:" : "=r"(there), "=r"(here));
    SAY(there - here);
    __asm__("mov touched(%%eip), %0; mov touched(%%rip), %1" : "=r"(word), "=r"(same));
    SAY(word == same);
}

void memory(void) {
    relative();
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    char *a = mmap(NULL, 8 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(a, 7, 8 * P);
    SAY(mprotect(a + P, P, PROT_READ));
    touch(a + P, 0);
    touch(a + P, 1);
    SAY(mprotect(a + P, P, PROT_NONE));
    touch(a + P + 5, 0);
    SAY(mprotect(a + P, P, PROT_READ | PROT_WRITE));
    touch(a + P, 0);
    SAY(munmap(a + 4 * P, P));
    touch(a + 4 * P, 0);
    touch(a + 4 * P, 1);
    SAY(mprotect(a, 8 * P, PROT_READ | PROT_WRITE));
    SAY(madvise(a, P, MADV_DONTNEED));
    touch(a, 0);
    SAY(madvise(a, 8 * P, MADV_DONTNEED));
    SAY(madvise(a + 1, P, MADV_DONTNEED));
    unsigned char in[8];
    SAY(mincore(a, 2 * P, in));
    SAY(mincore(a, 8 * P, in));
    SAY(munmap(a + 1, P));
    SAY(munmap(a, 0));
    SAY(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    SAY(mmap(NULL, P, PROT_READ, MAP_PRIVATE, -1, 0) == MAP_FAILED);
    SAY(mmap(a, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED);
    SAY(mmap(a + 4 * P, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == a + 4 * P);
    touch(a + 4 * P, 0);

    char *b = mmap(NULL, 2 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(b, "kept");
    char *c = mremap(b, 2 * P, 64 * P, MREMAP_MAYMOVE);
    SAY(strcmp(c, "kept"));
    touch(c + 63 * P, 1);
    SAY(mremap(c, 64 * P, P, 0) == c);
    touch(c + P, 0);
    char *d = mmap(NULL, 4 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SAY(mremap(c, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, d) == d);
    SAY(strcmp(d, "kept"));
    touch(c, 0);
    SAY(mremap(c, P, 2 * P, MREMAP_MAYMOVE) == MAP_FAILED);

    char *heap = (char *)syscall(SYS_brk, 0);
    SAY(syscall(SYS_brk, heap + 3 * P) == (long)heap + 3 * P);
    touch(heap + 3 * P - 1, 1);
    SAY(syscall(SYS_brk, heap) == (long)heap);
    touch(heap + 2 * P, 1);
    SAY(syscall(SYS_brk, 8) == (long)heap);
    FILE *file = tmpfile();
    fputs("short file", file);
    fflush(file);
    char *m = mmap(NULL, 2 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(file), 0);
    printf("%s|\n", m);
    touch(m + P, 0); /* behind the file's end: SIGBUS */
    touch(NULL, 0);
    touch((char *)8, 1);
    void *blocks[64];
    for (int i = 0; i < 64; i++) {
        blocks[i] = malloc((size_t)1000 << i % 12);
        memset(blocks[i], i, (size_t)1000 << i % 12);
    }
    for (int i = 0; i < 64; i++) {
        free(blocks[i]);
    }
    SAY(malloc(1UL << 62) == NULL);
}
