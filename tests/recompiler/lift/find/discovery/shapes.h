/* The shapes: each takes an index, most of them switch on it. */

#ifndef SHAPES_H
#define SHAPES_H

/* clang-format off */
#define SWITCHES(X) \
    X(unsigned_char) X(signed_char) X(unsigned_short) X(signed_short) X(signed_int) X(signed_long) X(holes) \
    X(negative_cases) X(clusters) X(nested) X(masked) X(clamped) X(modulo) X(every_byte) X(unreachable_default) \
    X(loop_of_switches) X(two_switches) X(falls_through) X(calls_in_cases) X(cold_cases) X(tail_calls) X(big_switch) \
    X(from_memory)

#define GOTOS(X) \
    X(threaded) X(threaded_offsets) X(threaded_writable) X(threaded_on_stack) X(threaded_code) X(one_dispatch) \
    X(threaded_with_calls)

#define ASSEMBLY(X) \
    X(jmp_table_absolute) X(jmp_table_register) X(load_then_jump) X(offsets_add) X(offsets_add_other) \
    X(offsets_lea) X(notrack_offsets) X(base_outside_loop) X(base_in_other_block) X(base_differs) X(base_two_ways) \
    X(sub_then_ja) X(cmp_in_other_block) X(and_mask) X(and_mask_16) X(cmov_bound) X(index_in_memory) \
    X(index_spilled) X(index_copied) X(jae_bound) X(jump_over_bound) X(byte_offsets) X(word_offsets) \
    X(table_behind_code) X(cold_part) X(cold_called) X(backwards) X(offsets_sub) X(push_then_return) X(long_way) \
    X(base_spilled) X(walking_index) X(in_structures) X(behind_a_nop) X(known_target) X(into_a_loop) X(held_word) X(carry_from_afar) \
    X(unbounded)
/* clang-format on */

#define SHAPES(X) SWITCHES(X) GOTOS(X) ASSEMBLY(X)

#define DECLARE(name) long name(long);
SHAPES(DECLARE)

#endif
