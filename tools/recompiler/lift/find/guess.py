"""In: the indirect jumps of a binary under discovery. Out: where each of them seems to lead, so that these are entries.

A table counts here when its words lead into code, whatever the proof says: a target too many costs speed, a target that
is missing costs the program. So where the table of a jump is not certain, all tables of its function are entries too.
A table whose end nothing tells grows word by word, each after what the one before leads to: code that is reached so may
name the object behind the table, and with it its end. Words of that object would be targets in the middle of code.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final, NamedTuple

from recompiler.lift.elf.model import Fde
from recompiler.lift.find import bounds, tables
from recompiler.lift.find.found import Found
from recompiler.lift.find.tables import Value
from recompiler.lift.x86.decode import Facts

_CHAIN: Final = 48  # instructions that are looked at before a jump
_MOST: Final = 2048  # entries of a table whose bound is not seen
_STEPS: Final = 64  # of growth, in which all open tables grow by a word; what is left then comes at once
_CANDIDATES: Final = 64  # bases that are tried for one jump
_ORIGINS: Final = 8  # labels that distances are tried from
_HOLES: Final = 8  # words in front of a table whose index does not begin at 0
_AROUND: Final = 65536  # bytes before and behind a jump outside any FDE that belong to it
_DEAR: Final = 32  # what looking at one jump's function costs of the budget
_ROW: Final = 256  # instructions that a computed jump may choose from

Code = list[tuple[int, Facts]]
Place = tuple[int, int, int]  # where an instruction loads an address, which, and what it writes


class Guess(NamedTuple):
    """The words of one jump's table by index, its address as linked, and how far apart its words are."""

    targets: list[int]
    table: int
    scale: int


class Guesser:
    """Keeps what was found for each jump, and how much work is left for all of them.

    found: jump -> its table. missed: jumps through a table that was not found. others: further places that jumps of
    uncertain table or none may lead to.
    """

    def __init__(self, code: Found) -> None:
        self.code = code
        self.found: dict[int, Guess] = {}
        self.missed: set[int] = set()
        self.others: set[int] = set()
        self._open: dict[int, tuple[Value, int]] = {}  # jumps whose table may have more words, up to so many
        self._steps = _STEPS
        self._tried: dict[int, tuple[int, int]] = {}  # jump -> what there was to look at
        self._plain: set[int] = set()  # jumps through one word
        self._rows: dict[int, Value] = {}  # jumps that compute where they lead without a table
        self._vague: set[int] = set()  # jumps whose table's address was assumed, or that were missed
        self._looked: set[tuple[int, int, int]] = set()  # (jump's function, table, origin) that were scanned
        self._budget = sum(b - a for a, b in code.binary.text) // 4 + 65536  # about ten microseconds each
        self._refs: list[int] = []
        self._bases: list[Place] = []
        self._labels: list[Place] = []

    def turn(self, *, again: bool = True) -> list[int]:
        """Looks at the jumps without targets, again at those that it has looked at; returns the new targets."""
        code = self.code
        self._refs = sorted(code.data)
        self._bases = sorted(code.bases)
        self._labels = sorted(code.labels)
        new: list[int] = []
        known = self._plain if again else self._plain | self._tried.keys()
        for jump in sorted(code.traversal.jumps.keys() - self.found.keys() - known):
            if code.traversal.facts_at(jump).rip is not None:
                self._plain.add(jump)
            else:
                guess = self._guess(jump)
                if guess is not None:
                    self.found[jump] = guess
                    new += [target for target in guess.targets if code.in_text(target)]
        return new

    def grow(self) -> list[int]:
        """The next targets of tables whose end nothing has told yet; none when there is no such table."""
        new: list[int] = []
        while self._open and not new:
            step = 1 if self._steps else _MOST
            self._steps -= self._steps > 0
            for jump, (value, most) in list(self._open.items()):
                targets = self.found[jump].targets
                found = [*self._words(jump, value, len(targets), min(len(targets) + step, most))]
                if len(found) < step:
                    del self._open[jump]
                targets += found
                new += [target for target in found if target not in self.code.traversal.leaders]
        return new

    @property
    def inline(self) -> list[tuple[int, int]]:
        """The ranges of text that are tables."""
        guesses = [guess for guess in self.found.values() if self.code.in_text(guess.table)]
        return [(table, table + len(targets) * scale) for targets, table, scale in guesses]

    def rest(self) -> list[int]:
        """When turns find nothing more: where else jumps may lead whose table is not certain, or that have none."""
        for jump in sorted(self._vague):
            self._scan(jump)
        return sorted(self.others)

    def labels(self) -> set[int]:
        """All places that indirect jumps within functions lead to."""
        return self.others.union(*(guess.targets for guess in self.found.values()))

    def _guess(self, jump: int) -> Guess | None:
        self._budget -= _DEAR
        if self._budget < 0:
            return None
        if jump in self._rows:
            self._row(jump, self._rows[jump])
            return None
        code = self.code.traversal.chain(jump, _CHAIN)
        low, high = self._extent(jump)
        tried = len(code), bisect_right(self._bases, (high, 0, 0)) - bisect_left(self._bases, (low, 0, 0))
        if self._tried.get(jump) == tried:
            return None
        self._tried[jump] = tried
        value = _target(code[self._first(jump, code) :])
        if value is None:
            value = _target(code)
            if value is not None:
                self._vague.add(jump)
        if value is not None and not value.size:
            self._rows[jump] = value
            self._row(jump, value)
            return None
        if value is not None:
            guess = self._table(jump, value, bounds.bound(code, value.register, value.at))
            if guess is not None:
                return guess
            self._vague.add(jump)
        return self._assume(jump, code)

    def _first(self, jump: int, code: Code) -> int:
        """Where the jump's own run begins in the code that leads to it."""
        start = self.code.traversal.jumps[jump]
        return next((at for at in range(len(code) - 1, 0, -1) if code[at][0] == start), 0)

    def _assume(self, jump: int, code: Code) -> Guess | None:
        """The table at one of the places that the function loads, as if a register of the jump had that."""
        rows = self._nearest(self._bases, jump, 4 * _CANDIDATES)
        for register in tables.bases_wanted(code):
            self._budget -= _DEAR
            linear = tables.linear(code, register)
            if linear is None:
                continue
            self._vague.add(jump)
            self.missed.add(jump)
            own = [row for row in rows if row[2] >> register & 1]
            bound = bounds.bound(code, linear.origin.register, linear.origin.at)
            for base in _values(own + rows, _CANDIDATES):
                guess = self._table(jump, linear.at(base), bound, assumed=True)
                if guess is not None:
                    self.missed.discard(jump)
                    return guess
        return None

    def _extent(self, jump: int) -> tuple[int, int]:
        """The function of a jump, as far as that is known."""
        frame = self.code.frame_at(jump)
        return (frame.start, frame.end) if frame else (jump - _AROUND, jump + _AROUND)

    def _nearest(self, rows: list[Place], jump: int, most: int) -> list[Place]:
        """The rows of the jump's function that are nearest to it, of some before it and as many behind it."""
        low, high = self._extent(jump)
        at = bisect_left(rows, (jump, 0, 0))
        first = max(bisect_left(rows, (low, 0, 0)), at - most // 2)
        near = rows[first : min(bisect_right(rows, (high, 0, 0)), at + most // 2)]
        return sorted(near, key=lambda row: abs(row[0] - jump))

    def _table(self, jump: int, value: Value, limit: tuple[int | None, bool], *, assumed: bool = False) -> Guess | None:
        """The table at a place: all of its words where its bound is seen, else the first, or two if it is assumed."""
        bound, certain = limit
        most = min(_MOST if bound is None else bound, self._budget)
        least = 2 if assumed else 1
        if certain:
            targets = self._bounded(jump, value, most, assumed=assumed)
        else:
            targets = [*self._words(jump, value, 0, min(least, most))]
        if len(targets) < least:
            return None
        if not certain:
            self._open[jump] = value, most
        return Guess(targets, value.offset, value.scale)

    def _bounded(self, jump: int, value: Value, most: int, *, assumed: bool) -> list[int]:
        """The words that a table gives up to its bound, or to the first that cannot be one; empty for no table."""
        code = self.code
        frame = code.frame_at(jump)
        targets: list[int] = []
        holes = 0
        for index in range(most):
            target = tables.entry(code.binary, value, index, code.binary.word)
            if target is None:
                break
            if not code.in_text(target):
                if holes < index or index == _HOLES:
                    break
                holes += 1
            elif assumed and not self._may_lead(frame, target):
                break
            targets.append(target)
        self._budget -= len(targets) + 1
        return targets if len(targets) > holes else []

    def _words(self, jump: int, value: Value, first: int, end: int) -> Iterator[int]:
        """The words of a table whose bound is not seen, up to one that can be none: the next object begins there."""
        code = self.code
        frame = code.frame_at(jump)
        step = min(value.scale, 8)
        for index in range(first, end):
            self._budget -= 1
            at = value.offset + index * value.scale
            if self._budget < 0 or (index and not code.data.isdisjoint(range(at - step + 1, at + 1))):
                return
            target = tables.entry(code.binary, value, index, code.binary.word)
            if target is None or not code.in_text(target) or not self._may_lead(frame, target):
                return
            yield target

    def _may_lead(self, frame: Fde | None, target: int) -> bool:
        """Whether a word that only its neighbours make a target is one: it leads into the function or a cold part."""
        code = self.code
        if frame is not None and not frame.start <= target < frame.end:
            other = code.frame_at(target)
            if other is None or other.cfa == 8:
                return False
        return not code.traversal.inside(target)

    def _row(self, jump: int, value: Value) -> None:
        """Adds the instructions that a jump chooses from by arithmetic alone: neighbours that are a scale apart."""
        low, high = self._extent(jump)
        known = self.code.traversal.size_at
        for step in (value.scale, -value.scale) if value.base == 1 or self.code.fixed else ():
            at = value.offset
            for _ in range(_ROW):
                if not low <= at < high or not known(at):
                    break
                self.others.add(at)
                at += step

    def _scan(self, jump: int) -> None:
        """Adds where any table of the jump's function leads, by addresses, by distances from itself or from a label."""
        extent = self._extent(jump)
        places = self._nearest(self._bases, jump, 4 * _CANDIDATES) if self._budget > 0 else []
        origins = self._nearest(self._labels, jump, 4 * _ORIGINS) if jump in self.missed else []
        labels = _values(origins, _ORIGINS)
        self._budget -= _DEAR
        for table in _values(places, _CANDIDATES):
            for size, origin in ((8, 0), (4, table), *((4, label) for label in labels)):
                key = extent[0], table, origin + size
                if key not in self._looked:
                    self._looked.add(key)
                    self.others.update(self._run(extent, table, size, origin))

    def _run(self, extent: tuple[int, int], table: int, size: int, origin: int) -> list[int]:
        """The targets of words at table, as long as each leads to where an instruction can be; at least two."""
        code = self.code
        found: list[int] = []
        next_object = bisect_right(self._refs, table)
        end = self._refs[next_object] if next_object < len(self._refs) else table + size * _MOST
        for at in range(table, min(end, table + size * min(_MOST, self._budget)), size):
            word = code.binary.word(at, size)
            if word is None:
                break
            if size == 4:
                word = (word ^ 1 << 31) - (1 << 31) + origin
            if not extent[0] <= word < extent[1] or not code.in_text(word) or code.traversal.inside(word):
                break
            found.append(word)
        self._budget -= len(found) + 1
        return found if len(found) > 1 else []


def _values(rows: list[Place], most: int) -> list[int]:
    return [*dict.fromkeys(value for _, value, _ in rows)][:most]


def _target(code: Code) -> Value | None:
    return tables.evaluate(code)[0]
