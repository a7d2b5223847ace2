/* Interpreters by computed goto (GNU C): a dispatch in every handler, through tables of addresses or of distances. */

#include "shapes.h"

extern volatile long seen;

#define OPS 8
#define PROGRAM(index)                                                                                                 \
    unsigned char program[24];                                                                                         \
    for (int n = 0; n < 23; n++)                                                                                       \
        program[n] = (unsigned char)(((index) + n * n) % (OPS - 1) & 7);                                               \
    program[23] = OPS - 1;                                                                                             \
    const unsigned char *at = program;                                                                                 \
    long total = (index)

#define HANDLERS(NEXT)                                                                                                 \
    add:                                                                                                               \
    total += 5;                                                                                                        \
    NEXT;                                                                                                              \
    sub:                                                                                                               \
    total -= 3;                                                                                                        \
    NEXT;                                                                                                              \
    twice:                                                                                                             \
    total = total * 2 & 0xFFFFFF;                                                                                      \
    NEXT;                                                                                                              \
    xor:                                                                                                               \
    total ^= 0x55;                                                                                                     \
    NEXT;                                                                                                              \
    store:                                                                                                             \
    seen = total;                                                                                                      \
    NEXT;                                                                                                              \
    load:                                                                                                              \
    total += seen & 7;                                                                                                 \
    NEXT;                                                                                                              \
    skip:                                                                                                              \
    if (total & 1)                                                                                                     \
        at += at[0] != OPS - 1;                                                                                        \
    NEXT;                                                                                                              \
    stop:                                                                                                              \
    return total;

#define LABELS         &&add, &&sub, &&twice, &&xor, &&store, &&load, &&skip, &&stop
#define THROUGH(table) goto *table[*at++]

long threaded(long index) {
    static const void *const table[OPS] = {LABELS};
    PROGRAM(index);
    THROUGH(table);
    HANDLERS(THROUGH(table))
}

long threaded_offsets(long index) {
    static const int table[OPS] = {&&add - &&add,   &&sub - &&add,  &&twice - &&add, &&xor - &&add,
                                   &&store - &&add, &&load - &&add, &&skip - &&add,  &&stop - &&add};
    PROGRAM(index);
#define BY_OFFSET goto *(void *)((char *) && add + table[*at++])
    BY_OFFSET;
    HANDLERS(BY_OFFSET)
}

long threaded_writable(long index) {
    static const void *table[OPS] = {LABELS};
    if (index == 12) { /* from here on `sub` adds */
        table[1] = table[0];
    }
    PROGRAM(index);
    THROUGH(table);
    HANDLERS(THROUGH(table))
}

long threaded_on_stack(long index) {
    const void *table[OPS] = {LABELS};
    if (index & 1) {
        table[2] = table[3];
    }
    PROGRAM(index);
    THROUGH(table);
    HANDLERS(THROUGH(table))
}

long threaded_code(long index) {
    static const void *const table[OPS] = {LABELS};
    const void *code[25];
    PROGRAM(index);
    for (int n = 0; n < 24; n++) {
        code[n] = table[program[n]];
    }
    const void **next = code;
#define BY_CODE                                                                                                        \
    at++;                                                                                                              \
    goto **next++
    BY_CODE;
    HANDLERS(BY_CODE)
}

long one_dispatch(long index) {
    static const void *const table[OPS] = {LABELS};
    PROGRAM(index);
dispatch:
    THROUGH(table);
    HANDLERS(goto dispatch)
}

__attribute__((noinline)) static long outside(long value) {
    seen ^= value;
    return value + 1;
}

long threaded_with_calls(long index) {
    static const void *const table[4] = {&&one, &&two, &&three, &&end};
    PROGRAM(index);
#define NEXT goto *table[*at++ & 3]
    NEXT;
one:
    total = outside(total);
    NEXT;
two:
    total -= outside(at[-1]);
    NEXT;
three:
    total ^= outside(outside(seen));
    NEXT;
end:
    return total + outside(total);
}
