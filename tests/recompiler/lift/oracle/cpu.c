/* In: a shared file with one task (an instruction, where its operands lie) and room for states. Out: states made,
 * run on this CPU, compared. One letter on stdin per request, eight bytes on stdout per answer.
 *
 *     m   make task.n states                      -> n
 *     r   run the code on each: in -> native      -> how many faulted
 *     c   compare native with lifted              -> the first that differs, or -1
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <unistd.h>

enum { PAGE = 4096, LOW = 256, MIDDLE = 512, HIGH = 256, DATA = LOW + MIDDLE + HIGH };
enum {
    CODE = 0x20000000,
    WINDOW = 0x10000000,
    WINDOW_END = WINDOW + 2 * PAGE,
    STATES = 2048,
    SECONDS = 20,
    RSP = 4,
    RANGES = 8
};

struct state {
    uint64_t gpr[16];
    uint64_t flags; /* bits of RFLAGS, then BE L LE at 32..34 */
    uint32_t fault; /* signal number, or 0 */
    uint32_t pad;
    uint64_t fault_pc; /* from the instruction's start */
    uint64_t pad2;
    uint8_t fx[512];    /* FXSAVE: mxcsr at 24, st at 32, xmm at 160 */
    uint8_t data[DATA]; /* around the start, the middle and the end of the window of two pages */
};

struct operand {
    int32_t used, base, index, scale;         /* base, index: register numbers, or -1 */
    int32_t before, after, align;             /* the access is [address - before, address + after) */
    int32_t address_bits, index_bits, strict; /* strict: aligned in every state */
    int64_t displacement;                     /* segment base included */
};

struct range {
    int32_t gpr, bits, share, pad; /* gpr -1: unused; noise above the bits; share of 256 of the states */
    int64_t low, high;
};

struct task {
    uint64_t seed, n, code_size, fs, gs;
    uint8_t code[1024];
    struct operand operands[2];
    struct range ranges[RANGES];
    uint64_t fault_share; /* of 256: states whose memory operand reaches out of the window */
    uint64_t defined[64]; /* by CL & 63: the flags to compare; bit 63: nothing is defined */
    uint64_t wanted;
    uint64_t approximate;  /* vectors are of f32, and equal within the manual's bound */
    uint64_t nans;         /* bytes of a lane in which one NaN is as good as another; 0: none */
    uint64_t memory_after; /* compare memory after a fault too */
    uint64_t flat;         /* data is mostly runs of AL */
    uint64_t x87;          /* states of the x87 unit, compared too; the rest of this kind: x87.h */
    uint64_t status, ulps, partial, decimal, odd, exam;
    double domain;
    uint64_t mxcsr;
    uint64_t bases;      /* general registers that become a segment's base */
    uint64_t half;       /* of this register (1 + number) the upper half is undefined where ZF is set */
    uint64_t early;      /* which of its accesses faults is the CPU's */
    int64_t mxcsr_at;    /* where in operand 0 the new MXCSR lies, or -1 */
    uint8_t ignored[64]; /* a bit for each byte of operand 0 that differs from CPU to CPU */
    uint64_t compared, faulted;
};

struct shared {
    union {
        struct task task;
        uint8_t room[PAGE];
    };
    struct state in[STATES], native[STATES], lifted[STATES];
};

struct state current __attribute__((aligned(64)));
uint64_t host_rsp;
static struct shared *all;
static uint8_t alternate[65536];

void enter(void);
extern char leave_fault[], leave_normal[];

__asm__(".text\n.globl enter, leave_normal, leave_fault\n"
        "enter:\n"
        "  push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
        "  mov %rsp, host_rsp\n"
        "  fxrstor64 current+160\n"
        "  mov $current+128, %rsp\n"
        "  popfq\n"
        "  mov current+0, %rax\n mov current+8, %rcx\n mov current+16, %rdx\n mov current+24, %rbx\n"
        "  mov current+32, %rsp\n mov current+40, %rbp\n mov current+48, %rsi\n mov current+56, %rdi\n"
        "  mov current+64, %r8\n mov current+72, %r9\n mov current+80, %r10\n mov current+88, %r11\n"
        "  mov current+96, %r12\n mov current+104, %r13\n mov current+112, %r14\n mov current+120, %r15\n"
        "  jmp 0x20000000\n"
        "leave_normal:\n"
        "  mov %rax, current+0\n mov %rcx, current+8\n mov %rdx, current+16\n mov %rbx, current+24\n"
        "  mov %rsp, current+32\n mov %rbp, current+40\n mov %rsi, current+48\n mov %rdi, current+56\n"
        "  mov %r8, current+64\n mov %r9, current+72\n mov %r10, current+80\n mov %r11, current+88\n"
        "  mov %r12, current+96\n mov %r13, current+104\n mov %r14, current+112\n mov %r15, current+120\n"
        "  mov host_rsp, %rsp\n"
        "  pushfq\n pop current+128\n"
        "  push $2\n popfq\n"
        "  fxsave64 current+160\n"
        "leave_fault:\n"
        "  mov host_rsp, %rsp\n"
        "  fninit\n" /* the comparison computes with long doubles */
        "  cld\n"
        "  pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
        "  ret\n");

/* A fault of the instruction: its state is what the kernel saved. */
static void caught(int signal, siginfo_t *info, void *context) {
    ucontext_t *where = context;
    greg_t *g = where->uc_mcontext.gregs;
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    (void)info;
    if (signal == SIGTRAP && g[REG_RIP] == (greg_t)(uintptr_t)leave_normal) { /* POPF has set TF */
        g[REG_EFL] &= ~0x100;
        return;
    }
    if (g[REG_RIP] < CODE || g[REG_RIP] >= CODE + PAGE) {
        _exit(100 + signal);
    }
    for (int i = 0; i < 16; i++) {
        current.gpr[i] = (uint64_t)g[order[i]];
    }
    current.flags = (uint64_t)g[REG_EFL];
    current.fault = (uint32_t)signal;
    current.fault_pc = (uint64_t)g[REG_RIP] - CODE;
    memcpy(current.fx, where->uc_mcontext.fpregs, sizeof current.fx);
    g[REG_RIP] = (greg_t)(uintptr_t)leave_fault;
    g[REG_EFL] &= ~0x400;
}

/* ---- states */

#include "values.h"

/* Where in the data a byte of the window is kept, or NULL. */
static uint8_t *kept(struct state *s, uint64_t at) {
    if (at - WINDOW < LOW) {
        return s->data + (at - WINDOW);
    }
    if (at - (WINDOW + PAGE - MIDDLE / 2) < MIDDLE) {
        return s->data + LOW + (at - (WINDOW + PAGE - MIDDLE / 2));
    }
    return at - (WINDOW_END - HIGH) < HIGH ? s->data + LOW + MIDDLE + (at - (WINDOW_END - HIGH)) : NULL;
}

static uint64_t effective(const struct state *s, const struct operand *o) {
    uint64_t index = o->index < 0 ? 0 : o->index_bits == 8 ? s->gpr[o->index] & 0xff : s->gpr[o->index];
    uint64_t at = (o->base < 0 ? 0 : s->gpr[o->base]) + index * (uint64_t)o->scale + (uint64_t)o->displacement;
    return o->address_bits == 32 ? at & 0xffffffff : at;
}

/* Where a memory operand lies: mostly around the border of the two pages, sometimes at the window's ends or beyond. */
static uint64_t address(const struct operand *o, int fault) {
    uint64_t before = (uint64_t)o->before, after = (uint64_t)o->after, at, step = (uint64_t)o->align;
    if (fault && before) { /* the operand lies somewhere about the address */
        return below(2) ? WINDOW_END - below(64) : WINDOW + below(64);
    }
    if (fault && below(4)) {
        return WINDOW_END - after + 1 + below(after);
    }
    if (fault) { /* an index rounds up, and is to stay below */
        return WINDOW - (uint64_t)(o->scale + (o->base == o->index)) - below(after);
    }
    if (below(8) == 0 && before + after <= LOW) {
        at = (below(2) ? WINDOW : WINDOW_END - HIGH) + before + below(LOW - before - after + 1);
    } else if (before + after < 64 && below(2)) {
        at = WINDOW + PAGE - 16 + below(32);
    } else {
        at = WINDOW + PAGE - MIDDLE / 2 + before + below(MIDDLE - before - after + 1);
    }
    if (step > 1 && (o->strict || below(8))) {
        at &= ~(step - 1);
        if (at < WINDOW || (at >= WINDOW + LOW && at < WINDOW + PAGE - MIDDLE / 2 + before) ||
            (at >= WINDOW + PAGE + MIDDLE / 2 && at < WINDOW_END - HIGH + before)) {
            at += step;
        }
    }
    return at;
}

static void aim(struct state *s, const struct operand *o, int fault, uint32_t *fixed) {
    uint64_t sum = address(o, fault) - (uint64_t)o->displacement;
    if (o->index >= 0 && (o->base < 0 || o->base == o->index || *fixed >> o->base & 1)) {
        if (*fixed >> o->index & 1) {
            return;
        }
        int64_t rest = (int64_t)(o->base >= 0 && o->base != o->index ? sum - s->gpr[o->base] : sum);
        int64_t scale = o->scale + (o->base == o->index);
        s->gpr[o->index] = (uint64_t)(rest / scale + (rest % scale > 0));
        *fixed |= 1u << o->index;
    } else if (o->base >= 0 && !(*fixed >> o->base & 1)) {
        if (o->index >= 0) {
            uint64_t index = s->gpr[o->index];
            sum -= (o->index_bits == 8 ? index & 0xff : index) * (uint64_t)o->scale;
        }
        s->gpr[o->base] = sum;
        *fixed |= 1u << o->base;
        if (o->index >= 0) {
            *fixed |= 1u << o->index;
        }
    }
}

#include "x87.h"

static void make(const struct task *t, struct state *s) {
    static const uint16_t fcw = 0x37f;
    uint32_t fixed = 0;
    memset(s, 0, sizeof *s);
    for (int i = 0; i < 16; i++) {
        s->gpr[i] = below(12) || !i ? integer() : s->gpr[below((uint64_t)i)];
    }
    s->flags = (next() & 0xcd5) | 0x202;
    memcpy(s->fx, &fcw, 2);
    memcpy(s->fx + 24, &t->mxcsr, 4);
    if (t->x87) {
        x87_make(t, s->fx);
    }
    for (int i = 0; i < 16; i++) {
        if (i && !below(8)) {
            memcpy(s->fx + 160 + 16 * i, s->fx + 160 + 16 * below((uint64_t)i), 16);
        } else {
            vector(s->fx + 160 + 16 * i);
        }
    }
    for (int i = 0; i < DATA; i += 16) {
        if (i % 64 == 0) {
            vector(s->data + i);
        } else {
            memcpy(s->data + i, below(4) ? s->fx + 160 + 16 * below(16) : s->data + 16 * below((uint64_t)i / 16), 16);
        }
    }
    for (int i = 0; i < RANGES; i++) {
        const struct range *r = &t->ranges[i];
        if (r->gpr < 0 || below(256) >= (uint64_t)r->share) {
            continue;
        }
        uint64_t value = (uint64_t)r->low + below((uint64_t)(r->high - r->low) + 1);
        s->gpr[r->gpr] = r->bits < 64 ? next() << r->bits | (value & ((1ull << r->bits) - 1)) : value;
    }
    if (t->flat && below(4)) { /* long runs of equal bytes, for comparisons that repeat */
        memset(s->data, (int)s->gpr[0] & 0xff, DATA);
        for (uint64_t i = below(6); i--;) {
            s->data[below(DATA)] ^= (uint8_t)below(3);
        }
        if (below(2)) {
            s->gpr[0] = (s->gpr[0] & 0xff) * 0x0101010101010101;
        }
    }
    for (int i = 0; i < 2; i++) {
        const struct operand *o = &t->operands[i];
        if (!o->used) {
            continue;
        }
        aim(s, o, below(256) < t->fault_share, &fixed);
        if (o->address_bits == 32) { /* the upper halves do not matter, except to the stack */
            if (o->base >= 0) {
                s->gpr[o->base] = (s->gpr[o->base] & 0xffffffff) | (o->base == RSP ? 0 : next() << 32);
            }
            if (o->index >= 0 && o->index != o->base) {
                s->gpr[o->index] = (s->gpr[o->index] & 0xffffffff) | next() << 32;
            }
        }
    }
    for (uint64_t i = 0; t->decimal && i < 10; i++) { /* digits above 9 are undefined */
        uint8_t *at = kept(s, effective(s, t->operands) + i);
        if (at && i < 9) {
            *at = (uint8_t)((*at >> 4) % 10 << 4 | (*at & 15) % 10);
        }
    }
    for (int i = 0; i < 16; i++) { /* how many bits an address has is the CPU's: 48 or 57 */
        int64_t value = (int64_t)s->gpr[i];
        if (t->bases >> i & 1 && value >> 47 != value >> 63 && value >> 56 == value >> 63) {
            s->gpr[i] ^= 1ull << 60;
        }
    }
    if (t->mxcsr_at >= 0) { /* bit 17 is reserved on some CPUs only */
        uint64_t at = effective(s, t->operands) + (uint64_t)t->mxcsr_at;
        uint32_t value = (uint32_t)next() & 0xffff, bad = below(8) ? 0 : 1u << (18 + below(14));
        for (uint64_t i = 0; i < 4; i++) {
            if (kept(s, at + i)) {
                *kept(s, at + i) = (uint8_t)((value | bad) >> 8 * i);
            }
        }
    }
}

/* ---- running */

static void spots(uint8_t *data, int in) {
    static const struct {
        uint32_t at, size;
    } spot[] = {{WINDOW, LOW}, {WINDOW + PAGE - MIDDLE / 2, MIDDLE}, {WINDOW_END - HIGH, HIGH}};
    for (int i = 0; i < 3; data += spot[i++].size) {
        void *place = (void *)(uintptr_t)spot[i].at;
        memcpy(in ? place : data, in ? data : place, spot[i].size);
    }
}

static void run(const struct state *in, struct state *out) {
    current = *in;
    spots(current.data, 1);
    enter();
    spots(current.data, 0);
    *out = current;
}

static uint64_t run_all(struct task *t) {
    static const uint32_t slot = CODE + PAGE / 2; /* aligned: the instruction may have set AC */
    uint8_t *code = (uint8_t *)(uintptr_t)CODE;
    uint64_t target = (uint64_t)(uintptr_t)leave_normal, faults = 0;
    memcpy(code, t->code, t->code_size);
    memcpy(code + t->code_size, "\xff\x24\x25", 3); /* jmp [slot] */
    memcpy(code + t->code_size + 3, &slot, sizeof slot);
    memcpy(code + PAGE / 2, &target, sizeof target);
    uint64_t own;
    syscall(SYS_arch_prctl, ARCH_SET_GS, t->gs);
    syscall(SYS_arch_prctl, ARCH_GET_FS, &own);
    syscall(SYS_arch_prctl, ARCH_SET_FS, t->fs); /* nothing below uses errno or a thread's variables */
    memset((void *)(uintptr_t)WINDOW, 0xa5, 2 * PAGE);
    for (uint64_t i = 0; i < t->n; i++) {
        run(&all->in[i], &all->native[i]);
        faults += all->native[i].fault != 0;
    }
    __asm__ volatile("syscall" : : "a"(SYS_arch_prctl), "D"(ARCH_SET_FS), "S"(own) : "rcx", "r11", "memory");
    return faults;
}

/* ---- comparing */

static uint64_t composites(uint64_t flags) {
    uint64_t c = flags & 1, z = flags >> 6 & 1, s = flags >> 7 & 1, o = flags >> 11 & 1;
    return flags | (c | z) << 32 | (s ^ o) << 33 | (z | (s ^ o)) << 34;
}

/* Of an approximation the manual bounds the relative error by 1.5 * 2^-12 and leaves the bits to the CPU; a reciprocal
 * about the least normal number may be 0. The lifted one is the rounded quotient. */
static int near(const uint8_t *cpu, const uint8_t *lifted) {
    float x, y;
    memcpy(&x, cpu, sizeof x);
    memcpy(&y, lifted, sizeof y);
    if (!memcmp(cpu, lifted, sizeof x)) {
        return 1;
    }
    if (!((cpu[3] ^ lifted[3]) >> 7) && (x == 0 || y == 0)) {
        return __builtin_fabsf(x + y) < 0x1.01p-126f;
    }
    return __builtin_isfinite(x) && __builtin_isfinite(y) &&
           __builtin_fabs((double)x - y) <= (0x1.8p-12 + 0x1p-23) * __builtin_fabs((double)y);
}

/* Equal, or both a NaN: which operand's is the result's where both are one. */
static int alike(const uint8_t *x, const uint8_t *y, int lane) {
    double a, b;
    float c, d;
    memcpy(&a, x, 8);
    memcpy(&b, y, 8);
    memcpy(&c, x, 4);
    memcpy(&d, y, 4);
    return !memcmp(x, y, (size_t)lane) || (lane == 8 ? a != a && b != b : c != c && d != d);
}

static int same_vectors(const struct task *t, const uint8_t *x, const uint8_t *y) {
    int same = !memcmp(x, y, 256);
    if (t->approximate) {
        for (int i = same = 0; i < 256 && (same = near(x + i, y + i)); i += 4)
            ;
    } else if (t->nans && !same) {
        for (int i = 0, lane = (int)t->nans; i < 256 && (same = alike(x + i, y + i, lane)); i += lane)
            ;
    }
    return same;
}

/* What differs from CPU to CPU: as this CPU has it. */
static void overlook(const struct task *t, const struct state *in, struct state *n, struct state *l) {
    if (t->half && n->flags & 0x40) {
        memcpy((uint8_t *)&l->gpr[t->half - 1] + 4, (uint8_t *)&n->gpr[t->half - 1] + 4, 4);
    }
    if (t->early && (n->fault || l->fault)) {
        *l = *n;
    }
    for (uint64_t i = 0; i < 512; i++) {
        uint64_t at = t->ignored[i / 8] >> i % 8 & 1 ? effective(in, t->operands) + i : 0;
        if (kept(n, at)) {
            *kept(l, at) = *kept(n, at);
        }
    }
}

static int same(struct task *t, const struct state *in, struct state *n, struct state *l) {
    uint64_t mask = t->defined[in->gpr[1] & 63];
    if (mask >> 63 || (t->x87 && x87_undefined(t, in->fx))) {
        return 1;
    }
    t->compared++;
    overlook(t, in, n, l);
    if (n->fault != l->fault || (n->fault && n->fault_pc != l->fault_pc)) {
        return 0;
    }
    if (n->fault) {
        t->faulted++;
        return !t->memory_after || !memcmp(n->data, l->data, DATA);
    }
    return !memcmp(n->gpr, l->gpr, sizeof n->gpr) && same_vectors(t, n->fx + 160, l->fx + 160) &&
           (!t->x87 || x87_same(t, n->fx, l->fx)) && !memcmp(n->data, l->data, DATA) &&
           !((composites(n->flags) ^ l->flags) & mask & t->wanted);
}

static uint64_t compare_all(struct task *t) {
    t->compared = t->faulted = 0;
    for (uint64_t i = 0; i < t->n; i++) {
        if (!same(t, &all->in[i], &all->native[i], &all->lifted[i])) {
            return i;
        }
    }
    return (uint64_t)-1;
}

static void *map(uintptr_t at, size_t size, int protection, int flags, int file) {
    void *place = mmap((void *)at, size, protection, flags, file, 0);
    if (place == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return place;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        return 2;
    }
    int file = open(argv[1], O_RDWR), flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    all = map(0, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED, file);
    map(CODE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1);
    map(WINDOW, 2 * PAGE, PROT_READ | PROT_WRITE, flags, -1);
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaction(signals[i], &action, NULL);
    }
    for (char request; read(0, &request, 1) == 1;) {
        struct task *t = &all->task;
        uint64_t answer = t->n;
        alarm(SECONDS); /* an instruction that does not end ends the process */
        if (request == 'm') {
            seed = t->seed;
            for (uint64_t i = 0; i < t->n; i++) {
                make(t, &all->in[i]);
            }
        } else {
            answer = request == 'r' ? run_all(t) : compare_all(t);
        }
        alarm(0);
        if (write(1, &answer, sizeof answer) != sizeof answer) {
            return 1;
        }
    }
    return 0;
}
