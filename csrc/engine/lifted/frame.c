/* In: a signal, or rt_sigreturn. Out: the frame that Linux pushes on the guest's stack for it, pushed, or taken back:
 *
 *   rsp -> pretcode | ucontext: flags, link, stack, sigcontext, mask | siginfo | ... 64-aligned: FXSAVE, 512 bytes
 *
 * arch/x86/kernel/signal_64.c of Linux, on a processor without XSAVE. */
#include <string.h>

#include "engine/lifted/lifted.h"

enum { RED_ZONE = 128, FXSAVE = 512, USER_CS = 0x33, USER_SS = 0x2b };
enum { UC_SIGCONTEXT_SS = 2, UC_STRICT_RESTORE_SS = 4 };
enum { FX_FCW = 0, FX_FSW = 2, FX_TAGS = 4, FX_MXCSR = 24, FX_MXCSR_MASK = 28, FX_ST = 32, FX_XMM = 160 };
enum { FCW_DEFAULT = 0x37f, MXCSR_DEFAULT = 0x1f80, MXCSR_MASK = 0xffff, EXTENDED = 10 };
#define ALWAYS_ON     0x202 /* bit 1 of EFLAGS, and IF */
#define SS_AUTODISARM (1u << 31)

struct sigcontext64 {
    uint64_t gpr[16]; /* in the order of `order` */
    uint64_t rip, eflags;
    uint16_t cs, gs, fs, ss;
    uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
};
struct rt_sigframe {
    uint64_t pretcode;
    uint64_t flags, link;
    struct altstack stack;
    struct sigcontext64 context;
    uint64_t mask;
    siginfo_t info;
};
static const uint8_t order[16] = {R8, R9, R10, R11, R12, R13, R14, R15, RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP};
static const uint8_t flag_bit[FLAGS] = {0, 2, 4, 6, 7, 11, 10};

__thread struct altstack altstack = {.flags = SS_DISABLE};

int altstack_holds(uint64_t rsp) {
    return !(altstack.flags & (int32_t)SS_AUTODISARM) && !(altstack.flags & SS_DISABLE) && rsp > altstack.sp &&
           rsp - altstack.sp <= altstack.size;
}

/* Where ST(i) is: SDM vol. 1, 10.5.1. */
static uint8_t *st(struct x87 *x87, int i) {
    return x87->r[((x87->status >> 11) + i) & 7];
}

static void fxsave(uint8_t out[FXSAVE], struct registers *r) {
    const uint16_t fcw = r->x87.control ^ FCW_DEFAULT;
    const uint32_t mask = MXCSR_MASK;
    memset(out, 0, FXSAVE);
    memcpy(out + FX_FCW, &fcw, sizeof fcw);
    memcpy(out + FX_FSW, &r->x87.status, sizeof r->x87.status);
    out[FX_TAGS] = r->x87.tags;
    for (int i = 0; i < 8; i++) {
        memcpy(out + FX_ST + i * 16, st(&r->x87, i), EXTENDED);
    }
    memcpy(out + FX_MXCSR, &r->mxcsr, sizeof r->mxcsr);
    memcpy(out + FX_MXCSR_MASK, &mask, sizeof mask);
    memcpy(out + FX_XMM, r->xmm, sizeof r->xmm);
}

static void fxrstor(struct registers *r, const uint8_t in[FXSAVE]) {
    memcpy(&r->x87.control, in + FX_FCW, sizeof r->x87.control);
    r->x87.control ^= FCW_DEFAULT;
    memcpy(&r->x87.status, in + FX_FSW, sizeof r->x87.status);
    r->x87.tags = in[FX_TAGS];
    for (int i = 0; i < 8; i++) {
        memcpy(st(&r->x87, i), in + FX_ST + i * 16, EXTENDED);
    }
    memcpy(&r->mxcsr, in + FX_MXCSR, sizeof r->mxcsr);
    r->mxcsr &= MXCSR_MASK;
    memcpy(r->xmm, in + FX_XMM, sizeof r->xmm);
}

/* A handler begins with the units as a program does: fpu__clear_user_states of Linux. */
static void fninit(struct registers *r) {
    r->x87 = (struct x87){0};
    r->mxcsr = MXCSR_DEFAULT;
    memset(r->xmm, 0, sizeof r->xmm);
}

uint64_t frame_push(const struct action *action, int sig, const siginfo_t *info, uint64_t pc, uint64_t mask) {
    struct registers r;
    struct rt_sigframe frame = {.pretcode = action->restorer, .flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS};
    uint8_t fx[FXSAVE];
    registers_load(&r);

    const uint64_t rsp = r.gpr[RSP];
    const int was_on = altstack_holds(rsp);
    const int switches = (action->flags & SA_ONSTACK) && !(altstack.flags & SS_DISABLE) && !was_on;
    uint64_t sp = switches ? altstack.sp + altstack.size : rsp - RED_ZONE;
    const uint64_t fpstate = (sp - FXSAVE) & ~UINT64_C(63);
    sp = ((fpstate - sizeof frame) & ~UINT64_C(15)) - 8;
    if ((switches || was_on) && !(sp > altstack.sp && sp - altstack.sp <= altstack.size)) {
        return 0;
    }

    frame.stack = altstack;
    frame.stack.flags |= was_on ? SS_ONSTACK : 0;
    for (int i = 0; i < 16; i++) {
        frame.context.gpr[i] = r.gpr[order[i]];
    }
    frame.context.rip = pc;
    frame.context.eflags = ALWAYS_ON;
    for (int i = 0; i < FLAGS; i++) {
        frame.context.eflags |= (uint64_t)r.flag[i] << flag_bit[i];
    }
    frame.context.cs = USER_CS;
    frame.context.ss = USER_SS;
    frame.context.oldmask = mask;
    frame.context.cr2 = sig == SIGSEGV || sig == SIGBUS ? (uint64_t)(uintptr_t)info->si_addr : 0;
    frame.context.fpstate = fpstate;
    frame.mask = mask;
    frame.info = *info;
    fxsave(fx, &r);
    if (!(action->flags & 0x04000000) /* SA_RESTORER: x86-64 has no other way back */ ||
        guest_write(fpstate, fx, sizeof fx) < 0 || guest_write(sp, &frame, sizeof frame) < 0) {
        return 0;
    }

    r.gpr[RDI] = (uint64_t)sig;
    r.gpr[RSI] = sp + offsetof(struct rt_sigframe, info);
    r.gpr[RDX] = sp + offsetof(struct rt_sigframe, flags);
    r.gpr[RAX] = 0;
    r.gpr[RSP] = sp;
    r.flag[DF] = 0;
    fninit(&r);
    registers_store(&r);
    if (switches && (altstack.flags & (int32_t)SS_AUTODISARM)) {
        altstack = (struct altstack){.flags = SS_DISABLE};
    }
    return action->handler;
}

int frame_pop(uint64_t *pc, uint64_t *rax, uint64_t *mask) {
    struct registers r = {0};
    struct rt_sigframe frame;
    uint8_t fx[FXSAVE];
    if (guest_read(&frame, register_get(RSP) - 8, sizeof frame) < 0) { /* the handler's ret has taken pretcode */
        return -1;
    }
    if (!frame.context.fpstate) {
        registers_load(&r);
    } else if (guest_read(fx, frame.context.fpstate, sizeof fx) == 0) {
        fxrstor(&r, fx);
    } else {
        return -1;
    }
    for (int i = 0; i < 16; i++) {
        r.gpr[order[i]] = frame.context.gpr[i];
    }
    for (int i = 0; i < FLAGS; i++) {
        r.flag[i] = (uint32_t)(frame.context.eflags >> flag_bit[i] & 1);
    }
    registers_store(&r);
    frame.stack.flags &= ~SS_ONSTACK;
    if (!altstack_holds(r.gpr[RSP])) {
        altstack = frame.stack;
    }
    *pc = frame.context.rip;
    *rax = r.gpr[RAX];
    *mask = frame.mask;
    return 0;
}
