"""In: addresses where code is known to start. Out: all instructions that follow from there by direct control flow."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from iced_x86 import Code, Decoder, Mnemonic

from recompiler.lift.decode import (
    CALL,
    CALL_INDIRECT,
    COND,
    INVALID,
    JUMP,
    JUMP_INDIRECT,
    LONGEST,
    MEMO,
    NEXT,
    RET,
    SYSCALL,
    TRAP,
    Facts,
    facts,
    learn,
    stream,
)

if TYPE_CHECKING:
    from recompiler.lift.binary import Binary

_ENDS: Final = frozenset((JUMP, RET, JUMP_INDIRECT, INVALID))
_ZEROS: Final = facts(b"\0\0")  # add [rax],al: what zeroed padding decodes as


class Explorer:
    """Recursive descent over a whole binary; every set and dict is by address.

    code: instructions. leaders: where blocks must start. runs: where straight decoding began -> its last instruction.
    rows: the same -> all its instructions.
    ends: end of a run -> where it began. sources: a leader -> the run that first led to it, other than by a call.
    calls: targets of direct calls. resumes: return sites and what follows a syscall or int3. jumps: indirect jump ->
    its run.
    """

    def __init__(self, binary: Binary, walls: set[int]) -> None:
        self._streams = [
            (s.address, s.address + len(s.data), s.data) for s in binary.segments if s.executable and s.data
        ]
        self._bases = [base for base, _, _ in self._streams]
        self._decoders = {base: Decoder(64, code) for base, _, code in self._streams}
        self._pointing: list[int] = []
        self.walls = walls  # ends of functions: a call that ends there does not return
        self.code: dict[int, Facts] = {}
        self.leaders: set[int] = set()
        self.runs: dict[int, int] = {}
        self.rows: dict[int, list[Facts]] = {}
        self.ends: dict[int, int] = {}
        self.sources: dict[int, int] = {}
        self.calls: set[int] = set()
        self.resumes: set[int] = set()
        self.jumps: dict[int, int] = {}

    def _stream_at(self, address: int) -> tuple[int, int, bytes] | None:
        """The code that address lies in, and its first and last address."""
        at = bisect_right(self._bases, address) - 1
        return self._streams[at] if at >= 0 and address < self._streams[at][1] else None

    def bytes_at(self, start: int, end: int) -> bytes:
        """The bytes of a range of code, as far as they are in the segment of start."""
        found = self._stream_at(start)
        return b"" if found is None else found[2][start - found[0] : end - found[0]]

    def pointing(self) -> list[int]:
        """The instructions with distances or numbers that may be addresses, decoded since the last call."""
        found, self._pointing = self._pointing, []
        return found

    def explore(self, starts: Iterable[int]) -> None:
        """Adds what is reached from starts; those outside the code are left out."""
        leaders, code = self.leaders, self.code
        work = list(starts)
        low = high = 0
        text = b""
        while work:
            start = work.pop()
            if start in leaders:
                continue
            if not low <= start < high:
                found = self._stream_at(start)
                if found is None:
                    continue
                low, high, text = found
                decoder = self._decoders[low]
            leaders.add(start)
            if start not in code:
                self._run(start, low, text, decoder, work)

    def _run(self, start: int, low: int, text: bytes, decoder: Decoder, work: list[int]) -> None:
        """Decodes straight on from start, beyond branches and calls, as long as nothing is known there."""
        get, code, leaders, sources, pointing = MEMO.get, self.code, self.leaders, self.sources, self._pointing
        last = at = start - low
        row: list[Facts] = []
        decoder.position = at
        for insn in decoder:
            end = at + insn.len
            raw = text[at:end]
            fact = get(raw)
            if fact is None:
                fact = learn(raw, insn, decoder)
            here, behind = low + at, low + end
            code[here] = fact
            row.append(fact)
            if fact.points:
                pointing.append(here)
            last, at = here, end
            flow = fact.flow
            if not flow and behind not in code:
                continue
            self.runs[start] = here
            self.rows[start] = row
            self.ends[behind] = start
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
            if behind in leaders:
                return
            leaders.add(behind)
            if behind in code:
                return
            start = behind
            row = []
        if row:  # the end of the segment
            self.runs[start] = last
            self.rows[start] = row
            self.ends[low + at] = start

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

    def onward(self, start: int) -> list[Facts]:
        """The instructions from start, which is one, to the next leader or to where control leaves them."""
        found = [self.code[start]]
        at = start + found[0].size
        while not found[-1].flow and at not in self.leaders and at in self.code:
            found.append(self.code[at])
            at += found[-1].size
        return found

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


def judge(gap: bytes, behind: bytes) -> tuple[list[int], int, int]:
    """What stands in a gap between known code: (offsets where code seems to start, bytes of data, of padding).

    Code is what decodes until control leaves it or until it falls exactly into the code behind the gap.
    """
    end = len(gap)
    starts: list[int] = []
    at = idle = first = 0
    flow, fresh = RET, True
    for fact in stream(gap + behind, 0):
        if fresh and padding(fact):
            idle += min(fact.size, end - at)
            at += fact.size
        else:
            if fresh:
                first, fresh = at, False
            at += fact.size
            if at > end or fact.flow == INVALID:
                return starts, end - first, idle
            if fact.flow or at == end:
                if flow not in (COND, CALL, CALL_INDIRECT, SYSCALL):
                    starts.append(first)
                flow, fresh = fact.flow, True
        if at >= end:
            break
    return starts, 0, idle
