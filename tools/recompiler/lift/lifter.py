"""In: an x86-64 ELF. Out: its lifted object, the same bytes for any number of jobs; and what could not be lifted.

All passes are listed here in their order: those of a program in `lift` and `solve`, those of a function in `plan`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from recompiler.lift.elf import binary
from recompiler.lift.elf.model import Needs
from recompiler.lift.emit import objectwriter, runtime, templates
from recompiler.lift.emit.body import emit
from recompiler.lift.emit.objectwriter import Piece
from recompiler.lift.emit.places import placed
from recompiler.lift.find import discover
from recompiler.lift.find.function import Function, Program
from recompiler.lift.object import ledger
from recompiler.lift.object.ledger import Ledger
from recompiler.lift.plan import dataflow, landing, safepoints
from recompiler.lift.plan.across import Crossing, Learned, crossing
from recompiler.lift.plan.flow import FlagsAcross, Flow
from recompiler.lift.plan.links import Links
from recompiler.lift.plan.shape import Shape, shape
from recompiler.lift.workers import spread

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


@dataclass(frozen=True, slots=True)
class Made:
    """A function that is lifted, as far as the flags are known that pass its boundaries. unlifted: as in emit.Body."""

    piece: Piece
    unlifted: list[tuple[int, str]]
    crossing: Crossing


def lift(data: bytes, *, jobs: int = 1, progress: Progress | None = None) -> Result:
    """Lifts an ELF. Raises Error E_LIFT_ELF for one that cannot be read; an instruction is never a reason to fail."""
    tell = progress or (lambda step, done, of: None)
    with _uncollected():
        elf = binary.load(data)  # bytes -> segments, symbols, relocations, FDEs, all checked
        program = discover.discover(elf, tell)  # -> functions of blocks, their entries, their jump tables
        made, _ = solve(program, jobs, tell)  # -> the wasm of every function
        return _link(program, made)  # -> one module and one ledger


def solve(program: Program, jobs: int, tell: Progress) -> tuple[list[Made], FlagsAcross]:
    """Every function; again those that hand flags over a boundary, until nobody is surprised."""
    functions = program.functions
    safepoints.place(program)  # loops -> where they look whether a signal waits, and the entries for that
    objectwriter.fits([function.entries for function in functions], program.binary.code_range[1])  # or E_LIFT_ELF
    links = Links.of(program)  # all functions -> numbers, stubs, predicted callees: what one must know of the others
    across = Learned()  # which flags pass the boundaries: none at first
    base = None if program.binary.kind == "exec" else base_of(program)

    def make(chunk: Sequence[int]) -> list[Made]:
        made = []
        for function in map(functions.__getitem__, chunk):
            flow, layout = plan(function, across)
            body = emit(flow, layout, links)  # -> wasm, with places for addresses; what has no wasm
            piece = placed(body, function.entries, base)  # -> wasm with the addresses in their places
            made.append(Made(piece, body.unlifted, crossing(flow, across.asked())))  # -> flags read over boundaries
        return made

    made: dict[int, Made] = {}
    wanted: Sequence[int] = range(len(functions))
    while wanted:
        chunks = _chunks(program, wanted)
        for n, rows in spread(make, chunks, jobs):
            made.update(zip(chunks[n], rows, strict=True))
            tell("lift", min(len(made), len(functions)), len(functions))
        # flags that are read over boundaries -> the functions that did not know of them
        wanted = across.learn(functions, {number: each.crossing for number, each in made.items()})
    return [made[number] for number in range(len(functions))], across


def plan(function: Function, across: FlagsAcross) -> tuple[Flow, Shape]:
    """The analysis of one function, and its layout: all that emission goes by."""
    flow = Flow(function, across)  # blocks -> nodes: the root, blocks, hubs, entries; what each reads and writes
    landing.place(flow)  # -> landings on the ways into loops with calls
    dataflow.dirty(flow)  # -> registers that may differ from their globals, by node
    landing.fill(flow)  # -> registers that each landing puts into the globals
    dataflow.live(flow)  # -> registers and flags that are read later, by node
    return flow, shape(flow.succ(), flow.entry_of, flow.branching())  # -> the order of nodes, wasm's loops and blocks


def _link(program: Program, made: Sequence[Made]) -> Result:
    elf = program.binary
    base = base_of(program)
    found = ledger.of(program, [each.unlifted for each in made], base, templates.reason)
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
    module = objectwriter.write([each.piece for each in made], runtime.routines(), document, found.lines())
    count = found.coverage["instructions"]["found"]
    return Result(module, count, len(made), found, document, elf.needs)


def base_of(program: Program) -> int:
    """What the addresses of a program are moved by: nothing where it was linked to stay."""
    return 0 if program.binary.kind == "exec" else BASE


def _chunks(program: Program, wanted: Sequence[int]) -> list[Sequence[int]]:
    """What a worker takes at a time, the longest work first."""
    step = max(CHUNK, -(-len(wanted) // MOST_CHUNKS))
    chunks = [wanted[at : at + step] for at in range(0, len(wanted), step)]
    return sorted(chunks, key=lambda chunk: -sum(len(program.functions[number].blocks) for number in chunk))


@contextmanager
def _uncollected() -> Iterator[None]:
    """A million objects are made and few are dropped: collections cost a third of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
