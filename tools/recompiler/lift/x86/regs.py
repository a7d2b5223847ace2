"""Where the state of the guest's CPU is while lifted code runs: local and global indices, and bits of liveness.

Inside a function registers are wasm locals with the same index everywhere, so that the wasm of an instruction does not
depend on where it stands. At every boundary (call, return, syscall, entry) they are in wasm globals.

    local 0        entry: 0, or the number of the block to go on at; 0 again once it has been reached
    local 1..16    rax rcx rdx rbx rsp rbp rsi rdi r8..r15   i64
    local 17..32   xmm0..xmm15                               v128
    local 33..42   C P A Z S O, BE L LE, D                   i32, 0 or 1
    local 43       SWITCH: the index of a jump table         i32
    local 44..     temporaries of one instruction            by type

Flags are booleans. BE (C or Z), L (S differs from O) and LE (Z or L) are what an unsigned or signed comparison asks
for: a writer that knows them from its operands gives them at once, and only those that a later consumer reads.
"""

from __future__ import annotations

from typing import Final

I32, I64, F32, F64, V128 = 0x7F, 0x7E, 0x7D, 0x7C, 0x7B

GPRS: Final = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)))
RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI = range(8)
R8, R9, R10, R11 = range(8, 12)

# Flags: bits of a mask, in the order of their locals.
C, P, A, Z, S, O, BE, L, LE, D = (1 << n for n in range(10))  # noqa: E741
PRIMITIVE: Final = C | P | A | Z | S | O
COMPOSITE: Final = BE | L | LE
STATUS: Final = PRIMITIVE | COMPOSITE
FLAGS: Final = {C: "cf", P: "pf", A: "af", Z: "zf", S: "sf", O: "of", D: "df"}
# What a composite flag is made of.
PARTS: Final = {BE: C | Z, L: S | O, LE: Z | S | O}

ENTRY: Final = 0
GPR: Final = 1  # local of rax
XMM: Final = 17
FLAG: Final = 33  # local of C
SWITCH: Final = 43

# Bits of liveness: what an instruction, block or call reads and writes. 0..15 GPR, 16..31 XMM, 32..41 flags as above.
XMM_BIT: Final = 16
FLAG_BIT: Final = 32
ALL_GPR: Final = 0xFFFF
ALL_XMM: Final = 0xFFFF << XMM_BIT
ALL_STATUS: Final = STATUS << FLAG_BIT
DIRECTION: Final = D << FLAG_BIT
# What has a global, and must be in it at a boundary.
SPILLED: Final = ALL_GPR | ALL_XMM | PRIMITIVE << FLAG_BIT | DIRECTION

# Temporaries: (type, how many), from local 44.
TEMPORARIES: Final = ((I32, 12), (I64, 12), (V128, 8), (F64, 6), (F32, 6))
FIRST_TEMPORARY: Final = 44

# Globals, in the order of their definition (contract with csrc/engine).
GLOBALS: Final[tuple[tuple[str, int], ...]] = (
    *((name, I64) for name in GPRS),
    *((f"xmm{n}", V128) for n in range(16)),
    *((name, I32) for name in FLAGS.values()),
    ("fs", I64),
    ("gs", I64),
    ("pending", I32),
    ("x87_stack", I32),  # not the guest's: of x87.py's functions
)
GLOBAL: Final = {name: number for number, (name, _) in enumerate(GLOBALS)}


def flag_local(flag: int) -> int:
    """The local of one flag."""
    return FLAG + flag.bit_length() - 1


def flag_global(flag: int) -> int:
    """The global of one of the six primitive flags, or D."""
    return GLOBAL[FLAGS[flag]]


def spills(mask: int) -> list[tuple[int, int]]:
    """(local, global) of each register and flag of a liveness mask that has a global."""
    found = []
    mask &= SPILLED
    while mask:
        low = mask & -mask
        bit = low.bit_length() - 1
        mask ^= low
        if bit < XMM_BIT:
            found.append((GPR + bit, bit))
        elif bit < FLAG_BIT:
            found.append((XMM + bit - XMM_BIT, bit))
        else:
            flag = 1 << bit - FLAG_BIT
            found.append((flag_local(flag), flag_global(flag)))
    return found
