/* In: a mapped program, arguments, environment. Out: its stack as execve(2) leaves it. From the top: a null word, the
 * file's name, environment and argument strings, platform, 16 random bytes; then auxv, envp, argv, argc at rsp. */
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/lifted/lifted.h"

enum { STACK_DEFAULT = 8 << 20, STACK_LEAST = 128 << 10, STACK_MOST = 512 << 20, GUARD_GAP = 1 << 20 };
enum { MIN_SIGNAL_STACK = 2048, AUX_ROWS = 24 }; /* frame.c's frame takes 1100 bytes */
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

uint64_t stack_size(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) {
        return STACK_DEFAULT;
    }
    uint64_t size = limit.rlim_cur < STACK_MOST ? limit.rlim_cur : STACK_MOST;
    return (size < STACK_LEAST ? STACK_LEAST : size) & ~(uint64_t)(PAGE - 1);
}

struct pen {
    uint64_t at, low;
};

/* Bytes below what was written last; their address, or 0 when there is no room. */
static uint64_t push(struct pen *pen, const void *bytes, size_t size) {
    if (size > pen->at - pen->low) {
        return 0;
    }
    pen->at -= size;
    memcpy(space + pen->at, bytes, size);
    return pen->at;
}

static size_t count_of(char *const list[]) {
    size_t n = 0;
    while (list[n]) {
        n++;
    }
    return n;
}

/* The strings, last one highest; where the first is. */
static int push_strings(struct pen *pen, char *const list[], size_t n) {
    while (n > 0) {
        n--;
        if (!push(pen, list[n], strlen(list[n]) + 1)) {
            return -1;
        }
    }
    return 0;
}

static uint64_t *pointers(uint64_t *out, uint64_t at, size_t n) {
    for (size_t i = 0; i < n; i++) {
        *out++ = at;
        at += strlen((const char *)space + at) + 1;
    }
    *out++ = 0;
    return out;
}

int stack_make(const struct program *p, char *const argv[], char *const envp[], uint64_t *rsp, struct rc_error *err) {
    const uint64_t size = stack_size(), top = GUEST_SPACE - 2 * PAGE, low = top - size;
    const size_t argc = count_of(argv), envc = count_of(envp);
    const size_t words = 1 + argc + 1 + envc + 1 + 2 * AUX_ROWS;
    const uint64_t null = 0;
    uint8_t random[16];
    uint32_t cpu[4];
    if (space_map(low, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) < 0 ||
        getrandom(random, sizeof random, 0) != sizeof random) {
        return rc_fail(err, RC_E_NO_MEMORY, 0, "no memory for the stack: %s", strerror(errno));
    }
    space_top = low - GUARD_GAP;

    struct pen pen = {top, top - size * 3 / 4}; /* execve's E2BIG is about a quarter; more is not ours to refuse */
    push(&pen, &null, sizeof null);
    const uint64_t name = push(&pen, program_name, strlen(program_name) + 1);
    int failed = !name || push_strings(&pen, envp, envc) < 0;
    const uint64_t env = pen.at;
    failed = failed || push_strings(&pen, argv, argc) < 0;
    const uint64_t arg = pen.at;
    const uint64_t platform = push(&pen, "x86_64", 7), seed = push(&pen, random, sizeof random);
    if (failed || !platform || !seed || words * 8 + 16 > pen.at - pen.low) {
        return rc_fail(err, RC_E_NO_MEMORY, 0, "arguments and environment do not fit the stack");
    }
    cpuid_of(1, 0, cpu);
    const uint64_t aux[AUX_ROWS][2] = {
        {AT_HWCAP, cpu[3]},
        {AT_PAGESZ, PAGE},
        {AT_CLKTCK, (uint64_t)sysconf(_SC_CLK_TCK)},
        {AT_PHDR, p->phdr},
        {AT_PHENT, p->phent},
        {AT_PHNUM, p->phnum},
        {AT_BASE, 0},
        {AT_FLAGS, 0},
        {AT_ENTRY, p->entry},
        {AT_UID, getuid()},
        {AT_EUID, geteuid()},
        {AT_GID, getgid()},
        {AT_EGID, getegid()},
        {AT_SECURE, 0},
        {AT_RANDOM, seed},
        {AT_HWCAP2, 0},
        {AT_EXECFN, name},
        {AT_PLATFORM, platform},
        {AT_MINSIGSTKSZ, MIN_SIGNAL_STACK},
        {AT_NULL, 0},
    };
    pen.at = (pen.at - words * 8) & ~UINT64_C(15);
    uint64_t *out = (uint64_t *)(space + pen.at);
    *out++ = argc;
    out = pointers(out, arg, argc);
    out = pointers(out, env, envc);
    memcpy(out, aux, sizeof aux);
    *rsp = pen.at;
    return 0;
}
