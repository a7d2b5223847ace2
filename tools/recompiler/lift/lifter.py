"""In: an x86-64 ELF. Out: its lifted object, the same bytes for any number of jobs; and what could not be lifted."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from recompiler.lift import binary, discover, ledger, objectfile, safepoints
from recompiler.lift.asm import PLACE
from recompiler.lift.emit import Body, emit
from recompiler.lift.flow import FlagsAcross
from recompiler.lift.function import Program
from recompiler.lift.ledger import Ledger
from recompiler.lift.links import Links
from recompiler.lift.objectfile import Piece
from recompiler.lift.workers import spread

CHUNK: Final = 64  # functions that a worker takes at a time
MOST_CHUNKS: Final = 2048
BASE: Final = 0x400000  # where a static PIE is put
Progress = Callable[[str, int, int], None]  # step, done, of


@dataclass(frozen=True, slots=True)
class Result:
    """module: the lifted object. instructions, functions: how many. document: what the object says of itself."""

    module: bytes
    instructions: int
    functions: int
    ledger: Ledger
    document: dict[str, Any]


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


def solve(program: Program, jobs: int, tell: Progress) -> tuple[list[Made], FlagsAcross]:
    """Every function; again those that hand flags over a boundary, until nobody is surprised."""
    safepoints.place(program)
    across = FlagsAcross()
    links = Links.of(program)
    base = base_of(program)
    total = len(program.functions)
    made: dict[int, Made] = {}
    wanted: Sequence[int] = range(total)

    def make(chunk: Sequence[int]) -> list[Made]:
        functions = [program.functions[number] for number in chunk]
        return [_placed(emit(each, links, across), each.entries, base) for each in functions]

    while wanted:
        chunks = _chunks(program, wanted)
        for n, rows in spread(make, chunks, jobs):
            made.update(zip(chunks[n], rows, strict=True))
            tell("lift", min(len(made), total), total)
        new = _learn(program, (made[number] for number in range(total)), across)
        wanted = [number for number in range(total) if _affected(program, number, across)] if new else []
    return [made[number] for number in range(total)], across


def _chunks(program: Program, wanted: Sequence[int]) -> list[Sequence[int]]:
    """What a worker takes at a time, the longest work first."""
    step = max(CHUNK, -(-len(wanted) // MOST_CHUNKS))
    chunks = [wanted[at : at + step] for at in range(0, len(wanted), step)]
    return sorted(chunks, key=lambda chunk: -sum(len(program.functions[number].blocks) for number in chunk))


def _placed(body: Body, entries: Sequence[int], base: int) -> Made:
    """Addresses go to their places."""
    code = bytearray(body.code)
    for offset, address in body.places:
        code[offset : offset + len(PLACE)] = place(address + base)
    moved = tuple(address + base for address in entries)
    piece = Piece(moved, bytes(code), objectfile.gaps([offset for offset, _ in body.places]))
    return Made(piece, body.unlifted, body.flags_in, body.flags_back)


def _learn(program: Program, bodies: Iterable[Made], across: FlagsAcross) -> bool:
    """Adds to across what the bodies read over boundaries; whether there was anything new."""
    before = (dict(across.entries), dict(across.returns), across.indirect, across.returned)
    for function, body in zip(program.functions, bodies, strict=True):
        for address, flags in body.flags_in.items():
            across.entries[address] = across.entries.get(address, 0) | flags
            if address == function.start:
                across.indirect |= flags
        for target, flags in body.flags_back.items():
            if target is None:
                across.returned |= flags
            else:
                across.returns[target] = across.returns.get(target, 0) | flags
    return before != (across.entries, across.returns, across.indirect, across.returned)


def _affected(program: Program, number: int, across: FlagsAcross) -> bool:
    if across.indirect or across.returned:
        return True
    function = program.functions[number]
    if function.start in across.returns or not across.entries.keys().isdisjoint(function.entries):
        return True
    return any(
        block.end in across.entries or block.taken in across.entries or block.taken in across.returns
        for block in function.blocks.values()
    )


def _link(program: Program, bodies: Sequence[Made]) -> Result:
    elf = program.binary
    base = base_of(program)
    found = ledger.of(program, [body.unlifted for body in bodies], base)
    text = [segment for segment in elf.segments if segment.executable]
    start = min(segment.address for segment in text)
    document = {
        "elf": elf.blake3,
        "kind": elf.kind,
        "base": base,
        "entry": elf.entry + base,
        "text_start": start + base,
        "text_size": max(segment.address + segment.size for segment in text) - start,
        "coverage": found.coverage,
    }
    module = objectfile.write([body.piece for body in bodies], document, found.lines())
    count = found.coverage["instructions"]["found"]
    return Result(module, count, len(bodies), found, document)


def place(address: int) -> bytes:
    """Signed LEB128 of an address below 2**31, in five bytes: good for i32.const and i64.const."""
    low = address & 0x7F | address << 1 & 0x7F00 | address << 2 & 0x7F0000 | address << 3 & 0x7F000000
    return (low | 0x80808080 | (address >> 28 & 0x7F) << 32).to_bytes(5, "little")
