"""In: addresses where code is known to start. Out: all instructions that follow from there by direct control flow."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from iced_x86 import Code, Mnemonic

from recompiler.lift.elf.model import Binary
from recompiler.lift.find.linear_sweep import Text
from recompiler.lift.x86.decode import (
    CALL,
    CALL_INDIRECT,
    COND,
    INVALID,
    JUMP,
    JUMP_INDIRECT,
    LONGEST,
    NEXT,
    RET,
    TRAP,
    Facts,
    facts,
)

_ENDS: Final = frozenset((JUMP, RET, JUMP_INDIRECT, INVALID))
_ZEROS: Final = facts(b"\0\0")  # add [rax],al: what zeroed padding decodes as


class Traversal:
    """Recursive traversal of a whole binary; every set and dict is by address.

    leaders: where blocks must start. rows: where a run of instructions began -> the instructions up to where it ended.
    runs: the same -> the address of the last one. ends: what is behind that -> where it began. sources: a leader -> the
    run that first led to it, other than by a call. calls: targets of direct calls. resumes: return sites and what
    follows a syscall or int3. jumps: indirect jump -> its run.
    """

    def __init__(self, binary: Binary, walls: set[int]) -> None:
        self._texts = [Text(part.address, part.data) for part in binary.segments if part.executable and part.data]
        self._bases = [text.base for text in self._texts]
        self.walls = walls  # ends of functions: a call that ends there does not return
        self.leaders: set[int] = set()
        self.rows: dict[int, list[Facts]] = {}
        self.runs: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self.sources: dict[int, int] = {}
        self.calls: set[int] = set()
        self.resumes: set[int] = set()
        self.jumps: dict[int, int] = {}

    def _text_at(self, address: int) -> Text | None:
        at = bisect_right(self._bases, address) - 1
        return self._texts[at] if at >= 0 and address < self._texts[at].end else None

    def bytes_at(self, start: int, end: int) -> bytes:
        """The bytes of a range of code, as far as they are in the segment of start."""
        text = self._text_at(start)
        return b"" if text is None else text.code[start - text.base : end - text.base]

    def size_at(self, address: int) -> int:
        """Bytes of the instruction that starts at address, 0 if none is known to."""
        text = self._text_at(address)
        return 0 if text is None else text.sizes[address - text.base]

    def facts_at(self, address: int) -> Facts:
        """The instruction that is known to start at address."""
        return facts(self.bytes_at(address, address + self.size_at(address)))

    def inside(self, address: int) -> bool:
        """Whether address lies behind the first byte of an instruction that is known, and starts none."""
        text = self._text_at(address)
        if text is None:
            return False
        at = address - text.base
        return not text.sizes[at] and any(text.sizes[at - n] > n for n in range(1, min(LONGEST, at + 1)))

    def pointing(self) -> list[tuple[int, Facts]]:
        """The instructions with distances or numbers that may be addresses, found since the last call."""
        return [item for text in self._texts for item in text.pointing()]

    def traverse(self, starts: Iterable[int]) -> None:
        """Adds what is reached from starts; those outside the code are left out."""
        leaders = self.leaders
        work = list(starts)
        text = self._texts[0]
        while work:
            start = work.pop()
            if start in leaders:
                continue
            if not text.base <= start < text.end:
                found = self._text_at(start)
                if found is None:
                    continue
                text = found
            leaders.add(start)
            if not text.sizes[start - text.base]:
                self._run(start, text, work)

    def _run(self, start: int, text: Text, work: list[int]) -> None:
        """Goes on from start, behind branches and calls, as long as nothing is known there."""
        leaders, sources, low, sizes = self.leaders, self.sources, text.base, text.sizes
        while True:
            row, begin, at = text.row(start - low)
            here, behind = low + begin, low + at
            self.runs[start] = here
            self.rows[start] = row
            self.ends[behind] = start
            fact = row[-1]
            flow = fact.flow
            if flow in (COND, JUMP):
                target = behind + fact.disp  # type: ignore[operator]
                sources.setdefault(target, start)
                work.append(target)
            elif flow == CALL:
                target = behind + fact.disp  # type: ignore[operator]
                self.calls.add(target)
                work.append(target)
            elif flow == JUMP_INDIRECT:
                self.jumps[here] = start
            if flow in _ENDS or (flow == TRAP and fact.code != Code.INT3):
                return
            if flow not in (NEXT, COND):
                if behind in self.walls:
                    return
                self.resumes.add(behind)
            sources.setdefault(behind, start)
            if behind in leaders or behind == text.end:
                return
            leaders.add(behind)
            if sizes[at]:
                return
            start = behind

    def chain(self, jump: int, length: int) -> list[tuple[int, Facts]]:
        """The instructions that lead to an indirect jump: its run, before it those it falls from or is jumped from."""
        parts: list[list[tuple[int, Facts]]] = []
        start, seen = self.jumps[jump], set[int]()
        while start not in seen and length > 0:
            seen.add(start)
            part = self._last(start, length)
            parts.append(part)
            length -= len(part)
            before = self.ends.get(start)
            if before is None or self.rows[before][-1].flow not in (NEXT, COND, CALL, CALL_INDIRECT):
                before = self.sources.get(start)
            if before is None:
                break
            start = before
        return [item for part in reversed(parts) for item in part]

    def _last(self, start: int, length: int) -> list[tuple[int, Facts]]:
        """The last instructions of the run that begins at start, with their addresses."""
        row = self.rows[start][-length:]
        at = self.runs[start] + row[-1].size - sum(fact.size for fact in row)
        found = []
        for fact in row:
            found.append((at, fact))
            at += fact.size
        return found

    def onward(self, start: int) -> list[Facts]:
        """The instructions from start, which is one, to the next leader or to where control leaves them."""
        found: list[Facts] = []
        at = start
        while self.size_at(at) and (not found or (not found[-1].flow and at not in self.leaders)):
            found.append(self.facts_at(at))
            at += found[-1].size
        return found


def padding(fact: Facts) -> bool:
    """Whether an instruction is what compilers and linkers put between functions."""
    return fact.mnemonic in (Mnemonic.NOP, Mnemonic.INT3) or fact is _ZEROS
