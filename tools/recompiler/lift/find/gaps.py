"""In: what is known of a binary's code. Out: where code seems to start in the text that nothing has led to."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice

from recompiler.lift.find.found import Found
from recompiler.lift.find.recursive_traversal import padding
from recompiler.lift.x86 import decode
from recompiler.lift.x86.decode import CALL, CALL_INDIRECT, COND, INVALID, RET, SYSCALL, stream


class Gaps:
    """Remembers what is covered, and the gaps that it has looked at. Sets gaps and padding of found."""

    def __init__(self, found: Found) -> None:
        self.found = found
        self._looked = 0  # how many runs were looked at
        self._covered = [bytearray(b - a) for a, b in found.binary.text]
        self._judged: dict[bytes, tuple[list[int], int, int]] = {}  # gaps that were looked at, starts from 0

    def search(self) -> list[int]:
        """Looks through text that nothing has led to; returns where code seems to start there."""
        starting: list[int] = []
        self.found.gaps, self.found.padding = [], 0
        for start, end in self._unknown():
            gap = self.found.traversal.bytes_at(start, end)
            judged = self._judged.get(gap)
            if judged is None:
                judged = self._judged[gap] = judge(gap, b"")
            if judged[1]:  # unless it is the beginning of something that code behind it is in the middle of
                judged = judge(gap, self.found.traversal.bytes_at(end, end + decode.LONGEST))
            starts, data, idle = judged
            starting += [start + offset for offset in starts]
            self.found.padding += idle
            if data:
                self.found.gaps.append((start, end))
        return starting

    def _unknown(self) -> Iterator[tuple[int, int]]:
        """The ranges of text that no instruction covers."""
        runs, rows = self.found.traversal.runs, self.found.traversal.rows
        for start, last in islice(runs.items(), self._looked, None):
            end = last + rows[start][-1].size
            at = max(bisect_right(self.found.text_starts, start) - 1, 0)
            low, high = self.found.binary.text[at]
            if low <= start < high:
                end = min(end, high)
                self._covered[at][start - low : end - low] = b"\1" * (end - start)
        self._looked = len(runs)
        for (low, high), covered in zip(self.found.binary.text, self._covered, strict=True):
            at = covered.find(0)
            while at >= 0:
                behind = covered.find(1, at)
                behind = behind if behind >= 0 else high - low
                yield low + at, low + behind
                at = covered.find(0, behind)


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
