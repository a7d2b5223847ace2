"""In: a program and an address. Out: lines for people: the function and block there, and beside each x86 the wasm."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from recompiler.errors import Error
from recompiler.format import files
from recompiler.format.trailer import SECTION_LIMITS, WASM
from recompiler.lift import lifter
from recompiler.lift.asm.assembler import FIRST
from recompiler.lift.elf import binary
from recompiler.lift.emit import places
from recompiler.lift.emit.body import emit
from recompiler.lift.explain.wat import FLAG_NAMES, Printer
from recompiler.lift.find import discover
from recompiler.lift.find.function import Block, Function, Program
from recompiler.lift.object import liftedfile
from recompiler.lift.plan.flow import Flow, Node
from recompiler.lift.plan.links import Links
from recompiler.lift.x86 import listing
from recompiler.lift.x86.decode import FLOWS
from recompiler.lift.x86.regs import FLAG_BIT, GPRS, XMM_BIT

_ADDRESS: Final = re.compile("(0[xX])?[0-9a-fA-F]{1,32}")
SHOWN: Final = 8  # addresses of a list
_WIDTH: Final = 70  # of the x86 side


def lines(path: Path, place: str, *, jobs: int = 1, progress: lifter.Progress | None = None) -> Iterator[str]:
    """Explains the block that has the byte at a place of an ELF or PROG.lifted.

    place: an address as it is when the program runs, in hexadecimal; or as a PIE was linked, where no code of the moved
    program is there; or the name of a function.
    Raises Error: E_USAGE (no code is there), and as files.read_file, liftedfile.read and lifter.lift.
    """
    data = liftedfile.read(path).elf if liftedfile.is_lifted(path) else files.read_file(path, SECTION_LIMITS[WASM])
    tell = progress or (lambda step, done, of: None)
    program = discover.discover(binary.load(data), tell)
    base = lifter.base_of(program)
    linked = _linked(program, place, base)
    if linked is None:
        raise Error("E_USAGE", f"{path}: {_nothing(program, place, base)}")
    _, across = lifter.solve(program, jobs, tell)
    function = program.owner(linked)
    assert function is not None
    starts = list(function.blocks)
    block = function.blocks[starts[bisect_right(starts, linked) - 1]]
    flow, layout = lifter.plan(function, across)
    marks: list[tuple[int, int]] = []
    body = emit(flow, layout, Links.of(program), marks)
    marks.append((len(body.code), 0))
    code = bytearray(body.code)
    for offset, target in body.places:
        code[offset : offset + 5] = places.place(target + base)
    yield from _function(program, function, base)
    yield from _block(flow, flow.node(flow.number[block.start]), base)
    yield ""
    names = {FIRST + n: f"${each.name} (; {each.start + base:#x} ;)" for n, each in enumerate(program.functions)}
    yield from _code(block, bytes(code), marks, linked, base, Printer(lambda number: names.get(number, str(number))))
    for at, reason in body.unlifted:
        if block.start <= at < block.end:
            yield f"not lifted from {at + base:#x} on: {reason}"


def _linked(program: Program, place: str, base: int) -> int | None:
    """The address as linked, if code is there."""
    named = next((function.start for function in program.functions if function.name == place), None)
    if named is not None or not _ADDRESS.fullmatch(place):
        return named
    address = int(place, 16)
    return next((at for at in (address - base, address) if program.owner(at) is not None), None)


def _nothing(program: Program, place: str, base: int) -> str:
    """Why there is nothing to explain at a place."""
    if not _ADDRESS.fullmatch(place):
        return f"no function is called {place}, and it is no address such as 0x401136"
    address = int(place, 16)
    ranges = [(low + base, high + base) for low, high in program.binary.text]
    if any(low <= address < high for low, high in ranges):
        return f"no code was found at {address:#x}: it is padding or data"
    return f"{address:#x} is not in the text, which is {', '.join(f'{low:#x}..{high:#x}' for low, high in ranges[:4])}"


def _function(program: Program, function: Function, base: int) -> Iterator[str]:
    number = program.functions.index(function)
    entries = _listed([entry + base for entry in function.entries])
    yield f"function {function.name} at {function.start + base:#x}: wasm function {FIRST + number}, slot {1 + number}"
    yield f"  {function.size} instructions in {len(function.blocks)} blocks; entries {entries}"


def _block(flow: Flow, node: Node, base: int) -> Iterator[str]:
    block = node.block
    after = _listed([start + base for start in _following(flow, node)])
    if node.succ and not after:
        after = f"back at {block.end + base:#x}"
    yield f"block {block.start + base:#x}..{block.end + base:#x}: {FLOWS[block.flow]}; then {after or 'leaves'}"
    yield f"  live at its start: {registers(node.live_in)}"
    yield f"  live at its end: {registers(node.live_out)}"
    if node.leaves:
        yield f"  spilled where it leaves the function: {registers(node.dirty | node.flags_out << FLAG_BIT)}"


def _following(flow: Flow, node: Node) -> Iterator[int]:
    """Where the blocks begin that a node goes on to, through the hub of its table if it has one."""
    for to in map(flow.goal, node.succ):
        if to <= len(flow.blocks):
            yield flow.blocks[to - 1].start
        elif to <= len(flow.nodes):
            yield from _following(flow, flow.node(to))


def _listed(addresses: list[int]) -> str:
    more = f" and {len(addresses) - SHOWN} more" if len(addresses) > SHOWN else ""
    return " ".join(f"{address:#x}" for address in addresses[:SHOWN]) + more


def registers(mask: int) -> str:
    """The names of a mask of liveness."""
    names = [name for n, name in enumerate(GPRS) if mask >> n & 1]
    names += [f"xmm{n}" for n in range(16) if mask >> XMM_BIT + n & 1]
    names += [name for bit, name in FLAG_NAMES.items() if mask >> FLAG_BIT & bit]
    return " ".join(names) or "nothing"


def _code(
    block: Block, code: bytes, marks: list[tuple[int, int]], chosen: int, base: int, printer: Printer
) -> Iterator[str]:
    """The instructions, each with its bytes, the flags it computes, and its wasm to the right."""
    spans: dict[int, tuple[int, int]] = {}
    inside = False
    for (begin, address), (end, _) in pairwise(marks):
        inside = address == block.start or (inside and address != 0)
        if inside:
            spans.setdefault(address, (begin, end))
    for address, facts in zip(block.addresses(), block.facts, strict=True):
        sign = ">" if address <= chosen < address + facts.size else " "
        text = listing.x86(facts.raw, address + base)
        left = f"{sign} {address + base:#x}  {facts.raw.hex(' '):<24} {text}"
        begin, end = spans.get(address, (0, 0))
        right = list(printer.lines(code[begin:end])) or [";; nothing"]
        yield f"{left:<{_WIDTH}} {right[0]}"
        for line in right[1:]:
            yield f"{'':<{_WIDTH}} {line}"
