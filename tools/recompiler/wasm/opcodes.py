"""The table of WebAssembly's instructions: name, encoding, immediates. Reader, assembler and printer all use it.

A row is the first opcode, then names of consecutive ones; `.name` has the type of the name before it; `-` is a gap.
After a slash the immediates, a letter each:

    b block type   h heap type    V value types     C catch clauses
    f function     r function as a value            t type
    T table        S table, whose size the instruction can tell
    g global       k tag          d data            e element segment
    M memory       m memarg (alignment, and by its bit 6 a memory, then the offset)
    l label        L labels       x local           n byte (a lane)
    i s32          I s64          4 f32             8 f64         v 16 bytes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from recompiler.wasm import leb

_PLAIN = """
00 unreachable nop block/b loop/b if/b else
08 throw/k - throw_ref end br/l br_if/l br_table/L return
10 call/f call_indirect/tT return_call/f return_call_indirect/tT call_ref/t return_call_ref/t
1a drop select select/V
1f try_table/bC local.get/x .set/x .tee/x global.get/g .set/g table.get/S .set/S
28 i32.load/m i64.load/m f32.load/m f64.load/m i32.load8_s/m .load8_u/m .load16_s/m .load16_u/m
30 i64.load8_s/m .load8_u/m .load16_s/m .load16_u/m .load32_s/m .load32_u/m
36 i32.store/m i64.store/m f32.store/m f64.store/m i32.store8/m .store16/m i64.store8/m .store16/m .store32/m
3f memory.size/M .grow/M i32.const/i i64.const/I f32.const/4 f64.const/8
45 i32.eqz .eq .ne .lt_s .lt_u .gt_s .gt_u .le_s .le_u .ge_s .ge_u
50 i64.eqz .eq .ne .lt_s .lt_u .gt_s .gt_u .le_s .le_u .ge_s .ge_u
5b f32.eq .ne .lt .gt .le .ge f64.eq .ne .lt .gt .le .ge
67 i32.clz .ctz .popcnt .add .sub .mul .div_s .div_u .rem_s .rem_u .and .or .xor .shl .shr_s .shr_u .rotl .rotr
79 i64.clz .ctz .popcnt .add .sub .mul .div_s .div_u .rem_s .rem_u .and .or .xor .shl .shr_s .shr_u .rotl .rotr
8b f32.abs .neg .ceil .floor .trunc .nearest .sqrt .add .sub .mul .div .min .max .copysign
99 f64.abs .neg .ceil .floor .trunc .nearest .sqrt .add .sub .mul .div .min .max .copysign
a7 i32.wrap_i64 .trunc_f32_s .trunc_f32_u .trunc_f64_s .trunc_f64_u
ac i64.extend_i32_s .extend_i32_u .trunc_f32_s .trunc_f32_u .trunc_f64_s .trunc_f64_u
b2 f32.convert_i32_s .convert_i32_u .convert_i64_s .convert_i64_u .demote_f64
b7 f64.convert_i32_s .convert_i32_u .convert_i64_s .convert_i64_u .promote_f32
bc i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64
c0 i32.extend8_s .extend16_s i64.extend8_s .extend16_s .extend32_s
d0 ref.null/h .is_null .func/r - .as_non_null br_on_null/l br_on_non_null/l
"""

# Saturating truncation, bulk memory, tables, wide arithmetic.
_BULK = """
00 i32.trunc_sat_f32_s .trunc_sat_f32_u .trunc_sat_f64_s .trunc_sat_f64_u
04 i64.trunc_sat_f32_s .trunc_sat_f32_u .trunc_sat_f64_s .trunc_sat_f64_u
08 memory.init/dM data.drop/d memory.copy/MM .fill/M
0c table.init/eS elem.drop/e table.copy/SS .grow/S .size/S .fill/S
13 i64.add128 .sub128 .mul_wide_s .mul_wide_u
"""

_VECTOR = """
00 v128.load/m .load8x8_s/m .load8x8_u/m .load16x4_s/m .load16x4_u/m .load32x2_s/m .load32x2_u/m
07 v128.load8_splat/m .load16_splat/m .load32_splat/m .load64_splat/m .store/m .const/v i8x16.shuffle/v .swizzle
0f i8x16.splat i16x8.splat i32x4.splat i64x2.splat f32x4.splat f64x2.splat
15 i8x16.extract_lane_s/n .extract_lane_u/n .replace_lane/n i16x8.extract_lane_s/n .extract_lane_u/n .replace_lane/n
1b i32x4.extract_lane/n .replace_lane/n i64x2.extract_lane/n .replace_lane/n
1f f32x4.extract_lane/n .replace_lane/n f64x2.extract_lane/n .replace_lane/n
23 i8x16.eq .ne .lt_s .lt_u .gt_s .gt_u .le_s .le_u .ge_s .ge_u
2d i16x8.eq .ne .lt_s .lt_u .gt_s .gt_u .le_s .le_u .ge_s .ge_u
37 i32x4.eq .ne .lt_s .lt_u .gt_s .gt_u .le_s .le_u .ge_s .ge_u
41 f32x4.eq .ne .lt .gt .le .ge f64x2.eq .ne .lt .gt .le .ge
4d v128.not .and .andnot .or .xor .bitselect .any_true
54 v128.load8_lane/mn .load16_lane/mn .load32_lane/mn .load64_lane/mn
58 v128.store8_lane/mn .store16_lane/mn .store32_lane/mn .store64_lane/mn .load32_zero/m .load64_zero/m
5e f32x4.demote_f64x2_zero f64x2.promote_low_f32x4
60 i8x16.abs .neg .popcnt .all_true .bitmask .narrow_i16x8_s .narrow_i16x8_u f32x4.ceil .floor .trunc .nearest
6b i8x16.shl .shr_s .shr_u .add .add_sat_s .add_sat_u .sub .sub_sat_s .sub_sat_u f64x2.ceil .floor
76 i8x16.min_s .min_u .max_s .max_u f64x2.trunc i8x16.avgr_u
7c i16x8.extadd_pairwise_i8x16_s .extadd_pairwise_i8x16_u i32x4.extadd_pairwise_i16x8_s .extadd_pairwise_i16x8_u
80 i16x8.abs .neg .q15mulr_sat_s .all_true .bitmask .narrow_i32x4_s .narrow_i32x4_u
87 i16x8.extend_low_i8x16_s .extend_high_i8x16_s .extend_low_i8x16_u .extend_high_i8x16_u
8b i16x8.shl .shr_s .shr_u .add .add_sat_s .add_sat_u .sub .sub_sat_s .sub_sat_u f64x2.nearest
95 i16x8.mul .min_s .min_u .max_s .max_u - .avgr_u
9c i16x8.extmul_low_i8x16_s .extmul_high_i8x16_s .extmul_low_i8x16_u .extmul_high_i8x16_u
a0 i32x4.abs .neg - .all_true .bitmask
a7 i32x4.extend_low_i16x8_s .extend_high_i16x8_s .extend_low_i16x8_u .extend_high_i16x8_u
ab i32x4.shl .shr_s .shr_u .add - - .sub - - - .mul .min_s .min_u .max_s .max_u .dot_i16x8_s
bc i32x4.extmul_low_i16x8_s .extmul_high_i16x8_s .extmul_low_i16x8_u .extmul_high_i16x8_u
c0 i64x2.abs .neg - .all_true .bitmask
c7 i64x2.extend_low_i32x4_s .extend_high_i32x4_s .extend_low_i32x4_u .extend_high_i32x4_u
cb i64x2.shl .shr_s .shr_u .add - - .sub - - - .mul .eq .ne .lt_s .gt_s .le_s .ge_s
dc i64x2.extmul_low_i32x4_s .extmul_high_i32x4_s .extmul_low_i32x4_u .extmul_high_i32x4_u
e0 f32x4.abs .neg - .sqrt .add .sub .mul .div .min .max .pmin .pmax
ec f64x2.abs .neg - .sqrt .add .sub .mul .div .min .max .pmin .pmax
f8 i32x4.trunc_sat_f32x4_s .trunc_sat_f32x4_u f32x4.convert_i32x4_s .convert_i32x4_u
fc i32x4.trunc_sat_f64x2_s_zero .trunc_sat_f64x2_u_zero f64x2.convert_low_i32x4_s .convert_low_i32x4_u
100 i8x16.relaxed_swizzle i32x4.relaxed_trunc_f32x4_s .relaxed_trunc_f32x4_u
103 i32x4.relaxed_trunc_f64x2_s_zero .relaxed_trunc_f64x2_u_zero
105 f32x4.relaxed_madd .relaxed_nmadd f64x2.relaxed_madd .relaxed_nmadd
109 i8x16.relaxed_laneselect i16x8.relaxed_laneselect i32x4.relaxed_laneselect i64x2.relaxed_laneselect
10d f32x4.relaxed_min .relaxed_max f64x2.relaxed_min .relaxed_max
111 i16x8.relaxed_q15mulr_s .relaxed_dot_i8x16_i7x16_s i32x4.relaxed_dot_i8x16_i7x16_add_s
"""

_ATOMIC_WIDTHS = ("i32.X/m", "i64.X/m", "i32.X8_u/m", "i32.X16_u/m", "i64.X8_u/m", "i64.X16_u/m", "i64.X32_u/m")


def _atomic_row(first: int, pattern: str) -> str:
    """Seven widths of one operation; pattern has an X where the width stands and keeps what follows it."""
    names = []
    for each in _ATOMIC_WIDTHS:
        type_, _, width = each.removesuffix("/m").partition("X")
        bits = width.removesuffix("_u")
        sign = "" if pattern.startswith("store") else width[len(bits) :]
        names.append(f"{type_}atomic.{pattern.replace('X', bits)}{sign}/m")
    return f"{first:x} {' '.join(names)}"


_ATOMIC = "\n".join(
    (
        "0 memory.atomic.notify/m memory.atomic.wait32/m memory.atomic.wait64/m atomic.fence/n",
        *(_atomic_row(first, name) for first, name in ((0x10, "loadX"), (0x17, "storeX"))),
        *(
            _atomic_row(0x1E + 7 * number, f"rmwX.{name}")
            for number, name in enumerate(("add", "sub", "and", "or", "xor", "xchg", "cmpxchg"))
        ),
    )
)
PREFIXES: Final = {0xFC: _BULK, 0xFD: _VECTOR, 0xFE: _ATOMIC}


@dataclass(frozen=True, slots=True)
class Opcode:
    """One instruction of the table; code is its encoding."""

    name: str
    immediates: str
    code: bytes


def _rows(text: str, prefix: bytes) -> dict[int, Opcode]:
    found: dict[int, Opcode] = {}
    type_ = ""
    for line in text.split("\n"):
        words = line.split()
        for number, word in enumerate(words[1:], int(words[0], 16) if words else 0):
            if word == "-":
                continue
            name, _, immediates = word.partition("/")
            if name.startswith("."):
                name = type_ + name
            type_ = name.rpartition(".")[0]
            assert number not in found, name
            found[number] = Opcode(name, immediates, prefix + leb.u32(number) if prefix else bytes((number,)))
    return found


PLAIN: Final = _rows(_PLAIN, b"")
PREFIXED: Final = {byte: _rows(text, bytes((byte,))) for byte, text in PREFIXES.items()}
EVERY: Final = [*PLAIN.values(), *(opcode for rows in PREFIXED.values() for opcode in rows.values())]
# `select` stands twice; the one without types is the one a name means.
BY_NAME: Final = {opcode.name: opcode for opcode in reversed(EVERY)}
END: Final = 0x0B
