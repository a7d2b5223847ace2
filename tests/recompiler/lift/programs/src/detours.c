// Ways to an address that no compiler takes: push and ret, a changed return address, call to the next instruction,
// ret n, jumps into the middle of a function and through memory, two entries, overlapping instructions, iretless loops.
#include <stdio.h>

__asm__(
    ".text\n"
    "push_ret: lea 1f(%rip), %rax\n\tpush %rax\n\tmov %rdi, %rax\n\tret\n\tud2\n1: lea 3(%rax,%rax), %rax\n\tret\n"
    "pop_pc: call 1f\n1: pop %rax\n\tlea 1b(%rip), %rcx\n\tsub %rcx, %rax\n\tret\n"
    "ret_n: mov 8(%rsp), %rax\n\timul 16(%rsp), %rax\n\tret $16\n"
    "calls_ret_n: push %rdi\n\tpush %rsi\n\tcall ret_n\n\tret\n"
    "two_doors: add $100, %rdi\n\tsecond_door: lea 1(%rdi), %rax\n\tret\n"
    "overlap: xor %eax, %eax\n\tjmp 1f + 1\n1: .byte 0xb8\n\tmov $0x05, %al\n\tnop\n\tnop\n\tadd $2, %al\n\tret\n"
    "thunk: call 2f\n1: pause\n\tlfence\n\tjmp 1b\n2: mov %rdi, (%rsp)\n\tret\n" // a retpoline
    "through_thunk: lea second_door(%rip), %rdi\n\tpush %rbx\n\tmov %rdi, %rbx\n\tcall thunk\n\tpop %rbx\n"
    "\tlea second_door(%rip), %rcx\n\tsub %rcx, %rax\n\tret\n"
    "loop_ret: mov $0, %eax\n\tlea 1f(%rip), %rcx\n1: inc %eax\n\tcmp $50, %eax\n\tjae 2f\n\tpush %rcx\n\tret\n2: ret\n"
    "chain: lea 3f(%rip), %rax\n\tpush %rax\n\tlea 2f(%rip), %rax\n\tpush %rax\n\tlea 1f(%rip), %rax\n\tpush %rax\n"
    "\tmov %rdi, %rax\n\tret\n1: imul $3, %rax\n\tret\n2: add $7, %rax\n\tret\n3: neg %rax\n\tret\n"
    "swap_stacks: mov %rsp, %rax\n\tmov %rdi, %rsp\n\tpush %rax\n\tlea 1f(%rip), %rax\n\tpush %rax\n\tmov $77, %eax\n"
    "\tret\n1: pop %rsp\n\tret\n"
    "far_table: lea 1f(%rip), %rax\n\tmov (%rax,%rdi,8), %rcx\n\tadd %rax, %rcx\n\tjmp *%rcx\n"
    "2: mov $20, %eax\n\tret\n3: mov $30, %eax\n\tret\n4: mov $40, %eax\n\tret\n"
    ".balign 8\n1: .quad 2b - 1b, 3b - 1b, 4b - 1b, second_door - 1b\n"
    "loops: mov %rdi, %rcx\n\txor %eax, %eax\n1: add %rcx, %rax\n\tloop 1b\n\tjrcxz 2f\n\tud2\n"
    "2: movabs $0x500000000, %rcx\n\tjecxz 3f\n\tud2\n3: ret\n"
    "flags_over: cmp %rsi, %rdi\n\tcall empty\n\tsetl %al\n\tmovzx %al, %eax\n\tret\nempty: ret\n"
    "carry_out: call set_carry\n\tmov $0, %eax\n\tadc $0, %eax\n\tret\nset_carry: cmp %rsi, %rdi\n\tret\n");
long push_ret(long), pop_pc(void), calls_ret_n(long, long), two_doors(long), second_door(long), overlap(void);
long through_thunk(void), loop_ret(void), chain(long), swap_stacks(void *), far_table(long), loops(long);
long flags_over(long, long), carry_out(unsigned long, unsigned long);

__attribute__((noinline)) static void *return_address(void) {
    return __builtin_return_address(0);
}

int main(int argc, char **argv) {
    (void)argc, (void)argv;
    static _Alignas(16) char stack[4096];
    volatile long sum = 0;
    for (long n = 0; n < 100; n++) {
        sum = sum * 3 + push_ret(n) + pop_pc() + calls_ret_n(n, n + 1) + two_doors(n) + second_door(n) + overlap();
        sum += loop_ret() + chain(n) + swap_stacks(stack + sizeof stack) + far_table(n % 3) + loops(n % 7 + 1);
        sum += through_thunk() + flags_over(n, 50) + carry_out((unsigned long)n, 50);
    }
    printf("%ld\n", sum);
    printf("%ld %ld %ld %ld\n", push_ret(20), pop_pc(), calls_ret_n(6, 7), two_doors(1));
    printf("%ld %ld %ld %ld %ld\n", overlap(), through_thunk(), loop_ret(), chain(5),
           swap_stacks(stack + sizeof stack));
    printf("%ld %ld %ld\n", far_table(0), far_table(1), far_table(2));
    printf("%ld %ld %ld %ld\n", loops(10), flags_over(-1, 1), flags_over(1, -1), carry_out(1, 2));
    void *a = return_address(), *b = return_address();
    printf("%d\n", a != b && a && b);
    long (*volatile door)(long) = second_door;
    printf("%ld\n", door(41));
    return 0;
}
