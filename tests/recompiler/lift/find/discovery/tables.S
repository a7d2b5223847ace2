/* Table jumps as gcc, clang and hands write them, kept as assembly: no compiler's version changes these. */

#include "assembly.h"

/* gcc, not PIC: jmp *table(,%rax,8) */
BEGIN jmp_table_absolute
    xor %eax, %eax
    cmp $5, %rdi
    ja .Ljmp_table_absoluted
    JUMP_BY_TABLE(jmp_table_absolute, %rdi)
    CASES jmp_table_absolute
END jmp_table_absolute
ADDRESSES jmp_table_absolute

BEGIN jmp_table_register
    xor %eax, %eax
    lea .Ljmp_table_registert(%rip), %rdx
    cmp $5, %edi
    ja .Ljmp_table_registerd
    mov %edi, %ecx
    notrack jmp *(%rdx,%rcx,8)
    CASES jmp_table_register
END jmp_table_register
ADDRESSES jmp_table_register

BEGIN load_then_jump
    cmp $5, %rdi
    ja .Lload_then_jumpd
    LOAD_BY_TABLE(load_then_jump, %rdi, %rdx)
    xor %eax, %eax
    jmp *%rdx
    CASES load_then_jump
END load_then_jump
ADDRESSES load_then_jump

/* gcc -fPIC */
BEGIN offsets_add
    xor %eax, %eax
    cmp $5, %rdi
    ja .Loffsets_addd
    lea .Loffsets_addt(%rip), %rdx
    movslq (%rdx,%rdi,4), %rcx
    add %rdx, %rcx
    jmp *%rcx
    CASES offsets_add
END offsets_add
DISTANCES offsets_add, .Loffsets_addt

BEGIN offsets_add_other
    xor %eax, %eax
    cmp $5, %rdi
    ja .Loffsets_add_otherd
    lea .Loffsets_add_othert(%rip), %rdx
    movslq (%rdx,%rdi,4), %rcx
    add %rcx, %rdx
    jmp *%rdx
    CASES offsets_add_other
END offsets_add_other
DISTANCES offsets_add_other, .Loffsets_add_othert

/* glibc's string functions: BRANCH_TO_JMP_TBL_ENTRY */
BEGIN offsets_lea
    xor %eax, %eax
    cmp $6, %rdi
    jae .Loffsets_lead
    lea .Loffsets_leat(%rip), %r11
    movslq (%r11,%rdi,4), %rcx
    lea (%r11,%rcx), %rcx
    jmp *%rcx
    ud2
    CASES offsets_lea
END offsets_lea
DISTANCES offsets_lea, .Loffsets_leat

/* gcc -O0 -fPIC -fcf-protection */
BEGIN notrack_offsets
    endbr64
    push %rbp
    mov %rsp, %rbp
    mov %rdi, -8(%rbp)
    mov -8(%rbp), %rax
    cmp $5, %rax
    ja .Lnotrack_offsets9
    mov -8(%rbp), %rax
    lea 0(,%rax,4), %rdx
    lea .Lnotrack_offsetst(%rip), %rax
    mov (%rdx,%rax), %eax
    cltq
    lea .Lnotrack_offsetst(%rip), %rdx
    add %rdx, %rax
    mov %rax, %rdx
    mov $0, %eax
    pop %rbp
    notrack jmp *%rdx
.Lnotrack_offsets9:
    pop %rbp
    jmp .Lnotrack_offsetsd
    CASES notrack_offsets
END notrack_offsets
DISTANCES notrack_offsets, .Lnotrack_offsetst

/* A loop around the switch, the table's address in a register that calls keep. */
BEGIN base_outside_loop
    push %rbx
    .cfi_adjust_cfa_offset 8
    push %rdi
    .cfi_adjust_cfa_offset 8
    lea .Lbase_outside_loopt(%rip), %rbx
    mov $4, %esi
    xor %eax, %eax
.Lbase_outside_loop_again:
    cmp $5, %rdi
    ja .Lbase_outside_loop_next
    movslq (%rbx,%rdi,4), %rdx
    add %rbx, %rdx
    jmp *%rdx
base_outside_loop.case0:
    add $3, %rax
    jmp .Lbase_outside_loop_next
base_outside_loop.case1:
    xor $0x35, %rax
    jmp .Lbase_outside_loop_next
base_outside_loop.case2:
    lea (%rax,%rax,2), %rax
    jmp .Lbase_outside_loop_next
base_outside_loop.case3:
    dec %rax
    jmp .Lbase_outside_loop_next
base_outside_loop.case4:
    neg %rax
    jmp .Lbase_outside_loop_next
base_outside_loop.case5:
    add %rdi, %rax
.Lbase_outside_loop_next:
    inc %rdi
    dec %esi
    jnz .Lbase_outside_loop_again
    pop %rdi
    .cfi_adjust_cfa_offset -8
    pop %rbx
    .cfi_adjust_cfa_offset -8
    ret
END base_outside_loop
DISTANCES base_outside_loop, .Lbase_outside_loopt

/* As in a regular expression's compiler: the address is loaded far before, and one path comes around it. */
BEGIN base_in_other_block
    mov %rdi, %rcx
    test %rdi, %rdi
    js .Lbase_in_other_blockd
    lea .Lbase_in_other_blockt(%rip), %rsi
    test $1, %dil
    jz .Lbase_in_other_block_even
    inc %rcx
    dec %rcx
    jmp .Lbase_in_other_block_go
.Lbase_in_other_block_even:
    call .Lbase_in_other_block_nothing
    lea .Lbase_in_other_blockt(%rip), %rsi
.Lbase_in_other_block_go:
    xor %eax, %eax
    cmp $5, %rcx
    ja .Lbase_in_other_blockd
    movslq (%rsi,%rcx,4), %rcx
    add %rsi, %rcx
    jmp *%rcx
.Lbase_in_other_block_nothing:
    xor %esi, %esi
    ret
    CASES base_in_other_block
END base_in_other_block
DISTANCES base_in_other_block, .Lbase_in_other_blockt

/* The address is kept on the stack over a loop. */
BEGIN base_spilled
    sub $24, %rsp
    .cfi_adjust_cfa_offset 24
    lea .Lbase_spilledt(%rip), %rax
    mov %rax, 8(%rsp)
    mov $2, %esi
.Lbase_spilled_again:
    dec %esi
    jnz .Lbase_spilled_again
    xor %eax, %eax
    cmp $5, %rdi
    ja .Lbase_spilled_out
    mov 8(%rsp), %rdx
    movslq (%rdx,%rdi,4), %rcx
    add %rdx, %rcx
    add $24, %rsp
    .cfi_adjust_cfa_offset -24
    jmp *%rcx
.Lbase_spilled_out:
    add $24, %rsp
    jmp .Lbase_spilledd
    CASES base_spilled
END base_spilled
DISTANCES base_spilled, .Lbase_spilledt

/* The distances are from another place than the table. */
BEGIN base_differs
    xor %eax, %eax
    cmp $5, %rdi
    ja .Lbase_differsd
    lea .Lbase_differst(%rip), %rdx
    lea base_differs(%rip), %r8
    movslq (%rdx,%rdi,4), %rcx
    add %r8, %rcx
    jmp *%rcx
    CASES base_differs
END base_differs
DISTANCES base_differs, base_differs

/* One jump, two tables: whichever is taken for the base, the other's targets are jumped to as well. */
BEGIN base_two_ways
    xor %eax, %eax
    lea .Lbase_two_wayst(%rip), %rdx
    lea .Lbase_two_ways_others(%rip), %rcx
    test $1, %dil
    cmovnz %rcx, %rdx
    cmp $5, %rdi
    ja .Lbase_two_waysd
    movslq (%rdx,%rdi,4), %rcx
    add %rdx, %rcx
    jmp *%rcx
    CASES base_two_ways
base_two_ways.case_other0:
    mov $41, %eax
    ret
base_two_ways.case_other1:
    mov $43, %eax
    ret
base_two_ways.case_other3:
    mov $47, %eax
    ret
END base_two_ways
DISTANCES base_two_ways, .Lbase_two_wayst
    .section .rodata
.Lbase_two_ways_others:
    .long base_two_ways.case_other0 - .Lbase_two_ways_others, base_two_ways.case_other1 - .Lbase_two_ways_others
    .long base_two_ways.case_other0 - .Lbase_two_ways_others, base_two_ways.case_other3 - .Lbase_two_ways_others
    .long base_two_ways.case4 - .Lbase_two_ways_others, base_two_ways.case5 - .Lbase_two_ways_others

/* clang: the index is moved to start at zero, and is a byte. */
BEGIN sub_then_ja
    lea 2(%rdi), %eax
    cmp $5, %al
    ja .Lsub_then_jad
    movzbl %al, %ecx
    LOAD_BY_TABLE(sub_then_ja, %rcx, %rdx)
    xor %eax, %eax
    jmp *%rdx
    CASES sub_then_ja
END sub_then_ja
ADDRESSES sub_then_ja

BEGIN cmp_in_other_block
    xor %eax, %eax
    cmp $5, %rdi
    ja .Lcmp_in_other_blockd
    test $1, %dil
    jz .Lcmp_in_other_block_even
    inc %eax
.Lcmp_in_other_block_even:
    JUMP_BY_TABLE(cmp_in_other_block, %rdi)
    CASES cmp_in_other_block
END cmp_in_other_block
ADDRESSES cmp_in_other_block

BEGIN and_mask
    xor %eax, %eax
    mov %rdi, %rcx
    and $3, %ecx
    JUMP_BY_TABLE(and_mask, %rcx)
    CASES and_mask
END and_mask
ADDRESSES and_mask

BEGIN and_mask_16
    xor %eax, %eax
    mov %edi, %ecx
    and $3, %cx
    movzwl %cx, %ecx
    lea .Land_mask_16t(%rip), %rdx
    movslq (%rdx,%rcx,4), %rcx
    add %rdx, %rcx
    jmp *%rcx
    CASES and_mask_16
END and_mask_16
DISTANCES and_mask_16, .Land_mask_16t

BEGIN cmov_bound
    xor %eax, %eax
    mov $5, %ecx
    cmp %rcx, %rdi
    cmovb %rdi, %rcx
    JUMP_BY_TABLE(cmov_bound, %rcx)
    CASES cmov_bound
END cmov_bound
ADDRESSES cmov_bound

BEGIN index_in_memory
    mov %edi, -8(%rsp)
    cmpl $5, -8(%rsp)
    ja .Lindex_in_memoryd
    xor %eax, %eax
    mov -8(%rsp), %ecx
    JUMP_BY_TABLE(index_in_memory, %rcx)
    CASES index_in_memory
END index_in_memory
ADDRESSES index_in_memory

BEGIN index_spilled
    cmp $5, %rdi
    mov %rdi, -16(%rsp)
    ja .Lindex_spilledd
    mov $3, %eax
.Lindex_spilled_again:
    dec %eax
    jnz .Lindex_spilled_again
    mov -16(%rsp), %rcx
    lea .Lindex_spilledt(%rip), %rdx
    movslq (%rdx,%rcx,4), %rcx
    add %rdx, %rcx
    jmp *%rcx
    CASES index_spilled
END index_spilled
DISTANCES index_spilled, .Lindex_spilledt

BEGIN index_copied
    mov %edi, %ecx
    xor %eax, %eax
    cmp $5, %ecx
    ja .Lindex_copiedd
    mov %ecx, %edx
    mov %rdx, %rcx
    xor %edx, %edx
    LOAD_BY_TABLE(index_copied, %rcx, %rcx)
    jmp *%rcx
    CASES index_copied
END index_copied
ADDRESSES index_copied

BEGIN jae_bound
    xor %eax, %eax
    cmp $6, %rdi
    jae .Ljae_boundd
    JUMP_BY_TABLE(jae_bound, %rdi)
    CASES jae_bound
END jae_bound
ADDRESSES jae_bound

BEGIN jump_over_bound
    xor %eax, %eax
    cmp $5, %rdi
    jbe .Ljump_over_bound_go
    mov $-3, %rax
    ret
.Ljump_over_bound_go:
    JUMP_BY_TABLE(jump_over_bound, %rdi)
    CASES jump_over_bound
END jump_over_bound
ADDRESSES jump_over_bound

BEGIN byte_offsets
    xor %eax, %eax
    cmp $5, %rdi
    ja .Lbyte_offsetsd
    lea .Lbyte_offsetst(%rip), %rdx
    movzbl (%rdx,%rdi), %ecx
    lea byte_offsets.case0(%rip), %rdx
    add %rdx, %rcx
    jmp *%rcx
    CASES byte_offsets
END byte_offsets
DISTANCES byte_offsets, byte_offsets.case0, byte

BEGIN word_offsets
    xor %eax, %eax
    cmp $5, %rdi
    ja .Lword_offsetsd
    lea .Lword_offsetst(%rip), %rdx
    movswq (%rdx,%rdi,2), %rcx
    lea word_offsets.case3(%rip), %rdx
    add %rdx, %rcx
    jmp *%rcx
    CASES word_offsets
END word_offsets
DISTANCES word_offsets, word_offsets.case3, short

/* rustc, of an enum whose every value has a case: no bound, and behind the table that of one of its cases. Read on, it
 * leads into the middle of what stands before case7, and through that over case7's beginning. */
BEGIN unbounded
    cmp $5, %rdi
    ja .Lunboundedd
    lea 1(%rdi), %ecx
    dec %ecx
    movzbl %cl, %ecx
    lea .Lunboundedt(%rip), %rdx
    movslq (%rdx,%rcx,4), %rcx
    add %rdx, %rcx
    jmp *%rcx
unbounded.case0:
    mov $100, %eax
    ret
unbounded.case1:
    mov $200, %eax
    ret
unbounded.case2:
    mov $300, %eax
    ret
unbounded.case3:
    mov $400, %eax
    ret
unbounded.case4:
    lea -3(%rdi), %ecx
.Lunbounded_second:
    movzbl %cl, %ecx
    lea .Lunbounded_secondt(%rip), %rdx
    movslq (%rdx,%rcx,4), %rcx
    add %rdx, %rcx
    jmp *%rcx
unbounded.case5:
    lea -5(%rdi), %ecx
    jmp .Lunbounded_second
unbounded.case6:
    mov $600, %eax
    ret
    movabs $0xb890909090909090, %rax
    movabs $0xb890909090909090, %rax
    movabs $0xb848909090909090, %rax
unbounded.case7:
    mov $700, %eax
    ret
.Lunboundedd:
    mov $-1, %rax
    ret
END unbounded
    .section .rodata, "a", @progbits
    .p2align 2
.Lunboundedt:
    .long unbounded.case0 - .Lunboundedt, unbounded.case1 - .Lunboundedt, unbounded.case2 - .Lunboundedt
    .long unbounded.case3 - .Lunboundedt, unbounded.case4 - .Lunboundedt, unbounded.case5 - .Lunboundedt
.Lunbounded_secondt:
    .long unbounded.case6 - .Lunbounded_secondt, unbounded.case7 - .Lunbounded_secondt
    .text

    .section .note.GNU-stack, "", @progbits
