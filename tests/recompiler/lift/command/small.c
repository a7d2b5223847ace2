/* In: arguments. Out: a static program without a C library, small enough to be lifted in a test: calls, a loop, a
 * switch, floats, a table in its text, and an instruction that is never lifted, which it comes to with an argument. */

static long call(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

/* No instruction begins with 6. */
__asm__(".text\n.type table, @object\n.byte 6\n"
        "table: .byte 6, 6, 7, 6, 6, 6, 6, 6, 6, 7, 6, 6, 6, 6, 6, 6\n");

static long table_of(void) {
    long value;
    __asm__("movzbl table+2(%%rip), %k0" : "=r"(value));
    return value;
}

__attribute__((noinline)) static long chosen(long n) {
    switch (n) {
    case 0:
        return call(39, 0, 0, 0) > 0;
    case 1:
        return 11;
    case 2:
        return call(102, 0, 0, 0) >= 0 ? 222 : 3;
    case 3:
        return 3333;
    case 4:
        return call(104, 0, 0, 0) >= 0 ? 44444 : 5;
    case 5:
        return 5;
    default:
        return -n;
    }
}

__attribute__((noinline)) double half(double x) {
    return x * 0.5;
}

__attribute__((used)) static void start(long *stack) {
    char line[24] = "sum ";
    long sum = 0, at = sizeof line;
    for (long n = 0; n < 100; n++) {
        sum += chosen(n % 7) + table_of() + (long)half((double)n);
    }
    if (stack[0] > 1) {
        __asm__ volatile(".globl trap\ntrap: .byte 0xc5, 0xf8, 0x77\nvaddps %%ymm1, %%ymm2, %%ymm3" ::: "memory");
    }
    line[--at] = '\n';
    for (; sum; sum /= 10) {
        line[--at] = (char)('0' + sum % 10);
    }
    call(1, 1, (long)line, 4);
    call(1, 1, (long)line + at, (long)sizeof line - at);
    call(231, 0, 0, 0);
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\nand $-16, %rsp\ncall start\nud2\n");
