/* Code that compilers divide, compute or hide: cold parts, labels that no table has, tables in odd places. */

#include "assembly.h"

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
/* Go: goexit is a NOP that nothing runs, and what nothing calls returns to is behind it. */
BEGIN behind_a_nop
    mov $7, %eax
    lea behind_a_nop_goexit(%rip), %rcx
    inc %rcx
    push %rcx
    ret
    ud2
behind_a_nop_invalid: /* behind a trap that a handler goes on from */
    lea 5(%rdi), %rax
    ret
END behind_a_nop

BEGIN behind_a_nop_goexit
    nop
    add %rdi, %rax
    ret
END behind_a_nop_goexit

/* gcc: a computed goto whose target it knows, round a loop */
BEGIN known_target
    lea 1(%rdi), %rax
    mov $5, %esi
.Lknown_targetl:
    lea known_target.next(%rip), %rdx
    lea 3(%rax,%rax), %rax
    mov %rdx, %rcx
    jmp *%rcx
    ud2
known_target.next:
    dec %esi
    jnz .Lknown_targetl
    ret
END known_target

/* A computed goto into a loop with calls; what is written before it and not in it is stored on that way. */
BEGIN into_a_loop
    push %rbx
    push %rbp
    push %r12
    lea 5(%rdi), %rbp
    lea (%rdi,%rdi), %r12
    mov $3, %ebx
    mov %rdi, %rax
    and $1, %edi
    lea .Linto_a_loopt(%rip), %rdx
    mov (%rdx,%rdi,8), %rdx
    jmp *%rdx
into_a_loop.even:
    call into_a_loop_helper
    add %rbp, %rax
into_a_loop.odd:
    lea (%rax,%r12), %rax
    dec %ebx
    jnz into_a_loop.even
    pop %r12
    pop %rbp
    pop %rbx
    ret
END into_a_loop
    .section .data.rel.ro, "aw", @progbits
    .p2align 3
.Linto_a_loopt:
    .quad into_a_loop.even, into_a_loop.odd
    .text

BEGIN into_a_loop_helper
    lea 1(%rax,%rax), %rax
    ret
END into_a_loop_helper

/* A word that changes between calls through it, and through a stub: what it holds at first is but a guess. */
BEGIN held_word
    lea 3(%rdi), %rax
    lea into_a_loop_helper(%rip), %rcx
    mov %rcx, held_word_at(%rip)
    call *held_word_at(%rip)
    call held_word_stub
    lea held_word_other(%rip), %rcx
    mov %rcx, held_word_at(%rip)
    call *held_word_at(%rip)
    call held_word_stub
    ret
END held_word

BEGIN held_word_stub
    jmp *held_word_at(%rip)
END held_word_stub

BEGIN held_word_other
    lea 7(%rax,%rax,2), %rax
    ret
END held_word_other

    .data
    .p2align 3
held_word_at:
    .quad into_a_loop_helper

/* Flags that a caller reads, set behind a jump to another function, behind a stub, and behind a jump through a word. */
BEGIN carry_from_afar
    mov %rdi, %rax
    clc
    call carry_by_a_jump
    adc $10, %rax
    clc
    call carry_by_a_stub
    adc $20, %rax
    clc
    call carry_by_a_word
    adc $40, %rax
    ret
END carry_from_afar

BEGIN carry_by_a_jump
    lea 1(%rax), %rax
    jmp carry_set
END carry_by_a_jump

BEGIN carry_by_a_stub
    jmp *carry_word(%rip)
END carry_by_a_stub

BEGIN carry_by_a_word
    lea 3(%rax), %rax
    mov carry_word(%rip), %rcx
    jmp *%rcx
END carry_by_a_word

BEGIN carry_set
    lea 5(%rax), %rax
    cmp $4, %rdi
    ret
END carry_set

    .data
    .p2align 3
carry_word:
    .quad carry_set

    .section .note.GNU-stack, "", @progbits
