"""In: a program. Out: what the code of one function has to know of the others: numbers, the text, stubs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from iced_x86 import Code, Mnemonic, OpKind, Register

from recompiler.lift.find.call_prediction import CallPrediction
from recompiler.lift.find.function import Function, Program
from recompiler.lift.x86.decode import CALL_INDIRECT, JUMP_INDIRECT, Facts

_MARKS: Final = frozenset((Mnemonic.ENDBR64, Mnemonic.NOP))


@dataclass(frozen=True, slots=True)
class Links:
    """numbers: address of an entry -> (number of its function, number of the entry). text: (start, size), as the pc
    map has it. stubs: start of a function that only jumps through a word at a fixed address, as those of a PLT do ->
    that jump and its end: a call of the stub can call what the word says. predicted: address of such a word -> start of
    the function that it will most likely hold.
    """

    numbers: dict[int, tuple[int, int]] = field(default_factory=dict)
    text: tuple[int, int] = (0, 0)
    stubs: dict[int, tuple[Facts, int]] = field(default_factory=dict)
    predicted: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, program: Program) -> Links:
        """Those of a whole program."""
        numbers = {
            address: (number, n)
            for number, function in enumerate(program.functions)
            for n, address in enumerate(function.entries)
        }
        stubs = {function.start: stub for function in program.functions if (stub := _stub(function)) is not None}
        words = {word for stub in stubs.values() if (word := fixed(*stub)) is not None}
        words |= {word for function in program.functions for word in _called(function)}
        prediction = CallPrediction(program)
        predicted = {word: start for word in sorted(words) if (start := prediction.callee(word)) is not None}
        return cls(numbers, program.binary.code_range, stubs, predicted)


def _called(function: Function) -> Iterator[int]:
    """The words at fixed addresses that a function calls through."""
    for block in function.blocks.values():
        if block.flow == CALL_INDIRECT and (word := fixed(block.facts[-1], block.end)) is not None:
            yield word


def fixed(facts: Facts, end: int) -> int | None:
    """The address of the word that an indirect branch reads, if its bytes alone say it."""
    segmented = facts.insn.segment_prefix in (Register.FS, Register.GS)
    return None if facts.rip is None or segmented or facts.insn.op0_kind != OpKind.MEMORY else end + facts.rip


def _stub(function: Function) -> tuple[Facts, int] | None:
    block = function.blocks[function.start]
    last = block.facts[-1]
    if len(function.blocks) != 1 or block.flow != JUMP_INDIRECT or last.code != Code.JMP_RM64:
        return None
    if fixed(last, block.end) is None:
        return None
    if any(facts.mnemonic not in _MARKS for facts in block.facts[:-1]):
        return None
    return last, block.end
