"""In: an x86-64 ELF. Out: its lifted object, the same bytes for any number of jobs; and what could not be lifted."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from recompiler.lift import binary, discover, objectfile
from recompiler.lift.asm import PLACE
from recompiler.lift.emit import Body, emit
from recompiler.lift.flow import FlagsAcross
from recompiler.lift.function import Program
from recompiler.lift.objectfile import FIRST, Piece

CHUNK: Final = 64  # functions that a worker takes at a time
BASE: Final = 0x400000  # where a static PIE is put
Progress = Callable[[str, int, int], None]  # step, done, of


@dataclass(frozen=True, slots=True)
class Result:
    """module: the lifted object. instructions, functions: how many. unlifted: (address, reason), ascending.

    ledger: the object's own document, for people.
    """

    module: bytes
    instructions: int
    functions: int
    unlifted: tuple[tuple[int, str], ...]
    ledger: dict[str, Any]


def lift(data: bytes, *, jobs: int = 1, progress: Progress | None = None) -> Result:
    """Lifts an ELF. Raises Error E_LIFT_ELF for one that cannot be read; an instruction is never a reason to fail."""
    program = discover.discover(binary.load(data))
    bodies = _bodies(program, jobs, progress)
    return _link(program, bodies)


def numbers_of(program: Program) -> dict[int, tuple[int, int]]:
    """Address of an entry -> (index of its wasm function, number of the entry)."""
    return {
        address: (FIRST + number, n)
        for number, function in enumerate(program.functions)
        for n, address in enumerate(function.entries)
    }


@dataclass(frozen=True, slots=True)
class _Work:
    program: Program
    numbers: dict[int, tuple[int, int]]
    across: FlagsAcross


_work: _Work | None = None  # of this process's children: they are forked with it


def _emit_chunk(begin: int) -> list[Body]:
    assert _work is not None
    functions = _work.program.functions[begin : begin + CHUNK]
    return [emit(function, _work.numbers, _work.across) for function in functions]


def _bodies(program: Program, jobs: int, progress: Progress | None) -> list[Body]:
    """Every function; again those that hand flags over a boundary, until nobody is surprised."""
    global _work
    across = FlagsAcross()
    _work = _Work(program, numbers_of(program), across)
    bodies: list[Body] = []
    total = len(program.functions)
    for chunk in _map(range(0, total, CHUNK), jobs):
        bodies += chunk
        if progress is not None:
            progress("lift", len(bodies), total)
    while _learn(program, bodies, across):
        for number, function in enumerate(program.functions):
            if _affected(program, number, across):
                bodies[number] = emit(function, _work.numbers, across)
    _work = None
    return bodies


def _map(begins: Sequence[int], jobs: int) -> Iterator[list[Body]]:
    if jobs < 2 or len(begins) < 2:
        yield from map(_emit_chunk, begins)
        return
    with multiprocessing.get_context("fork").Pool(min(jobs, len(begins))) as pool:
        yield from pool.imap(_emit_chunk, begins)


def _learn(program: Program, bodies: list[Body], across: FlagsAcross) -> bool:
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


def _link(program: Program, bodies: Sequence[Body]) -> Result:
    elf = program.binary
    base = 0 if elf.kind == "exec" else BASE
    pieces = []
    unlifted: list[tuple[int, str]] = []
    for function, body in zip(program.functions, bodies, strict=True):
        code = bytearray(body.code)
        for offset, address in body.places:
            code[offset : offset + len(PLACE)] = place(address + base)
        entries = tuple(address + base for address in function.entries)
        pieces.append(Piece(entries, bytes(code), tuple(offset for offset, _ in body.places)))
        unlifted += body.unlifted
    unlifted.sort()
    text = [segment for segment in elf.segments if segment.executable]
    start = min(segment.address for segment in text)
    document = {
        "elf": elf.blake3,
        "kind": elf.kind,
        "base": base,
        "entry": elf.entry + base,
        "text_start": start + base,
        "text_size": max(segment.address + segment.size for segment in text) - start,
        "unlifted": [[address + base, reason] for address, reason in unlifted],
    }
    count = sum(function.size for function in program.functions)
    return Result(objectfile.write(pieces, document), count, len(pieces), tuple(unlifted), document)


def place(address: int) -> bytes:
    """Signed LEB128 of an address below 2**31, in five bytes: good for i32.const and i64.const."""
    return bytes((address >> 7 * n & 0x7F) | 0x80 for n in range(4)) + bytes((address >> 28 & 0x7F,))
