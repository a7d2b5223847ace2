"""In: the bytes of an executable segment. Out: rows of its instructions, from any offset to a transfer of control.

All of it is decoded once, one instruction behind the other, in steps that run in C; rows are cut out of that. Where
code is entered between those instructions, because data or another reading of the same bytes is before it, it is
decoded apart.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate, islice, pairwise
from typing import Final

from iced_x86 import Decoder

from recompiler.lift.x86.decode import LONGEST, MEMO, Facts, learn, stream

_STEP: Final = 8192  # instructions that are decoded at a time
_SIZES: Final = [bytes([size]) + bytes(size - 1) for size in range(1, LONGEST + 1)]


class Text:
    """base, end: addresses. sizes: by offset, bytes of the instruction that was found to start there, else 0."""

    def __init__(self, base: int, code: bytes) -> None:
        self.base = base
        self.end = base + len(code)
        self.code = code
        self.sizes = bytearray(len(code) + 1)
        self._facts: list[Facts] = []
        self._starts: list[int] = []
        self._decode()
        self._all = b"".join([_SIZES[fact.size - 1] for fact in self._facts])
        self._flows = [number for number, fact in enumerate(self._facts) if fact.flow]
        self._points = [number for number, fact in enumerate(self._facts) if fact.points]
        self._new: list[tuple[int, int]] = []  # rows whose pointing instructions nobody asked for
        self._apart: list[tuple[int, Facts]] = []  # such instructions outside the linear sweep

    def _decode(self) -> None:
        decoder, code, get = Decoder(64, self.code), self.code, MEMO.get
        at = 0
        while at < len(code):
            insns = list(islice(decoder, _STEP))
            ends = list(accumulate(map(len, insns), initial=at))
            at = ends.pop()
            raws = [code[a:b] for a, b in pairwise([*ends, at])]
            found = list(map(get, raws))
            for number, fact in enumerate(found):
                if fact is None:
                    raw = raws[number]
                    found[number] = get(raw) or learn(raw, insns[number])
            self._facts += found  # type: ignore[arg-type]
            self._starts += ends

    def row(self, start: int) -> tuple[list[Facts], int, int]:
        """The instructions from offset start on to a transfer of control, the end, or one that is known already.

        Returns them, the offset of the last one, and that behind it.
        """
        first = bisect_left(self._starts, start)
        if first == len(self._starts) or self._starts[first] != start:
            return self._row_apart(start)
        flow = bisect_left(self._flows, first)
        last = self._flows[flow] if flow < len(self._flows) else len(self._facts) - 1
        end = self._starts[last] + self._facts[last].size
        known = self.sizes[start:end].lstrip(b"\0")
        if known:
            end -= len(known)
            last = bisect_left(self._starts, end) - 1
            if self._starts[last] + self._facts[last].size != end:
                return self._row_apart(start)
        self.sizes[start:end] = self._all[start:end]
        self._new.append((first, last))
        return self._facts[first : last + 1], self._starts[last], end

    def _row_apart(self, start: int) -> tuple[list[Facts], int, int]:
        row: list[Facts] = []
        begin = at = start
        for fact in stream(self.code, start):
            row.append(fact)
            begin, at = at, at + fact.size
            self.sizes[begin] = fact.size
            if fact.points:
                self._apart.append((self.base + begin, fact))
            if fact.flow or self.sizes[at]:
                break
        return row, begin, at

    def pointing(self) -> list[tuple[int, Facts]]:
        """The instructions with distances or numbers that may be addresses, in rows since the last call."""
        found, self._apart = self._apart, []
        base, facts, starts, points = self.base, self._facts, self._starts, self._points
        rows = sorted(self._new)
        at = 0
        while at < len(rows):
            first, last = rows[at]
            at += 1
            while at < len(rows) and rows[at][0] <= last + 1:
                last = max(last, rows[at][1])
                at += 1
            some = points[bisect_left(points, first) : bisect_right(points, last)]
            found += [(base + starts[number], facts[number]) for number in some]
        self._new = []
        return found
