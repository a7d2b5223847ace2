"""In: addresses where code is known to start. Out: all instructions that follow from there by direct control flow."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from iced_x86 import Code, Mnemonic

from recompiler.lift.decode import (
    CALL,
    CALL_INDIRECT,
    COND,
    INVALID,
    JUMP,
    JUMP_INDIRECT,
    LONGEST,
    NEXT,
    RET,
    SYSCALL,
    TRAP,
    Facts,
    Stream,
    facts,
)

if TYPE_CHECKING:
    from recompiler.lift.binary import Binary

_ZEROS: Final = facts(b"\0\0")  # add [rax],al: what zeroed padding decodes as


class Explorer:
    """Recursive descent over a whole binary; every set and dict is by address.

    code: instructions. leaders: where blocks must start. runs: where straight decoding began -> its last instruction.
    ends: end of a run -> where it began. sources: a leader -> the run that first led to it, other than by a call.
    calls: targets of direct calls. resumes: return sites and what follows a syscall or int3. jumps: indirect jump ->
    its run.
    """

    def __init__(self, binary: Binary, walls: set[int]) -> None:
        self.streams = [Stream(s.data, s.address) for s in binary.segments if s.executable and s.data]
        self._bases = [stream.base for stream in self.streams]
        self.walls = walls  # ends of functions: a call that ends there does not return
        self.code: dict[int, Facts] = {}
        self.leaders: set[int] = set()
        self.runs: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self.sources: dict[int, int] = {}
        self.calls: set[int] = set()
        self.resumes: set[int] = set()
        self.jumps: dict[int, int] = {}

    def stream_at(self, address: int) -> Stream | None:
        """The code that address lies in."""
        stream = self.streams[bisect_right(self._bases, address) - 1] if self.streams else None
        return stream if stream is not None and stream.base <= address < stream.end else None

    def explore(self, starts: Iterable[int]) -> None:
        """Adds what is reached from starts; those outside the code are left out."""
        code, leaders, calls, sources = self.code, self.leaders, self.calls, self.sources
        work = list(starts)
        stream = self.streams[0]
        while work:
            start = work.pop()
            if start in leaders:
                continue
            if not stream.base <= start < stream.end:
                found = self.stream_at(start)
                if found is None:
                    continue
                stream = found
            leaders.add(start)
            if start in code:
                continue
            last = stream.run(start, code)
            self.runs[start] = last
            fact = code[last]
            end = last + fact.size
            self.ends[end] = start
            flow = fact.flow
            if flow == COND:
                target = end + fact.disp  # type: ignore[operator]
                sources.setdefault(target, start)
                sources.setdefault(end, start)
                work.append(target)
                work.append(end)
            elif flow == CALL:
                target = end + fact.disp  # type: ignore[operator]
                calls.add(target)
                work.append(target)
                if end not in self.walls:
                    self.resumes.add(end)
                    sources.setdefault(end, start)
                    work.append(end)
            elif flow == JUMP:
                target = end + fact.disp  # type: ignore[operator]
                sources.setdefault(target, start)
                work.append(target)
            elif flow == NEXT:
                sources.setdefault(end, start)
                work.append(end)
            elif flow in (CALL_INDIRECT, SYSCALL) or (flow == TRAP and fact.code == Code.INT3):
                if end not in self.walls:
                    self.resumes.add(end)
                    sources.setdefault(end, start)
                    work.append(end)
            elif flow == JUMP_INDIRECT:
                self.jumps[last] = start

    def chain(self, jump: int, length: int) -> list[tuple[int, Facts]]:
        """The instructions that lead to an indirect jump: its run, before it those it falls from or is jumped from."""
        parts: list[list[tuple[int, Facts]]] = []
        start, last, seen = self.jumps[jump], jump, set[int]()
        while start not in seen and length > 0:
            seen.add(start)
            part = self.straight(start, last, length)
            parts.append(part)
            length -= len(part)
            before = self.ends.get(start)
            if before is None or self.code[self.runs[before]].flow not in (NEXT, COND, CALL, CALL_INDIRECT):
                before = self.sources.get(start)
            if before is None:
                break
            start, last = before, self.runs[before]
        return [item for part in reversed(parts) for item in part]

    def straight(self, start: int, last: int, length: int = 1 << 32) -> list[tuple[int, Facts]]:
        """The instructions from start to last, which follow one another; of a long row about the last `length`."""
        get = self.code.get
        first = start
        if last - start > length * LONGEST:
            first = next(at for at in range(last - length * LONGEST, last + 1) if at in self.code)
        found = []
        at = first
        while at <= last:
            fact = get(at)
            if fact is None:
                break
            found.append((at, fact))
            at += fact.size
        return found if found[-1][0] == last else [(last, self.code[last])]


def padding(fact: Facts) -> bool:
    """Whether an instruction is what compilers and linkers put between functions."""
    return fact.mnemonic in (Mnemonic.NOP, Mnemonic.INT3) or fact is _ZEROS


def judge(stream: Stream, start: int, end: int) -> tuple[list[int], int, int]:
    """What stands in a gap between known code: (where code seems to start, bytes of data, bytes of padding).

    Code is what decodes until control leaves it or until it falls exactly into the code behind the gap.
    """
    starts: list[int] = []
    data = idle = 0
    flow = RET
    known: dict[int, Facts] = {}
    at = start
    while at < end:
        last = stream.run(at, known)
        first = at
        while at < end and at <= last and padding(known[at]):
            at += known[at].size
        idle += min(at, end) - first
        if at >= end or at > last:
            continue
        first = at
        while at < end and at <= last:
            at += known[at].size
        if at > end or known[last].flow == INVALID or (known[last].flow == NEXT and at < end):
            data += end - first
            break
        if flow not in (COND, CALL, CALL_INDIRECT, SYSCALL):
            starts.append(first)
        flow = known[last].flow
    return starts, data, idle
