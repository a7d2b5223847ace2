"""In: an x86-64 ELF. Out: its lifted object, the same bytes for any number of jobs; and what could not be lifted."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from recompiler.lift.asm.assembler import PLACE
from recompiler.lift.elf import binary
from recompiler.lift.elf.binary import Needs
from recompiler.lift.emit import objectwriter, templates
from recompiler.lift.emit.body import Body, emit
from recompiler.lift.emit.objectwriter import Piece
from recompiler.lift.find import discover
from recompiler.lift.find.function import Function, Program
from recompiler.lift.object import ledger
from recompiler.lift.object.ledger import Ledger
from recompiler.lift.plan import safepoints
from recompiler.lift.plan.flow import FlagsAcross
from recompiler.lift.plan.links import Links
from recompiler.lift.workers import spread
from recompiler.wasm import leb

CHUNK: Final = 64  # functions that a worker takes at a time
MOST_CHUNKS: Final = 2048
BASE: Final = 0x400000  # where a static PIE is put
Progress = Callable[[str, int, int], None]  # step, done, of


@dataclass(frozen=True, slots=True)
class Result:
    """module: the lifted object. instructions, functions: how many. document: what the object says of itself.

    needs: what the program cannot run without; None for a static one.
    """

    module: bytes
    instructions: int
    functions: int
    ledger: Ledger
    document: dict[str, Any]
    needs: Needs | None


def lift(data: bytes, *, jobs: int = 1, progress: Progress | None = None) -> Result:
    """Lifts an ELF. Raises Error E_LIFT_ELF for one that cannot be read; an instruction is never a reason to fail."""
    tell = progress or (lambda step, done, of: None)
    collecting = gc.isenabled()
    gc.disable()  # a million objects are made and few are dropped: collections cost a third of the time
    try:
        program = discover.discover(binary.load(data), tell)
        bodies, _ = solve(program, jobs, tell)
        return _link(program, bodies)
    finally:
        if collecting:
            gc.enable()


def base_of(program: Program) -> int:
    """What the addresses of a program are moved by: nothing where it was linked to stay."""
    return 0 if program.binary.kind == "exec" else BASE


@dataclass(frozen=True, slots=True)
class Made:
    """A function that is lifted, as far as the flags are known that pass its boundaries; the rest as in emit.Body."""

    piece: Piece
    unlifted: list[tuple[int, str]]
    flags_in: dict[int, int]
    flags_back: dict[int | None, int]
    asked: tuple[frozenset[int], frozenset[int]]  # addresses in FlagsAcross.entries and .returns that it was made with


def solve(program: Program, jobs: int, tell: Progress) -> tuple[list[Made], FlagsAcross]:
    """Every function; again those that hand flags over a boundary, until nobody is surprised."""
    safepoints.place(program)
    objectwriter.fits([function.entries for function in program.functions], program.binary.code_range[1])
    across = _Across()
    links = Links.of(program)
    base = None if program.binary.kind == "exec" else base_of(program)
    total = len(program.functions)
    made: dict[int, Made] = {}
    wanted: Sequence[int] = range(total)

    def make(chunk: Sequence[int]) -> list[Made]:
        functions = [program.functions[number] for number in chunk]
        return [_placed(emit(each, links, across), each.entries, base, across) for each in functions]

    while wanted:
        chunks = _chunks(program, wanted)
        for n, rows in spread(make, chunks, jobs):
            made.update(zip(chunks[n], rows, strict=True))
            tell("lift", min(len(made), total), total)
        wanted = across.learn(program.functions, made)
    return [made[number] for number in range(total)], across


def _chunks(program: Program, wanted: Sequence[int]) -> list[Sequence[int]]:
    """What a worker takes at a time, the longest work first."""
    step = max(CHUNK, -(-len(wanted) // MOST_CHUNKS))
    chunks = [wanted[at : at + step] for at in range(0, len(wanted), step)]
    return sorted(chunks, key=lambda chunk: -sum(len(program.functions[number].blocks) for number in chunk))


def _placed(body: Body, entries: Sequence[int], base: int | None, across: _Across) -> Made:
    """Addresses go to their places; without a base they stay for ever, and take as little room as they can."""
    code = bytearray()
    at = 0
    for offset, address in body.places:
        code += body.code[at:offset]
        code += leb.s64(address) if base is None else place(address + base)
        at = offset + len(PLACE)
    code += body.code[at:]
    moved = tuple(address + (base or 0) for address in entries)
    offsets = [] if base is None else [offset for offset, _ in body.places]
    piece = Piece(moved, bytes(code), objectwriter.gaps(offsets))
    return Made(piece, body.unlifted, body.flags_in, body.flags_back, across.asked())


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


class _Across(FlagsAcross):
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

    def learn(self, functions: Sequence[Function], made: dict[int, Made]) -> list[int]:
        """Adds what the functions read over boundaries. Returns those that asked for what is new."""
        entries, returns = self.entries, self.returns
        assert isinstance(entries, _Noted)
        assert isinstance(returns, _Noted)
        new_entries, new_returns = set(), set()
        start_of = {entry: function.start for function in functions for entry in function.entries}
        everywhere = self.indirect, self.returned
        for number, function in enumerate(functions):
            body = made[number]
            for address, flags in body.flags_in.items():
                if entries.add(address, flags):
                    new_entries.add(address)
                if address == function.start:
                    self.indirect |= flags
            for target, flags in body.flags_back.items():
                if target is None:
                    self.returned |= flags
                elif returns.add(start := start_of.get(target, target), flags):
                    new_returns.add(start)
        if everywhere != (self.indirect, self.returned):
            return list(range(len(functions)))
        rows = ((number, made[number].asked) for number in range(len(functions)))
        return [n for n, (a, b) in rows if not (a.isdisjoint(new_entries) and b.isdisjoint(new_returns))]


def _link(program: Program, bodies: Sequence[Made]) -> Result:
    elf = program.binary
    base = base_of(program)
    found = ledger.of(program, [body.unlifted for body in bodies], base, templates.reason)
    start, size = elf.code_range
    document = {
        "elf": elf.blake3,
        "kind": elf.kind,
        "base": base,
        "entry": elf.entry + base,
        "text_start": start + base,
        "text_size": size,
        "coverage": found.coverage,
    }
    module = objectwriter.write([body.piece for body in bodies], document, found.lines())
    count = found.coverage["instructions"]["found"]
    return Result(module, count, len(bodies), found, document, elf.needs)


def place(address: int) -> bytes:
    """Signed LEB128 of an address below 2**31, in five bytes: good for i32.const and i64.const."""
    low = address & 0x7F | address << 1 & 0x7F00 | address << 2 & 0x7F0000 | address << 3 & 0x7F000000
    return (low | 0x80808080 | (address >> 28 & 0x7F) << 32).to_bytes(5, "little")
