"""In: a Binary. Out: a Program: all code that symbols, FDEs, control flow, tables and pointers lead to, in functions.

Nothing here is trusted for correctness: an address that was missed is a loud fault at run time, a function boundary in
the wrong place costs speed. Only the jump tables that end up in Function.tables and .guarded are proofs (tables.prove).
"""

from __future__ import annotations

import gc
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from iced_x86 import Mnemonic, OpKind

from recompiler.errors import Error
from recompiler.lift.elf import dynamic
from recompiler.lift.elf.binary import CODE, Binary
from recompiler.lift.elf.dynamic import STT_NOTYPE
from recompiler.lift.elf.ehframe import Fde
from recompiler.lift.find import assemble
from recompiler.lift.find.function import Program
from recompiler.lift.find.guess import Guesser
from recompiler.lift.find.recursive_traversal import Explorer, judge, padding
from recompiler.lift.x86 import decode
from recompiler.lift.x86.decode import Facts

Progress = Callable[[str, int, int], None]

_ROUNDS: Final = 8  # of tables, references and gaps; each finds less, what is left is for the ledger
_NOP: Final = b"\x90"
_WALL_BYTES: Final = b"\x90\x66\x0f\xcc\x2e\xf3\x00"


class Discovery:
    """What is known of the code of one binary while it is being found."""

    def __init__(self, binary: Binary) -> None:
        self.binary = binary
        self.frames = _frames(binary)
        self._frame_starts = [frame.start for frame in self.frames]
        starts = set(self._frame_starts)
        self.explorer = Explorer(binary, {f.end for f in self.frames if f.end in starts or _is_padding(binary, f.end)})
        self.low = min((a for a, _ in binary.text), default=0)
        self.high = max((b for _, b in binary.text), default=0)
        self._text_starts = [a for a, _ in binary.text]
        self.references: set[int] = set()  # addresses of code that code or data holds
        self.data: set[int] = set()  # other addresses that code refers to: where a table may begin, so where one ends
        self.bases: list[tuple[int, int, int]] = []  # (address of a lea, what it yields, its writes): perhaps tables
        self.labels: list[tuple[int, int, int]] = []  # the same for places in the text
        self.named: set[int] = set()  # function symbols, the entry point, init and fini functions
        self.starts: set[int] = set()  # starts of gaps that hold code
        self.gaps: list[tuple[int, int]] = []
        self.padding = 0
        self.guesser = Guesser(self)
        self._words: set[int] | None = None  # aligned words that may be addresses of code
        self._swept = 0  # how many runs were looked at
        self._covered = [bytearray(b - a) for a, b in binary.text]
        self._judged: dict[bytes, tuple[list[int], int, int]] = {}  # gaps that were looked at, starts from 0
        self._immediates: dict[Facts, int] = {}

    def frame_at(self, address: int) -> Fde | None:
        """The FDE, or the sized symbol, that covers address."""
        at = bisect_right(self._frame_starts, address) - 1
        return self.frames[at] if at >= 0 and address < self.frames[at].end else None

    def in_text(self, address: int) -> bool:
        """Whether address lies in a range that says it is code."""
        if not self.low <= address < self.high:
            return False
        at = bisect_right(self._text_starts, address) - 1
        return address < self.binary.text[at][1]

    def seeds(self) -> list[int]:
        """Where code starts by what the file says."""
        binary = self.binary
        if binary.code_at(binary.entry):
            self.named.add(binary.entry)
        for symbol in binary.symbols:
            if (symbol.type != STT_NOTYPE or symbol.binding) and not symbol.name.endswith(".cold"):
                self.named.add(symbol.address)
        for address, size in binary.arrays:
            for at in range(address, address + min(size, binary.size), 8):
                word = binary.word(at, 8)
                if word is not None and self.in_text(word):
                    self.named.add(word)
            if not size and binary.code_at(address):
                self.named.add(address)
        for row in binary.relocations.values():
            if row.kind in (dynamic.R_RELATIVE, dynamic.R_IRELATIVE) and self.in_text(row.addend):
                self.references.add(row.addend)
        for frame in self.frames:
            self.references.update(frame.pads)
        return [*self.named, *self.references, *(frame.start for frame in self.frames)]

    def pointers(self) -> set[int]:
        """Aligned words of a file that is not relocated which are addresses of code, as far as code is known."""
        if self._words is None:
            self._words = self._aligned() if self.fixed else set()
        known, inside = self.explorer.size_at, self.explorer.inside
        found = {word for word in self._words if known(word) or (not self.frame_at(word) and not inside(word))}
        self._words -= found
        return found

    def _aligned(self) -> set[int]:
        found: set[int] = set()
        for segment in self.binary.segments:
            skip = -segment.address % 8
            count = (len(segment.data) - skip) // 8
            if count > 0:
                words = struct.unpack_from(f"<{count}Q", segment.data, skip)
                found.update(word for word in words if self.low <= word < self.high)
        return {word for word in found if self.in_text(word)}

    @property
    def fixed(self) -> bool:
        """Whether the file is loaded where it is linked."""
        return self.binary.kind == "exec"

    def behind_nops(self) -> set[int]:
        """What is behind a NOP that a function begins with: Go's goroutines return there, where nothing calls."""
        starts = self.named.union(self.references, self._frame_starts)
        return {start + 1 for start in starts if self.explorer.bytes_at(start, start + 1) == _NOP}

    def refer(self) -> set[int]:
        """The addresses of code that the instructions found since the last call hold."""
        low, high = self.low, self.high
        found: set[int] = set()
        vague: set[int] = set()
        immediates = self._immediates
        for at, fact in self.explorer.pointing():
            if fact.rip is not None:
                value = at + fact.size + fact.rip
                inside = low <= value < high and self.in_text(value)
                if not inside:
                    self.data.add(value)
                if fact.mnemonic == Mnemonic.LEA:
                    self.bases.append((at, value, fact.writes))
                    if inside:
                        found.add(value)
                        self.labels.append((at, value, fact.writes))
            elif self.fixed and not fact.flow:
                immediate = immediates.get(fact)
                if immediate is None:
                    immediate = immediates[fact] = _address_in(fact)
                if not immediate:
                    continue
                moved = fact.mnemonic == Mnemonic.MOV
                if low <= immediate < high and self.in_text(immediate):
                    vague.add(immediate)
                    if moved:
                        self.labels.append((at, immediate, fact.writes))
                elif self.binary.segment_at(immediate) is not None:
                    self.data.add(immediate)
                    if moved:
                        self.bases.append((at, immediate, fact.writes))
        return found | {value for value in vague if value % 16 == 0 or not self.explorer.inside(value)}

    def sweep(self) -> list[int]:
        """Looks through text that nothing has led to; returns where code seems to start there."""
        found: list[int] = []
        self.gaps, self.padding = [], 0
        for start, end in self._unknown():
            gap = self.explorer.bytes_at(start, end)
            judged = self._judged.get(gap)
            if judged is None:
                judged = self._judged[gap] = judge(gap, b"")
            if judged[1]:  # unless it is the beginning of something that code behind it is in the middle of
                judged = judge(gap, self.explorer.bytes_at(end, end + decode.LONGEST))
            starts, data, idle = judged
            found += [start + offset for offset in starts]
            self.padding += idle
            if data:
                self.gaps.append((start, end))
        return found

    def _unknown(self) -> Iterator[tuple[int, int]]:
        """The ranges of text that no instruction covers."""
        runs, rows = self.explorer.runs, self.explorer.rows
        for start, last in islice(runs.items(), self._swept, None):
            end = last + rows[start][-1].size
            at = max(bisect_right(self._text_starts, start) - 1, 0)
            low, high = self.binary.text[at]
            if low <= start < high:
                end = min(end, high)
                self._covered[at][start - low : end - low] = b"\1" * (end - start)
        self._swept = len(runs)
        for (low, high), covered in zip(self.binary.text, self._covered, strict=True):
            at = covered.find(0)
            while at >= 0:
                behind = covered.find(1, at)
                behind = behind if behind >= 0 else high - low
                yield low + at, low + behind
                at = covered.find(0, behind)


def discover(binary: Binary, progress: Progress | None = None) -> Program:
    """Finds the code of a binary and divides it into functions.

    progress is called with a phase and (done, all) instructions or rounds. Raises Error (E_LIFT_ELF) only for a binary
    without any code.
    """
    tell = progress or (lambda phase, done, total: None)
    decode.forget()
    collecting = gc.isenabled()
    gc.disable()  # a million objects are made and none is dropped: collections cost a third of the time
    try:
        return _discover(binary, tell)
    finally:
        if collecting:
            gc.enable()


def _discover(binary: Binary, tell: Progress) -> Program:
    found = Discovery(binary)
    explorer = found.explorer
    if not any(segment.executable and segment.data for segment in binary.segments):
        raise Error(CODE, "no executable segment has any code")
    explorer.explore(sorted(found.seeds()))
    for turn in range(_ROUNDS):
        tell("discover", turn, _ROUNDS)
        known = -1
        while len(explorer.leaders) != known:
            _follow(found)
            known = len(explorer.leaders)
            while grown := found.guesser.grow():
                explorer.explore(grown)
                _follow(found, again=False)
        pointers = found.pointers() | found.behind_nops()
        found.references |= pointers
        explorer.explore(sorted(pointers))
        if len(explorer.leaders) == known:
            explorer.explore(found.guesser.rest())
        if len(explorer.leaders) == known:
            gaps = found.sweep()
            found.starts.update(gaps)
            explorer.explore(gaps)
        if len(explorer.leaders) == known:
            break
    tell("discover", _ROUNDS, _ROUNDS)
    return assemble.program(found)


def _follow(found: Discovery, *, again: bool = True) -> None:
    """Goes on from references and tables until they lead to nothing new. again: tries jumps that had no table, too."""
    explorer = found.explorer
    known = -1
    for _ in range(_ROUNDS):
        if len(explorer.leaders) == known:
            break
        known = len(explorer.leaders)
        references = found.refer()
        found.references |= references
        explorer.explore(sorted(references))
        explorer.explore(found.guesser.turn(again=again))


def _frames(binary: Binary) -> list[Fde]:
    """The FDEs, and symbols with a size where no FDE is, so that no two overlap; by start."""
    frames: list[Fde] = []
    for fde in binary.fdes:
        if frames and fde.start < frames[-1].end:
            frames[-1] = frames[-1]._replace(end=fde.start)
        frames.append(fde)
    starts = [frame.start for frame in frames]
    more: list[Fde] = []
    for symbol in binary.symbols:
        if symbol.type == STT_NOTYPE or not symbol.size:
            continue
        at = bisect_right(starts, symbol.address)
        end = min(symbol.address + symbol.size, starts[at] if at < len(starts) else symbol.address + symbol.size)
        if at and symbol.address < frames[at - 1].end:
            continue
        if more and symbol.address < more[-1].end:
            continue
        if binary.code_at(end - 1):
            more.append(Fde(symbol.address, end, 8, ()))
    return sorted(frames + more)


def _is_padding(binary: Binary, address: int) -> bool:
    return not binary.code_at(address) or (
        binary.read(address, 1) in [bytes([byte]) for byte in _WALL_BYTES]
        and padding(decode.at(binary.read(address, min(decode.LONGEST, _left(binary, address)))))
    )


def _left(binary: Binary, address: int) -> int:
    segment = binary.segment_at(address)
    return 0 if segment is None else segment.address + len(segment.data) - address


def _address_in(fact: Facts) -> int:
    """An immediate or absolute displacement of 32 bits or more that may be an address, else 0."""
    insn = fact.insn
    for operand in range(insn.op_count):
        kind = insn.op_kind(operand)
        if kind in (OpKind.IMMEDIATE32, OpKind.IMMEDIATE32TO64, OpKind.IMMEDIATE64):
            return insn.immediate(operand)
        if kind == OpKind.MEMORY and insn.memory_displ_size >= 4 and insn.memory_displacement >> 16:
            return insn.memory_displacement if insn.memory_displacement < 1 << 32 else 0
    return 0
