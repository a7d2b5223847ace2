// A bytecode machine with computed goto, one with a switch and one with a table of functions, on the same programs.
#include <stdint.h>
#include <stdio.h>

enum { PUSH, ADD, SUB, MUL, DUP, SWAP, OVER, DROP, JZ, JMP, LOAD, STORE, LESS, PRINT, CALL, RET, MOD, HALT };
static const int8_t primes[] = {PUSH, 2,    STORE, 0,   LOAD, 0,  PUSH, 100,  LESS, JZ,   40,   PUSH, 2,   STORE, 1,
                                LOAD, 1,    LOAD,  0,   LESS, JZ, 34,   LOAD, 0,    LOAD, 1,    MOD,  JZ,  36,    LOAD,
                                1,    PUSH, 1,     ADD, JMP,  13, JMP,  41,   JMP,  43,   HALT, HALT, HALT};
static const int8_t factorials[] = {PUSH, 1,     STORE, 0,     PUSH,  1,    STORE, 1,  LOAD, 1, LOAD,
                                    0,    MUL,   DUP,   PRINT, STORE, 1,    LOAD,  0,  PUSH, 1, ADD,
                                    DUP,  STORE, 0,     PUSH,  15,    LESS, JZ,    32, JMP,  8, HALT};
static const int8_t calls[] = {PUSH, 20, CALL, 5, HALT, DUP, PRINT, DUP, JZ, 15, PUSH, 1, SUB, CALL, 5, RET};

struct machine {
    const int8_t *code;
    int64_t stack[64], vars[4];
    int returns[64], pc, sp, rp;
    uint64_t hash, steps;
};
static void print(struct machine *m, int64_t v) {
    m->hash = m->hash * 31 + (uint64_t)v;
}

static void by_goto(struct machine *m) {
    static const void *const to[] = {&&push, &&add,  &&sub,   &&mul,  &&dup, &&swap, &&over, &&drop, &&jz,
                                     &&jmp,  &&load, &&store, &&less, &&out, &&call, &&ret,  &&mod,  &&halt};
    const int8_t *c = m->code;
    int64_t *s = m->stack, t;
    int pc = 0, sp = 0;
#define NEXT                                                                                                           \
    do {                                                                                                               \
        if (++m->steps > 20000)                                                                                        \
            goto halt;                                                                                                 \
        goto *to[c[pc++]];                                                                                             \
    } while (0)
    NEXT;
push:
    s[sp++ & 63] = c[pc++];
    NEXT;
add:
    sp--, s[sp - 1 & 63] += s[sp & 63];
    NEXT;
sub:
    sp--, s[sp - 1 & 63] -= s[sp & 63];
    NEXT;
mul:
    sp--, s[sp - 1 & 63] = (int64_t)((uint64_t)s[sp - 1 & 63] * (uint64_t)s[sp & 63]);
    NEXT;
dup:
    s[sp & 63] = s[sp - 1 & 63], sp++;
    NEXT;
swap:
    t = s[sp - 1 & 63], s[sp - 1 & 63] = s[sp - 2 & 63], s[sp - 2 & 63] = t;
    NEXT;
over:
    s[sp & 63] = s[sp - 2 & 63], sp++;
    NEXT;
drop:
    sp--;
    NEXT;
jz:
    sp--, pc = s[sp & 63] ? pc + 1 : c[pc];
    NEXT;
jmp:
    pc = c[pc];
    NEXT;
load:
    s[sp++ & 63] = m->vars[c[pc++]];
    NEXT;
store:
    m->vars[c[pc++]] = s[--sp & 63];
    NEXT;
less:
    sp--, s[sp - 1 & 63] = s[sp - 1 & 63] < s[sp & 63];
    NEXT;
out:
    print(m, s[--sp & 63]);
    NEXT;
call:
    m->returns[m->rp++ & 63] = pc + 1, pc = c[pc];
    NEXT;
ret:
    pc = m->returns[--m->rp & 63];
    NEXT;
mod:
    sp--, s[sp - 1 & 63] %= s[sp & 63] ? s[sp & 63] : 1;
    NEXT;
halt:
    m->pc = pc, m->sp = sp;
}
static void by_switch(struct machine *m) {
    const int8_t *c = m->code;
    int64_t *s = m->stack, t;
    int pc = 0, sp = 0;
    while (++m->steps <= 20000) {
        switch (c[pc++]) {
        case PUSH:
            s[sp++ & 63] = c[pc++];
            break;
        case ADD:
            sp--, s[sp - 1 & 63] += s[sp & 63];
            break;
        case SUB:
            sp--, s[sp - 1 & 63] -= s[sp & 63];
            break;
        case MUL:
            sp--, s[sp - 1 & 63] = (int64_t)((uint64_t)s[sp - 1 & 63] * (uint64_t)s[sp & 63]);
            break;
        case DUP:
            s[sp & 63] = s[sp - 1 & 63], sp++;
            break;
        case SWAP:
            t = s[sp - 1 & 63], s[sp - 1 & 63] = s[sp - 2 & 63], s[sp - 2 & 63] = t;
            break;
        case OVER:
            s[sp & 63] = s[sp - 2 & 63], sp++;
            break;
        case DROP:
            sp--;
            break;
        case JZ:
            sp--, pc = s[sp & 63] ? pc + 1 : c[pc];
            break;
        case JMP:
            pc = c[pc];
            break;
        case LOAD:
            s[sp++ & 63] = m->vars[c[pc++]];
            break;
        case STORE:
            m->vars[c[pc++]] = s[--sp & 63];
            break;
        case LESS:
            sp--, s[sp - 1 & 63] = s[sp - 1 & 63] < s[sp & 63];
            break;
        case PRINT:
            print(m, s[--sp & 63]);
            break;
        case CALL:
            m->returns[m->rp++ & 63] = pc + 1, pc = c[pc];
            break;
        case RET:
            pc = m->returns[--m->rp & 63];
            break;
        case MOD:
            sp--, s[sp - 1 & 63] %= s[sp & 63] ? s[sp & 63] : 1;
            break;
        case HALT:
            m->pc = pc, m->sp = sp;
            return;
        }
    }
}
static int64_t pop(struct machine *m) {
    return m->stack[--m->sp & 63];
}
static void push_(struct machine *m, int64_t v) {
    m->stack[m->sp++ & 63] = v;
}
static void f_push(struct machine *m) {
    push_(m, m->code[m->pc++]);
}
static void f_add(struct machine *m) {
    int64_t b = pop(m);
    push_(m, pop(m) + b);
}
static void f_sub(struct machine *m) {
    int64_t b = pop(m);
    push_(m, pop(m) - b);
}
static void f_mul(struct machine *m) {
    uint64_t b = (uint64_t)pop(m);
    push_(m, (int64_t)((uint64_t)pop(m) * b));
}
static void f_dup(struct machine *m) {
    int64_t b = pop(m);
    push_(m, b), push_(m, b);
}
static void f_swap(struct machine *m) {
    int64_t b = pop(m), a = pop(m);
    push_(m, b), push_(m, a);
}
static void f_over(struct machine *m) {
    push_(m, m->stack[m->sp - 2 & 63]);
}
static void f_drop(struct machine *m) {
    pop(m);
}
static void f_jz(struct machine *m) {
    m->pc = pop(m) ? m->pc + 1 : m->code[m->pc];
}
static void f_jmp(struct machine *m) {
    m->pc = m->code[m->pc];
}
static void f_load(struct machine *m) {
    push_(m, m->vars[m->code[m->pc++]]);
}
static void f_store(struct machine *m) {
    m->vars[m->code[m->pc]] = pop(m), m->pc++;
}
static void f_less(struct machine *m) {
    int64_t b = pop(m);
    push_(m, pop(m) < b);
}
static void f_print(struct machine *m) {
    print(m, pop(m));
}
static void f_call(struct machine *m) {
    m->returns[m->rp++ & 63] = m->pc + 1, m->pc = m->code[m->pc];
}
static void f_ret(struct machine *m) {
    m->pc = m->returns[--m->rp & 63];
}
static void f_mod(struct machine *m) {
    int64_t b = pop(m);
    push_(m, pop(m) % (b ? b : 1));
}
static void by_table(struct machine *m) {
    static void (*const to[])(struct machine *) = {f_push, f_add,   f_sub,  f_mul, f_dup,  f_swap,
                                                   f_over, f_drop,  f_jz,   f_jmp, f_load, f_store,
                                                   f_less, f_print, f_call, f_ret, f_mod};
    while (++m->steps <= 20000) {
        int op = m->code[m->pc++];
        if (op == HALT) {
            return;
        }
        to[op](m);
    }
}
int main(int argc, char **argv) {
    (void)argc, (void)argv;
    static const int8_t *const programs[] = {primes, factorials, calls};
    static void (*const ways[])(struct machine *) = {by_goto, by_switch, by_table};
    for (int p = 0; p < 3; p++) {
        for (int w = 0; w < 3; w++) {
            struct machine m = {.code = programs[p]};
            ways[w](&m);
            printf("%d %d: %016llx after %llu at %d, %lld %lld\n", p, w, (unsigned long long)m.hash,
                   (unsigned long long)m.steps, m.pc, (long long)m.vars[0], (long long)m.vars[1]);
        }
    }
    return 0;
}
