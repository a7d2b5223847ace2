"""In: the shape of a function. Out: its wasm, growing: instructions, branches between nodes, calls and jumps to a pc.

A call or jump to a pc that is known only at run time reads the pc map (runtime.py) where it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from iced_x86 import Instruction

from recompiler.lift.asm.assembler import FIRST, FUNCTION, GET, PLACE, SET, Asm
from recompiler.lift.asm.flags import composites
from recompiler.lift.emit.runtime import CODE_TYPE
from recompiler.lift.object.objectfile import ENTRY_BITS
from recompiler.lift.plan.flow import primitives
from recompiler.lift.plan.links import Links
from recompiler.lift.plan.shape import Edge, Shape
from recompiler.lift.x86 import regs
from recompiler.lift.x86.regs import FLAG_BIT, GPR, RSP, STATUS, TEMPORARIES
from recompiler.wasm import leb

ADDRESS_MAX: Final = 1 << 31
LOCALS: Final = (
    leb.u32(3 + len(TEMPORARIES))
    + b"".join(leb.u32(n) + bytes((type_,)) for n, type_ in ((16, regs.I64), (16, regs.V128), (11, regs.I32)))
    + b"".join(leb.u32(n) + bytes((type_,)) for type_, n in TEMPORARIES)
)
EXIT: Final = -1  # the scope around a function's body: a branch to it leaves with PC
PC: Final = regs.FIRST_TEMPORARY + TEMPORARIES[0][1] + TEMPORARIES[1][1] - 1  # the last i64 temporary
PLACE_IN_TEXT: Final = PC - 1
ROW: Final = regs.FIRST_TEMPORARY  # the first i32 temporary: of the pc map


class Writer:
    """The locals and instructions of one wasm function.

    places: (offset in out, address) of five-byte constants. at: the position in shape.order of what is written.
    """

    def __init__(self, shape: Shape, links: Links) -> None:
        self.out = bytearray(LOCALS + b"\x02\x40")
        self.places: list[tuple[int, int]] = []
        self.shape = shape
        self.links = links
        self.position = {node: at for at, node in enumerate(shape.order)}
        self.labels: dict[int, int] = {}  # node -> height of its scope
        self.height = 0
        self.at = 0

    # ---- instructions

    def op(self, *codes: int) -> None:
        self.out += bytes(codes)

    def get(self, local: int) -> None:
        self.out += GET[local]

    def set(self, local: int) -> None:
        self.out += SET[local]

    def i32(self, value: int) -> None:
        self.out += b"\x41" + leb.s64(value)

    def i64(self, value: int) -> None:
        self.out += b"\x42" + leb.s64(value)

    def address(self, address: int) -> None:
        """An i64 constant that moves with the base."""
        self.out += b"\x42"
        self.places.append((len(self.out), address))
        self.out += PLACE

    def call(self, name: str) -> None:
        self.out += b"\x10" + leb.u32(FUNCTION[name])

    def code(self, code: bytes, places: Sequence[tuple[int, int]], end: int) -> bool:
        """A template of the instruction that ends at this address; False when it names one that cannot be."""
        base = len(self.out)
        for offset, displacement in places:
            if not 0 <= end + displacement < ADDRESS_MAX:
                return False
            self.places.append((base + offset, end + displacement))
        self.out += code
        return True

    def spill(self, mask: int) -> None:
        """Registers and flags of a mask into the globals."""
        self.out += _spill(mask)

    def reload(self, mask: int) -> None:
        """Registers and flags of a mask out of the globals; composites out of their parts."""
        self.out += _reload(mask)

    def pending(self) -> None:
        """Pushes whether a signal waits."""
        self.out += b"\x23" + leb.u32(regs.GLOBAL["pending"])

    # ---- branches; more: blocks that are open and not in labels

    def exit(self, more: int = 0) -> None:
        """Leaves the function: the guest goes on at PC."""
        self.out += b"\x0c" + leb.u32(self.height - 1 + more)

    def exit_if(self, more: int = 0) -> None:
        """Leaves when the i32 on the stack is not 0."""
        self.out += b"\x0d" + leb.u32(self.height - 1 + more)

    def depth(self, target: int, more: int = 0) -> int:
        return self.height - 1 - self.labels[target] + more

    def go(self, edge: Edge, more: int = 0) -> None:
        """A branch, or nothing when the target comes next and no block of ours is open."""
        if edge.select:
            self.i32(edge.select)
            self.set(regs.ENTRY)
        if more or self.position[edge.target] != self.at + 1:
            self.out += b"\x0c" + leb.u32(self.height - 1 - self.labels[edge.target] + more)

    def go_if(self, edge: Edge) -> None:
        """A branch when the i32 on the stack is not 0."""
        if edge.select:
            self.op(0x04, 0x40)
            self.go(edge, 1)
            self.op(0x0B)
        else:
            self.out += b"\x0d" + leb.u32(self.height - 1 - self.labels[edge.target])

    def switch(
        self,
        edges: Sequence[Edge | None],
        push: bytes,
        checks: Mapping[int, int] | None = None,
        *,
        by_selector: bool = False,
    ) -> None:
        """br_table on what push leaves on the stack; goes on behind it for None, and for an index beyond the edges.

        checks: by the key of an edge the address that PC must be; goes on behind it when it is not. by_selector: the
        selector is the key of the edge that is taken. Edges to one place that leave it so share a branch, and what the
        engine moves for it.
        """
        names: list[tuple[int, int] | None] = []
        slow: dict[tuple[int, int], Edge] = {}  # edges that do more than branch
        for edge in edges:
            name = None
            if edge is not None and checks is not None:
                name = edge.key, edge.select
            elif edge is not None and edge.select:
                name = edge.target, 0 if by_selector and edge.select == edge.key else edge.select
            names.append(name)
            if edge is not None and name is not None:
                slow[name] = edge
        level = {name: n for n, name in enumerate(slow)}
        self.out += b"\x02\x40" * (1 + len(slow))
        self.out += push + b"\x0e" + leb.u32(len(edges))
        for edge, name in zip(edges, names, strict=True):
            if edge is None:
                depth = len(slow)
            else:
                depth = self.depth(edge.target, 1 + len(slow)) if name is None else level[name]
            self.out += leb.u32(depth)
        self.out += leb.u32(len(slow))
        for n, ((_, select), edge) in enumerate(slow.items()):
            self.op(0x0B)
            if checks is not None:
                self.get(PC)
                self.address(checks[edge.key])
                self.out += b"\x52\x0d" + leb.u32(len(slow) - n - 1)
            self.go(Edge(edge.key, edge.target, select), len(slow) - n)
        self.op(0x0B)

    def dispatch(self, edges: Sequence[Edge]) -> None:
        """Goes on by the selector; for 0 behind it."""
        arms = {edge.key: edge for edge in edges if edge.key}
        if not arms:
            return
        if len(arms) == 1 and (edge := next(iter(arms.values()))).select in (0, edge.key):
            self.get(regs.ENTRY)
            self.go_if(Edge(edge.key, edge.target))
            return
        low, high = min(arms), max(arms)
        self.op(0x02, 0x40, 0x20, regs.ENTRY, 0x45, 0x0D, 0)
        push = b"\x20" + leb.u32(regs.ENTRY)
        if low:
            push += b"\x41" + leb.s64(low) + b"\x6b"
        self.height += 1
        self.switch([arms.get(key) for key in range(low, high + 1)], push, by_selector=True)
        self.height -= 1
        self.op(0x0B)

    # ---- calls and jumps to PC

    def push_return(self, address: int) -> None:
        self.get(GPR + RSP)
        self.i64(-8)
        self.op(0x7C, 0x22, GPR + RSP, 0xA7)
        self.address(address)
        self.out += b"\x37\x00\x00"

    def look_up(self, depth: int = 0) -> None:
        """ROW = what the pc map has for PC; branches so far out when PC cannot be entered."""
        start, size = self.links.text
        leave = b"\x0d" + leb.u32(depth)
        self.get(PC)
        self.address(start)
        self.op(0x7D, 0x22, PLACE_IN_TEXT)
        self.i64(size)
        self.out += b"\x5a" + leave
        self.get(PLACE_IN_TEXT)
        self.op(0xA7, 0x41, 2, 0x74, 0x28, 0x42, 0x01, 0x00, 0x22, ROW, 0x45)
        self.out += leave

    def number(self) -> None:
        """The place in the table of the function that ROW names."""
        self.get(ROW)
        self.i32(ENTRY_BITS)
        self.op(0x76)

    def entry(self) -> None:
        """The number of the entry that ROW names."""
        self.get(ROW)
        self.i32((1 << ENTRY_BITS) - 1)
        self.op(0x71)

    def call_function(self, address: int) -> None:
        """A call of the function or entry at an address: leaves where the guest went on."""
        function, entry = self.links.numbers[address]
        self.i32(entry)
        self.out += b"\x10" + leb.u32(FIRST + function)

    def enter_by(self, word: int | None, stub: int | None = None) -> None:
        """As enter, when PC is what the word at an address holds; stub: what can be called as well, and is shorter."""
        predicted = None if word is None else self.links.predicted.get(word)
        if predicted is None:
            self.enter()
            return
        self.get(PC)
        self.address(predicted)
        self.op(0x51, 0x04, regs.I64)
        self.call_function(predicted)
        self.op(0x05)
        if stub is None:
            self.enter()
        else:
            self.call_function(stub)
        self.op(0x0B)

    def enter(self) -> None:
        """A call to PC: leaves where the guest went on, which is PC itself when it cannot be entered."""
        self.op(0x02, regs.I64)
        self.get(PC)
        self.look_up()
        self.op(0x1A)
        self.entry()
        self.number()
        self.op(0x11, CODE_TYPE, 0, 0x0B)

    def jump(self, more: int = 0) -> None:
        """A jump to PC: into a function's start as a tail call, to any other place by leaving, so that the wasm stack
        unwinds (a longjmp must not pile up frames); so too when a signal waits."""
        self.pending()
        self.exit_if(more)
        self.look_up(self.height - 1 + more)
        self.entry()
        self.exit_if(more)
        self.i32(0)
        self.number()
        self.op(0x13, CODE_TYPE, 0)


@cache
def _spill(mask: int) -> bytes:
    return b"".join(b"\x20" + leb.u32(local) + b"\x24" + leb.u32(number) for local, number in regs.spills(mask))


@cache
def _reload(mask: int) -> bytes:
    flags = mask >> FLAG_BIT & STATUS
    plain = mask & ~(STATUS << FLAG_BIT) | primitives(flags) << FLAG_BIT
    code = b"".join(b"\x23" + leb.u32(number) + b"\x21" + leb.u32(local) for local, number in regs.spills(plain))
    if flags & regs.COMPOSITE:
        asm = Asm(Instruction(), flags)
        composites(asm, regs.PRIMITIVE)
        code += asm.out
    return code
