/* How the shapes in assembly begin and end, their cases, and their tables: of addresses or of distances. */

/* clang-format off */
#if defined(__PIC__) || defined(__PIE__)
#define TABLES .section .data.rel.ro, "aw", @progbits
#else
#define TABLES .section .rodata, "a", @progbits
#endif

.macro BEGIN name
    .text
    .p2align 4
    .globl \name
    .type \name, @function
\name:
    .cfi_startproc
.endm

.macro END name
    .cfi_endproc
    .size \name, . - \name
.endm

/* Six cases, which are symbols, and a default; what each returns depends on the case and on the index. */
.macro CASES name
\name\().case0:
    lea 100(%rdi), %rax
    ret
\name\().case1:
    lea 200(%rdi,%rdi), %rax
    ret
\name\().case2:
    mov $300, %eax
    sub %rdi, %rax
    ret
\name\().case3:
    imul $401, %rdi, %rax
    ret
\name\().case4:
    lea 500(%rdi,%rdi,4), %rax
\name\().case5:
    add $7, %rax
    ret
.L\name\()d:
    mov $-1, %rax
    ret
.endm

.macro ADDRESSES name
    TABLES
    .p2align 3
.L\name\()t:
    .quad \name\().case0, \name\().case1, \name\().case2, \name\().case3, \name\().case4, \name\().case5
    .text
.endm

.macro DISTANCES name, from, size=long
    .section .rodata, "a", @progbits
    .p2align 2
.L\name\()t:
    .\size \name\().case0 - \from, \name\().case1 - \from, \name\().case2 - \from
    .\size \name\().case3 - \from, \name\().case4 - \from, \name\().case5 - \from
    .text
.endm

#if defined(__PIC__) || defined(__PIE__)
#define JUMP_BY_TABLE(name, index) lea .L##name##t(%rip), %r10; jmp *(%r10,index,8)
#define LOAD_BY_TABLE(name, index, to) lea .L##name##t(%rip), %r10; mov (%r10,index,8), to
#else
#define JUMP_BY_TABLE(name, index) jmp *.L##name##t(,index,8)
#define LOAD_BY_TABLE(name, index, to) mov .L##name##t(,index,8), to
#endif
