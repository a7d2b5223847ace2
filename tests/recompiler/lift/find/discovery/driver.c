/* In: nothing, not even a libc. Out: a line per shape with what it returns for each index; the same whoever runs it. */

#include "shapes.h"

#define SHAPE(name) {#name, name},

static const struct {
    const char *name;
    long (*run)(long);
} ALL[] = {SHAPES(SHAPE)};

static char line[4096];

static long ask(long number, long a, const void *b, unsigned long c) {
    __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return number;
}

/* What compilers call without being asked. */
void *memset(void *to, int byte, unsigned long size) {
    void *at = to;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(byte) : "memory");
    return to;
}

void *memcpy(void *to, const void *from, unsigned long size) {
    void *at = to;
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
    return to;
}

static char *decimal(char *at, long value) {
    char digits[24];
    int count = 0;
    unsigned long rest = value < 0 ? 0 - (unsigned long)value : (unsigned long)value;
    do {
        digits[count++] = (char)('0' + rest % 10);
    } while (rest /= 10);
    if (value < 0) {
        digits[count++] = '-';
    }
    while (count) {
        *at++ = digits[--count];
    }
    return at;
}

/* Where a PIE was loaded is added to the words that DT_RELA names: all of them are R_X86_64_RELATIVE. */
static void relocate(const long *dynamic, long base) {
    const long *rows = 0;
    long size = 0;
    for (; dynamic[0]; dynamic += 2) {
        if (dynamic[0] == 7) {
            rows = (const long *)(base + dynamic[1]);
        } else if (dynamic[0] == 8) {
            size = dynamic[1];
        }
    }
    for (; size >= 24; size -= 24, rows += 3) {
        *(long *)(base + rows[0]) = base + rows[2];
    }
}

__attribute__((used, noreturn)) void begin(const long *dynamic, long base) {
    if (dynamic) {
        relocate(dynamic, base);
    }
    for (unsigned n = 0; n < sizeof ALL / sizeof *ALL; n++) {
        char *at = line;
        for (const char *name = ALL[n].name; *name;) {
            *at++ = *name++;
        }
        for (long index = -9; index < 40; index++) {
            *at++ = ' ';
            at = decimal(at, ALL[n].run(index));
        }
        *at++ = '\n';
        ask(1, 1, line, (unsigned long)(at - line));
    }
    for (;;) {
        ask(231, 0, 0, 0);
    }
}

__asm__(".weak _DYNAMIC\n"
        ".hidden _DYNAMIC\n"
        ".globl _start\n"
        ".type _start, @function\n"
        "_start:\n"
        "    xor %ebp, %ebp\n"
#if defined(__PIC__)
        "    lea _DYNAMIC(%rip), %rdi\n"
        "    lea __ehdr_start(%rip), %rsi\n"
#else
        "    xor %edi, %edi\n"
        "    xor %esi, %esi\n"
#endif
        "    and $-16, %rsp\n"
        "    call begin\n"
        "    ud2\n"
        ".size _start, . - _start\n"
        ".hidden __ehdr_start\n");
