"""In: a Binary. Out: what is known of its code while it is being found: all steps read it and add to it.

references.py, gaps.py and guess.py find; assemble.py divides what they found.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from recompiler.lift.elf.model import STT_NOTYPE, Binary, Fde
from recompiler.lift.find.recursive_traversal import Traversal, padding
from recompiler.lift.x86 import decode

_WALL_BYTES: Final = b"\x90\x66\x0f\xcc\x2e\xf3\x00"


class Found:
    """What is known of the code of one binary.

    frames: FDEs and sized symbols that do not overlap, by start. references: addresses of code that code or data holds.
    data: other addresses that code refers to: where a table may begin, so where one ends. bases: (address of a lea,
    what it yields, its writes): perhaps tables; labels: the same for places in the text. named: function symbols, the
    entry point, init and fini functions. starts: starts of gaps that hold code. gaps, padding: as Program has them.
    """

    def __init__(self, binary: Binary) -> None:
        self.binary = binary
        self.frames = _frames(binary)
        self.frame_starts = [frame.start for frame in self.frames]
        starts = set(self.frame_starts)
        walls = {f.end for f in self.frames if f.end in starts or _is_padding(binary, f.end)}
        self.traversal = Traversal(binary, walls)
        self.low = min((a for a, _ in binary.text), default=0)
        self.high = max((b for _, b in binary.text), default=0)
        self.text_starts = [a for a, _ in binary.text]
        self.references: set[int] = set()
        self.data: set[int] = set()
        self.bases: list[tuple[int, int, int]] = []
        self.labels: list[tuple[int, int, int]] = []
        self.named: set[int] = set()
        self.starts: set[int] = set()
        self.gaps: list[tuple[int, int]] = []
        self.padding = 0

    @property
    def leaders(self) -> int:
        """How many blocks are known: what does not grow is done."""
        return len(self.traversal.leaders)

    def frame_at(self, address: int) -> Fde | None:
        """The FDE, or the sized symbol, that covers address."""
        at = bisect_right(self.frame_starts, address) - 1
        return self.frames[at] if at >= 0 and address < self.frames[at].end else None

    def in_text(self, address: int) -> bool:
        """Whether address lies in a range that says it is code."""
        if not self.low <= address < self.high:
            return False
        at = bisect_right(self.text_starts, address) - 1
        return address < self.binary.text[at][1]

    @property
    def fixed(self) -> bool:
        """Whether the file is loaded where it is linked."""
        return self.binary.kind == "exec"


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
