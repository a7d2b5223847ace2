/* Table jumps as gcc, clang and hands write them, kept as assembly: no compiler's version changes these. */

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

/* The table stands in the text, as in hand-written code. */
BEGIN table_behind_code
    xor %eax, %eax
    cmp $5, %rdi
    ja .Ltable_behind_coded
    lea .Ltable_behind_codet(%rip), %rdx
    movslq (%rdx,%rdi,4), %rcx
    add %rdx, %rcx
    jmp *%rcx
    .p2align 2
.Ltable_behind_codet:
    .long table_behind_code.case0 - .Ltable_behind_codet, table_behind_code.case1 - .Ltable_behind_codet
    .long table_behind_code.case2 - .Ltable_behind_codet, table_behind_code.case3 - .Ltable_behind_codet
    .long table_behind_code.case4 - .Ltable_behind_codet, table_behind_code.case5 - .Ltable_behind_codet
    CASES table_behind_code
END table_behind_code

/* gcc: the unlikely part in a section and with an FDE of its own, in the middle of the frame; a case leads to it. */
BEGIN cold_part
    push %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    mov %rdi, %rbx
    xor %eax, %eax
    cmp $5, %rdi
    ja cold_part.cold
    lea .Lcold_partt(%rip), %rdx
    movslq (%rdx,%rdi,4), %rcx
    add %rdx, %rcx
    jmp *%rcx
cold_part.case0:
    lea 3(%rbx), %rax
.Lcold_part_back:
    pop %rbx
    .cfi_remember_state
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_restore_state
cold_part.case1:
    lea 9(%rbx,%rbx), %rax
    pop %rbx
    .cfi_adjust_cfa_offset -8
    ret
END cold_part
    .section .text.unlikely, "ax", @progbits
    .type cold_part.cold, @function
    .cfi_startproc
    .cfi_def_cfa_offset 16
    .cfi_offset rbx, -16
cold_part.cold:
    mov $-44, %rax
    jmp .Lcold_part_back
cold_part.case2:
    imul $5, %rbx, %rax
    jmp .Lcold_part_back
cold_part.case3:
    mov $77, %eax
cold_part.case4:
    sub $2, %rax
cold_part.case5:
    add %rbx, %rax
    jmp .Lcold_part_back
    .cfi_endproc
    .size cold_part.cold, . - cold_part.cold
DISTANCES cold_part, .Lcold_partt

/* An unlikely part where there is no frame, which ends in a call without return, behind which nothing is. */
BEGIN cold_called
    mov %rdi, %rax
    cmp $11, %rdi
    je cold_called.cold
    test $3, %dil
    je .Lcold_called_more
    ret
END cold_called
    .section .text.unlikely, "ax", @progbits
    .type cold_called.cold, @function
    .cfi_startproc
cold_called.cold:
    lea 1(%rdi), %rax
.Lcold_called_more:
    push %rax
    .cfi_adjust_cfa_offset 8
    call .Lcold_called_away
    .cfi_endproc
    .size cold_called.cold, . - cold_called.cold
    .p2align 4
    .cfi_startproc
.Lcold_called_away:
    pop %rax
    pop %rax
    add $1000, %rax
    ret
    .cfi_endproc

/* Arithmetic alone: into the middle of a row of instructions of one size. */
BEGIN backwards
    mov %rdi, %rcx
    and $7, %ecx
    lea .Lbackwards_end(%rip), %rdx
    mov %rdi, %rax
    shl $2, %rcx
    sub %rcx, %rdx
    jmp *%rdx
    .rept 8
    lea 3(%rax), %rax
    .endr
.Lbackwards_end:
    ret
END backwards

/* Distances that are taken off. */
BEGIN offsets_sub
    xor %eax, %eax
    cmp $5, %rdi
    ja .Loffsets_subd
    lea .Loffsets_subt(%rip), %rdx
    movslq (%rdx,%rdi,4), %rcx
    lea offsets_sub_end(%rip), %rdx
    sub %rcx, %rdx
    jmp *%rdx
    CASES offsets_sub
offsets_sub_end:
END offsets_sub
    .section .rodata
    .p2align 2
.Loffsets_subt:
    .long offsets_sub_end - offsets_sub.case0, offsets_sub_end - offsets_sub.case1, offsets_sub_end - offsets_sub.case2
    .long offsets_sub_end - offsets_sub.case3, offsets_sub_end - offsets_sub.case4, offsets_sub_end - offsets_sub.case5

/* Return addresses that no call pushed. */
BEGIN push_then_return
    lea .Lpush_then_return_out(%rip), %rcx
    push %rcx
    lea .Lpush_then_return_even(%rip), %rcx
    lea .Lpush_then_return_odd(%rip), %rdx
    test $1, %dil
    cmovnz %rdx, %rcx
    push %rcx
    ret
    ud2
.Lpush_then_return_even:
    lea 9(%rdi), %rax
    ret
.Lpush_then_return_odd:
    lea 4(%rdi,%rdi), %rax
    ret
.Lpush_then_return_out:
    inc %rax
    ret
END push_then_return

/* More between the table's address and the jump than anybody looks at. */
BEGIN long_way
    lea .Llong_wayt(%rip), %rdx
    mov %rdi, %rcx
    cmp $5, %rdi
    ja .Llong_wayd
    .rept 120
    add $3, %rax
    xor %rdi, %rax
    .endr
    xor %eax, %eax
    movslq (%rdx,%rcx,4), %rcx
    add %rdx, %rcx
    jmp *%rcx
    CASES long_way
END long_way
DISTANCES long_way, .Llong_wayt

/* A window that slides: three tables in one, the register that walks over it is the only index. */
BEGIN walking_index
    lea .Lwalking_indext(%rip), %rcx
    cmp $5, %rdi
    ja .Lwalking_indexd
    lea (%rcx,%rdi,8), %rcx
    xor %eax, %eax
    mov (%rcx), %rcx
    jmp *%rcx
    CASES walking_index
END walking_index
ADDRESSES walking_index

/* A pointer to a label in a structure beside other things. */
BEGIN in_structures
    xor %eax, %eax
    cmp $5, %rdi
    ja .Lin_structuresd
    mov %rdi, %rcx
    shl $4, %rcx
    lea .Lin_structurest(%rip), %rdx
    mov (%rdx,%rcx), %esi
    add %rsi, %rax
    mov 8(%rdx,%rcx), %rcx
    jmp *%rcx
    CASES in_structures
END in_structures
    TABLES
    .p2align 3
.Lin_structurest:
    .quad 1, in_structures.case0, 2, in_structures.case1, 3, in_structures.case2
    .quad 4, in_structures.case3, 5, in_structures.case4, 6, in_structures.case5
    .text
    .section .note.GNU-stack, "", @progbits
