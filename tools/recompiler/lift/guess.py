"""In: the indirect jumps of a binary under discovery. Out: where each of them seems to lead, so that these are entries.

A table counts here when its words lead into code, whatever the proof says: a target too many costs speed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from recompiler.lift import bounds, tables
from recompiler.lift.decode import Facts
from recompiler.lift.tables import WORD, Value

if TYPE_CHECKING:
    from recompiler.lift.discover import Discovery

_CHAIN: Final = 48  # instructions that are looked at before a jump
_FAR: Final = 1 << 40
_MOST: Final = 2048  # entries of a table whose bound is not seen
_CANDIDATES: Final = 64  # bases that are tried for one jump


class Guess(NamedTuple):
    """The targets of one jump; base: the register and value that had to be assumed, if any."""

    targets: list[int]
    base: tuple[int, int] | None


class Guesser:
    """Keeps what was found for each jump, and how much work is left for all of them."""

    def __init__(self, discovery: Discovery) -> None:
        self.discovery = discovery
        self.found: dict[int, Guess] = {}
        self.missed: set[int] = set()  # jumps through a table that was not found
        self._tried: dict[int, tuple[int, int]] = {}  # jump -> what there was to look at
        self._budget = 4 * sum(b - a for a, b in discovery.binary.text) + 65536
        self._refs: list[int] = []
        self._bases: list[tuple[int, int]] = []

    def turn(self) -> list[int]:
        """Looks at the jumps without targets once more; returns the new targets."""
        discovery = self.discovery
        self._refs = sorted(discovery.data)
        self._bases = sorted(discovery.bases)
        new: list[int] = []
        for jump in sorted(discovery.explorer.jumps):
            if jump not in self.found:
                guess = self._guess(jump)
                if guess is not None:
                    self.found[jump] = guess
                    new += guess.targets
        return new

    def _guess(self, jump: int) -> Guess | None:
        code = self.discovery.explorer.chain(jump, _CHAIN)
        rows = self._near(jump)
        tried = len(code), len(rows)
        if self._tried.get(jump) == tried:
            return None
        self._tried[jump] = tried
        value, _ = tables.evaluate(code)
        if value is not None:
            targets = self._targets(jump, code, value)
            if targets:
                return Guess(targets, self._own_base(jump, code, value))
        registers = _bases_wanted(code)
        if not registers:
            return None
        rows.sort(key=lambda row: abs(row[0] - jump))
        candidates = list(dict.fromkeys(base for _, base in rows[: 4 * _CANDIDATES]))[:_CANDIDATES]
        for register in registers:
            origin, _ = tables.evaluate(code, (register, Value(0, base=1)))
            far, _ = tables.evaluate(code, (register, Value(_FAR, base=1)))
            if origin is None or far is None:
                continue
            self.missed.add(jump)
            # The value is linear in the base: how often the base is in either sum.
            times, add_times = (far.offset - origin.offset) // _FAR, (far.add - origin.add) // _FAR
            for base in candidates:
                value = origin._replace(offset=origin.offset + times * base, add=(origin.add + add_times * base) & WORD)
                targets = self._targets(jump, code, value)
                if len(targets) > 1:
                    self.missed.discard(jump)
                    return Guess(targets, (register, base))
        return None

    def _own_base(self, jump: int, code: list[tuple[int, Facts]], value: Value) -> tuple[int, int] | None:
        """The register that brings the table's address into the run of the jump, where it is set outside it."""
        base = value.offset if value.base else 0
        inside = self.discovery.explorer.straight(self.discovery.explorer.jumps[jump], jump)
        for register in _bases_wanted(inside) if base else ():
            if tables.evaluate(inside, (register, Value(base, base=1)))[0] is not None:
                return register, base
        return None

    def _near(self, jump: int) -> list[tuple[int, int]]:
        """The leas of the same function: (address, what it yields)."""
        frame = self.discovery.frame_at(jump)
        low, high = (frame.start, frame.end) if frame else (jump - 65536, jump + 65536)
        return self._bases[bisect_left(self._bases, (low, 0)) : bisect_right(self._bases, (high, 0))]

    def _targets(self, jump: int, code: list[tuple[int, Facts]], value: Value) -> list[int]:
        """The targets that a table gives, up to its bound, or to the first word that cannot be one."""
        discovery = self.discovery
        first = tables.entry(discovery.binary, value, 0, discovery.word)
        if first is None or not discovery.in_text(first):
            return []
        bound = bounds.bound(code, value.register, value.at)
        frame = discovery.frame_at(jump)
        at = bisect_right(self._refs, value.offset)
        next_object = self._refs[at] if at < len(self._refs) else None
        targets: list[int] = []
        for index in range(min(_MOST if bound is None else bound, self._budget)):
            if (
                bound is None
                and index
                and next_object is not None
                and value.offset + index * value.scale >= next_object
            ):
                break
            target = tables.entry(discovery.binary, value, index, discovery.word)
            if target is None or not discovery.in_text(target):
                break
            if bound is None and frame is not None and not frame.start <= target < frame.end:
                other = discovery.frame_at(target)
                if other is None or other.cfa == 8:
                    break
            targets.append(target)
        self._budget -= len(targets)
        return targets


def _bases_wanted(code: list[tuple[int, Facts]]) -> list[int]:
    """The registers that memory operands with an index, or additions to what was loaded, take as they are."""
    wanted: list[int] = []
    for _, facts in code[-12:]:
        insn = facts.insn
        if insn.memory_index and insn.memory_base and not facts.rip:
            number = tables.gpr(insn.memory_base)
            if number >= 0 and number not in wanted and number != 4:
                wanted.append(number)
            number = tables.gpr(insn.memory_index)
            if insn.memory_index_scale == 1 and number >= 0 and number not in wanted:
                wanted.append(number)
    return wanted
