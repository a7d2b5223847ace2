"""In: a function of the guest. Out: its graph for one wasm function: nodes, and what each reads and writes.

    node 0             the root: where every call of the wasm function begins
    nodes 1..B         the blocks, in address order
    nodes B+1..H       hubs: each is the table of jumps that go on by the same one, as an interpreter's do
    nodes H+1..E       one per further entry (return sites, ...): takes what is live there out of the globals
    nodes E+1..        landings, on the ways into loops with calls: put what the loop does not write into the globals

A boundary is where control leaves the wasm function: before it, what is dirty goes to the globals. At a safepoint the
code looks whether a signal waits, and leaves if so; what is dirty and live there goes to the globals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from recompiler.lift.find.function import Block, Function, JumpTable
from recompiler.lift.plan import liveness
from recompiler.lift.plan.liveness import INFO, Info, Summary
from recompiler.lift.x86.decode import CALL, CALL_INDIRECT, COND, INVALID, JUMP, JUMP_INDIRECT, NEXT, RET, SYSCALL, TRAP
from recompiler.lift.x86.regs import COMPOSITE, FLAG_BIT, PARTS, STATUS

# rax rdi rsi rdx r10 r8 r9
SYSCALL_USE: Final = 1 << 0 | 1 << 7 | 1 << 6 | 1 << 2 | 1 << 10 | 1 << 8 | 1 << 9
LEAVES: Final = frozenset((CALL, CALL_INDIRECT, RET, SYSCALL, TRAP, JUMP_INDIRECT))
HUB_FROM: Final = 64  # jumps times targets


@dataclass(slots=True)
class FlagsAcross:
    """Flags that are read on the other side of a boundary: almost none in compiled code, but some in assembler.

    entries: by address of an entry, what is live there. returns: by start of a function, what its callers read after it
    returned. indirect: of any entry, returned: of any function, when it is not known which.
    """

    entries: dict[int, int] = field(default_factory=dict)
    returns: dict[int, int] = field(default_factory=dict)
    indirect: int = 0
    returned: int = 0


@dataclass(slots=True)
class Node:
    """A block: its instructions, its successors as nodes, and where control goes when it leaves the function."""

    block: Block
    infos: list[Info]
    summary: Summary
    succ: list[int]  # within the function; of a block that ends with a call, the return site's resume node
    outside: list[int]  # targets of jumps that are not in the function
    table: JumpTable | None
    leaves: bool  # some way out of this block is a boundary
    flags_out: int  # the six that a boundary must have in the globals
    safepoint: bool  # at its start
    looks: bool  # where it ends with a call, or goes on by a table
    dirty_in: int = 0
    dirty: int = 0  # at the end
    live_in: int = 0
    live_out: int = 0


def hubs(function: Function) -> dict[int, int]:
    """Address of a jump -> the number of the hub that it shares with others."""
    groups: dict[tuple[tuple[int, ...], bool], list[int]] = {}
    for jump in sorted({*function.tables, *function.guarded}):
        table = function.table(jump)
        assert table is not None
        groups.setdefault((tuple(table.targets), table.checked), []).append(jump)
    shared = [jumps for (to, _), jumps in groups.items() if len(jumps) > 1 and len(jumps) * len(to) >= HUB_FROM]
    return {jump: number for number, jumps in enumerate(shared) for jump in jumps}


class Flow:
    """The graph of a function; landing.py puts landings into it, dataflow.py what is dirty and live."""

    def __init__(self, function: Function, across: FlagsAcross) -> None:
        self.function = function
        self.across = across
        self.blocks = list(function.blocks.values())
        self.number = {block.start: n for n, block in enumerate(self.blocks, 1)}
        self.hub = {jump: len(self.blocks) + 1 + n for jump, n in hubs(function).items()}
        base = len(self.blocks) + len(set(self.hub.values())) + 1
        self.resume = {address: base + n for n, address in enumerate(function.entries[1:])}
        self.entry_of = {node: n for n, node in enumerate(self.resume.values(), 1)}
        self.nodes = [self._node(block) for block in self.blocks]
        first = {number: jump for jump, number in reversed(self.hub.items())}
        self.nodes += [self._hub(number, first[number]) for number in sorted(first)]
        self.landing: dict[int, int] = {}  # landing -> the node that it leads to
        self.landed: dict[int, int] = {}  # landing -> what it puts into the globals

    def node(self, number: int) -> Node:
        """The node of a block."""
        return self.nodes[number - 1]

    def succ(self) -> list[list[int]]:
        """For shape: the root, the blocks, the resume nodes, the landings."""
        start = self.number[self.function.start]
        nodes = [list(node.succ) for node in self.nodes]
        return [[start], *nodes, *([self.number[a]] for a in self.resume), *([to] for to in self.landing.values())]

    def goal(self, number: int) -> int:
        """The node itself, or the one that a landing leads to."""
        return self.landing.get(number, number)

    def branching(self) -> set[int]:
        """For shape: blocks whose only way to their first successor is a branch, wherever it stands."""
        flows = ((n, node, node.block.flow) for n, node in enumerate(self.nodes, 1))
        return {n for n, node, flow in flows if flow == JUMP_INDIRECT or (flow == COND and len(node.succ) < 2)}

    def live_at(self, address: int) -> int:
        """What is live at a block of the function."""
        return self.node(self.number[address]).live_in

    def _hub(self, number: int, jump: int) -> Node:
        """The node that goes on by the table of this jump and others."""
        table = self.function.table(jump)
        assert table is not None
        succ = list(dict.fromkeys(self.number[to] for to in table.targets if to in self.number))
        block = Block(-jump, -jump, [], JUMP_INDIRECT, (), None)
        made = self._made(block, [], succ, [], table, True, self._flags_of_jump())
        made.looks = any(node.looks for node in self.nodes if number in node.succ)
        return made

    def _flags_of_jump(self) -> int:
        """What an indirect jump must have in the globals when it leaves."""
        flags = self.across.indirect
        for entry in self.function.entries:
            flags |= self.across.entries.get(entry, 0)
        return flags

    def _node(self, block: Block) -> Node:
        infos = [INFO.get(facts) or liveness.info(facts) for facts in block.facts]
        flow, end = block.flow, block.end
        table = None
        wanted: list[int] = []
        leaves = flow in LEAVES
        flags_out = 0
        if flow == NEXT:
            wanted = [end]
        elif flow == JUMP:
            wanted = [self.target(block)]
        elif flow == COND:
            wanted = [end, self.target(block)]
        elif flow in (CALL, CALL_INDIRECT, SYSCALL):
            flags_out = self._flags_to_callee(block)
            site = self.resume.get(end)
            return self._made(block, infos, [] if site is None else [site], [], None, True, flags_out)
        elif flow == JUMP_INDIRECT:
            jump = block.end - block.facts[-1].size
            table = self.function.table(jump)
            if jump in self.hub:
                return self._made(block, infos, [self.hub[jump]], [], table, False, 0)
            flags_out = self._flags_of_jump()
            if table is not None:
                wanted = list(dict.fromkeys(t for t in table.targets if t in self.number))
        elif flow == RET:
            flags_out = self.across.returns.get(self.function.start, 0) | self.across.returned
        elif flow not in (TRAP, INVALID):
            raise AssertionError(flow)
        outside = [address for address in wanted if address not in self.number]
        for address in outside:
            flags_out |= primitives(self.across.entries.get(address, 0))
            leaves = True
        succ = list(dict.fromkeys(self.number[address] for address in wanted if address in self.number))
        return self._made(block, infos, succ, outside, table, leaves, flags_out)

    def _made(
        self,
        block: Block,
        infos: list[Info],
        succ: list[int],
        outside: list[int],
        table: JumpTable | None,
        leaves: bool,
        flags_out: int,
    ) -> Node:
        summary = liveness.summarize(infos)
        if block.flow == SYSCALL:
            summary.use |= SYSCALL_USE & ~summary.define
        safepoint = block.start in self.function.safepoints
        looks = block.start in self.function.looks
        return Node(block, infos, summary, succ, outside, table, leaves, flags_out, safepoint, looks)

    @staticmethod
    def target(block: Block) -> int:
        """Where the direct branch or call at the end of a block leads."""
        taken = block.taken
        assert taken is not None
        return taken

    def _flags_to_callee(self, block: Block) -> int:
        if block.flow == CALL:
            return primitives(self.across.entries.get(self.target(block), 0))
        return self.across.indirect if block.flow == CALL_INDIRECT else 0

    def flags_resumed(self, address: int) -> int:
        """The flags that an entry reads from the globals."""
        return primitives(self.live_at(address) >> FLAG_BIT & STATUS)


def primitives(flags: int) -> int:
    """Flags with the composite ones replaced by their parts: what the globals hold."""
    if not flags & COMPOSITE:
        return flags
    for composite, parts in PARTS.items():
        if flags & composite:
            flags |= parts
    return flags & ~COMPOSITE
