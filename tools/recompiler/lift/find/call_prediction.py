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
from recompiler.lift.elf.model import R_IRELATIVE, R_RELATIVE
from recompiler.lift.find.function import Function, Program
from recompiler.lift.x86.decode import COND, JUMP, NEXT, Facts

# What x86-64-v1 has of what string functions use.
_LEVEL: Final = frozenset(
    getattr(CpuidFeature, name)
    for name in (
        *("INTEL8086", "INTEL186", "INTEL286", "INTEL386", "INTEL486", "X64", "CMOV", "MMX", "SSE", "SSE2"),
        *("FPU", "FPU287", "FPU387", "CX8", "MULTIBYTENOP", "CET_IBT"),
    )
)
_MOST: Final = 16  # functions that are looked at for one candidate


class CallPrediction:
    """What is predicted of one program; what was found of a function is remembered."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._choices: dict[int, int | None] = {}  # by resolver
        self._plains: dict[int, bool] = {}  # by candidate

    def callee(self, word: int) -> int | None:
        """The start of the function whose address the 8 bytes at an address will hold; None when nothing tells."""
        binary = self.program.binary
        found = binary.relocations.get(word)
        if found is not None and found.kind == R_IRELATIVE:
            resolver = found.addend
            if resolver not in self._choices:
                self._choices[resolver] = self._choice(resolver)
            return self._choices[resolver]
        if found is not None:
            value = found.addend if found.kind == R_RELATIVE else 0
        else:
            try:
                value = int.from_bytes(binary.read(word, 8), "little")
            except Error:
                return None
        return value if self.program.function(value) is not None else None

    def _choice(self, resolver: int) -> int | None:
        function = self.program.function(resolver)
        if function is None:
            return None
        plain = [start for start in dict.fromkeys(self._named(function)) if self._plain(start)]
        without = [start for start in plain if not self._repeats(start)]
        best = without or plain
        return best[-1] if best else None

    def _named(self, function: Function) -> Iterator[int]:
        """The functions whose addresses the code of one has, in order of that code."""
        for block in function.blocks.values():
            for at, facts in zip(block.addresses(), block.facts, strict=True):
                if facts.flow != NEXT or not facts.points:
                    continue
                number = int.from_bytes(facts.raw[-4:], "little")
                address = number if facts.rip is None else at + facts.size + facts.rip
                if self.program.function(address) is not None:
                    yield address

    def _plain(self, start: int) -> bool:
        """Whether a function, and what it jumps or falls to, needs no more than the level."""
        known = self._plains.get(start)
        if known is None:
            known = self._plains[start] = all(
                _has(facts)
                for function in self._behind(start)
                for block in function.blocks.values()
                for facts in block.facts
            )
        return known

    def _behind(self, start: int) -> Iterator[Function]:
        """A function and what it jumps or falls to."""
        seen: set[int] = set()
        work = [start]
        while work and len(seen) < _MOST:
            function = self.program.owner(work.pop())
            if function is None or function.start in seen:
                continue
            seen.add(function.start)
            yield function
            for block in function.blocks.values():
                ways = (block.end if block.falls else None, block.taken if block.flow in (JUMP, COND) else None)
                work += [to for to in ways if to is not None and to not in function.blocks]

    def _repeats(self, start: int) -> bool:
        function = self.program.function(start)
        assert function is not None
        return any(facts.insn.has_rep_prefix for block in function.blocks.values() for facts in block.facts)


@cache
def _has(facts: Facts) -> bool:
    return _LEVEL.issuperset(facts.insn.cpuid_features())
