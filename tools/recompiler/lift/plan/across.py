"""In: what each function reads in flags over its boundaries. Out: the functions that have to be made again for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recompiler.lift.find.function import Function
from recompiler.lift.plan.flow import FlagsAcross, Flow
from recompiler.lift.x86.decode import CALL, CALL_INDIRECT, JUMP_INDIRECT


@dataclass(frozen=True, slots=True)
class Crossing:
    """flags_in: what a function wants to find in the globals, by entry. flags_back: what it or its caller reads after a
    function that it called or jumped to returned, by target (None: an indirect one). asked: the addresses in
    FlagsAcross.entries and .returns that it was made with.
    """

    flags_in: dict[int, int]
    flags_back: dict[int | None, int]
    asked: tuple[frozenset[int], frozenset[int]]


def crossing(flow: Flow, asked: tuple[frozenset[int], frozenset[int]]) -> Crossing:
    """What a function that is solved reads over its boundaries."""
    flags_in = {}
    for address in flow.function.entries:
        if flags := flow.flags_resumed(address):
            flags_in[address] = flags
    flags_back: dict[int | None, int] = {}
    wanted = flow.across.returns.get(flow.function.start, 0)  # what is jumped to returns to our callers
    for node in flow.nodes if wanted else ():
        away: list[int | None] = [None] if node.block.flow == JUMP_INDIRECT and node.leaves else []
        for to in (*node.outside, *away):
            flags_back[to] = flags_back.get(to, 0) | wanted
    for node in flow.nodes:
        calls = node.block.flow in (CALL, CALL_INDIRECT) and node.succ
        if calls and (flags := flow.flags_resumed(node.block.end)):
            target = flow.target(node.block) if node.block.flow == CALL else None
            flags_back[target] = flags_back.get(target, 0) | flags
    return Crossing(flags_in, flags_back, asked)


class _Noted(dict[int, int]):
    """Flags by address, and the addresses that were asked for."""

    def __init__(self) -> None:
        self.asked: set[int] = set()

    def get(self, address: int, default: int = 0) -> int:  # type: ignore[override]
        self.asked.add(address)
        return super().get(address, default)

    def add(self, address: int, flags: int) -> bool:
        """Whether any of these flags is new."""
        known = super().get(address, 0)
        self[address] = known | flags
        return known | flags != known


class Learned(FlagsAcross):
    """What is known of all functions while they are made. entries, returns: as FlagsAcross has them."""

    def __init__(self) -> None:
        super().__init__(_Noted(), _Noted())

    def asked(self) -> tuple[frozenset[int], frozenset[int]]:
        """The entries and returns that were asked for since the last call."""
        found = []
        for table in (self.entries, self.returns):
            assert isinstance(table, _Noted)
            found.append(frozenset(table.asked))
            table.asked.clear()
        return found[0], found[1]

    def learn(self, functions: Sequence[Function], crossings: Mapping[int, Crossing]) -> list[int]:
        """Adds what the functions read over boundaries, by number. Returns those that asked for what is new."""
        entries, returns = self.entries, self.returns
        assert isinstance(entries, _Noted)
        assert isinstance(returns, _Noted)
        new_entries, new_returns = set(), set()
        start_of = {entry: function.start for function in functions for entry in function.entries}
        everywhere = self.indirect, self.returned
        for number, function in enumerate(functions):
            read = crossings[number]
            for address, flags in read.flags_in.items():
                if entries.add(address, flags):
                    new_entries.add(address)
                if address == function.start:
                    self.indirect |= flags
            for target, flags in read.flags_back.items():
                if target is None:
                    self.returned |= flags
                elif returns.add(start := start_of.get(target, target), flags):
                    new_returns.add(start)
        if everywhere != (self.indirect, self.returned):
            return list(range(len(functions)))
        rows = ((number, crossings[number].asked) for number in range(len(functions)))
        return [n for n, (a, b) in rows if not (a.isdisjoint(new_entries) and b.isdisjoint(new_returns))]
