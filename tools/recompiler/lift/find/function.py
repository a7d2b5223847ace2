"""In: decoded code and what is known of it. Out: what is lifted: blocks, functions, jump tables, the program."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from recompiler.lift.elf.model import Binary
from recompiler.lift.x86.decode import COND, JUMP, NEXT, Facts


class Block:
    """Instructions that run one after the other: start..end, facts, the flow of the last one.

    succ: starts of the blocks of the same function that can follow, for a conditional branch the next one first, then
    the target; for a call or a syscall the place it returns to; for an indirect jump the targets that were found.
    target: where a direct branch, a call, or the fall into the next function leads when that is outside the function,
    else None. A conditional branch whose next instruction is outside has no succ for it: it is at end.
    """

    __slots__ = ("end", "facts", "flow", "start", "succ", "target")

    def __init__(
        self, start: int, end: int, facts: list[Facts], flow: int, succ: tuple[int, ...], target: int | None
    ) -> None:
        self.start = start
        self.end = end
        self.facts = facts
        self.flow = flow
        self.succ = succ
        self.target = target

    def addresses(self) -> list[int]:
        """The address of each instruction."""
        found = []
        at = self.start
        for fact in self.facts:
            found.append(at)
            at += fact.size
        return found

    @property
    def taken(self) -> int | None:
        """Where the branch or call at the end leads when it is taken; None if it has no fixed target."""
        disp = self.facts[-1].disp
        if disp is None:  # an indirect jump that is known to lead to one place is a JUMP too
            return self.succ[0] if self.flow == JUMP else None
        return self.end + disp

    @property
    def falls(self) -> bool:
        """Whether the instruction behind the block can follow without a call or trap."""
        return self.flow in (NEXT, COND)

    def __repr__(self) -> str:
        return f"Block({self.start:#x}..{self.end:#x})"


@dataclass(slots=True)
class JumpTable:
    """A proof that the jump at address jump goes to targets[i] where the register index was i < len(targets).

    load: the address of the instruction in the jump's own block that reads index (GPR 0..15, all 64 bits, its value
    just before load). guard: None, or (GPR, value): the proof holds only where that register has the value (an address
    as linked) just before load. checked: there is no proof, for the program may change the table: where the jump leads
    is to be compared with the target.
    """

    jump: int
    load: int
    index: int
    targets: list[int]
    guard: tuple[int, int] | None = None
    checked: bool = False


@dataclass(slots=True)
class Function:
    """Blocks by start in order of address; entries: start, then the other ways in, ascending.

    tables: by the address of the jump; they hold without condition. guarded: those that hold under their guard.
    safepoints: blocks at whose start a signal that waits is noticed, all of them entries. looks: blocks at whose end it
    is, where their call comes back or before they jump by a table.
    """

    start: int
    name: str
    blocks: dict[int, Block] = field(default_factory=dict)
    entries: list[int] = field(default_factory=list)
    tables: dict[int, JumpTable] = field(default_factory=dict)
    guarded: dict[int, JumpTable] = field(default_factory=dict)
    safepoints: frozenset[int] = frozenset()
    looks: frozenset[int] = frozenset()

    def table(self, jump: int) -> JumpTable | None:
        """The table of the jump at an address."""
        return self.tables.get(jump) or self.guarded.get(jump)

    @property
    def size(self) -> int:
        """Instructions."""
        return sum(len(block.facts) for block in self.blocks.values())


@dataclass(slots=True)
class Program:
    """All functions of a binary in order of address; each block belongs to one of them.

    owners: start of a block -> start of its function. gaps: ranges of text that are neither code nor padding.
    unresolved: indirect jumps within functions whose targets were not found.
    """

    binary: Binary
    functions: list[Function]
    owners: dict[int, int]
    gaps: list[tuple[int, int]] = field(default_factory=list)
    padding: int = 0
    unresolved: list[int] = field(default_factory=list)
    _index: dict[int, Function] = field(default_factory=dict)
    _blocks: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._index = {function.start: function for function in self.functions}
        self._blocks = sorted(self.owners)

    def function(self, start: int) -> Function | None:
        """The function that starts there."""
        return self._index.get(start)

    def owner(self, address: int) -> Function | None:
        """The function that has the byte at address in one of its blocks."""
        at = bisect_right(self._blocks, address) - 1
        if at < 0:
            return None
        start = self._blocks[at]
        function = self._index[self.owners[start]]
        return function if address < function.blocks[start].end else None
