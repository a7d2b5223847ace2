"""In: a program. Out: which function a word of its data will most likely hold when it runs.

A call through such a word is compared with the guess and then direct; a guess that is wrong costs the comparison. Words
that the loader fills by asking a function of the program (R_X86_64_IRELATIVE) hold what suits the CPU, and the CPU that
lifted programs see is x86-64-v1: the last of the function's candidates that needs no more, and of those without `rep`
if there are any, is what glibc takes nearly always.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from iced_x86 import CpuidFeature

from recompiler.errors import Error
from recompiler.lift.decode import JUMP, NEXT, Facts
from recompiler.lift.dynamic import R_IRELATIVE, R_RELATIVE
from recompiler.lift.function import Function, Program

# What x86-64-v1 has of what string functions use.
_LEVEL: Final = frozenset(
    getattr(CpuidFeature, name)
    for name in (
        *("INTEL8086", "INTEL186", "INTEL286", "INTEL386", "INTEL486", "X64", "CMOV", "MMX", "SSE", "SSE2"),
        *("FPU", "FPU287", "FPU387", "CX8", "MULTIBYTENOP", "CET_IBT"),
    )
)
_DEEPEST: Final = 4  # jumps from function to function


def held(program: Program, word: int) -> int | None:
    """The start of the function whose address the 8 bytes at an address will hold; None when nothing tells."""
    binary = program.binary
    found = binary.relocations.get(word)
    if found is not None and found.kind == R_IRELATIVE:
        return _chosen(program, found.addend)
    if found is not None:
        value = found.addend if found.kind == R_RELATIVE else 0
    else:
        try:
            value = int.from_bytes(binary.read(word, 8), "little")
        except Error:
            return None
    return value if program.function(value) is not None else None


def _chosen(program: Program, resolver: int) -> int | None:
    function = program.function(resolver)
    if function is None:
        return None
    plain = [start for start in dict.fromkeys(_named(program, function)) if _plain(program, start)]
    without = [start for start in plain if not _repeats(program, start)]
    best = without or plain
    return best[-1] if best else None


def _named(program: Program, function: Function) -> Iterator[int]:
    """The functions whose addresses the code of one has, in order of that code."""
    for block in function.blocks.values():
        for at, facts in zip(block.addresses(), block.facts, strict=True):
            if facts.flow != NEXT or not facts.points:
                continue
            number = int.from_bytes(facts.raw[-4:], "little")
            address = number if facts.rip is None else at + facts.size + facts.rip
            if program.function(address) is not None:
                yield address


def _plain(program: Program, address: int, depth: int = 0) -> bool:
    """Whether a function, and what it jumps or falls to, needs no more than the level."""
    function = program.owner(address)
    if function is None or depth == _DEEPEST:
        return True
    blocks = function.blocks.values()
    if not all(_has(facts) for block in blocks for facts in block.facts):
        return False
    ways = [block.end for block in blocks if block.falls]
    ways += [block.taken for block in blocks if block.flow == JUMP and block.taken is not None]
    return all(_plain(program, to, depth + 1) for to in ways if to not in function.blocks)


@cache
def _has(facts: Facts) -> bool:
    return _LEVEL.issuperset(facts.insn.cpuid_features())


def _repeats(program: Program, start: int) -> bool:
    function = program.function(start)
    assert function is not None
    return any(facts.insn.has_rep_prefix for block in function.blocks.values() for facts in block.facts)
