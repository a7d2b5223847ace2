"""In: a program and its functions' bodies. Out: the ledger: what was found and lifted, and each instruction left.

Rows stand in the lifted object as lines, so that the host finds the one it needs without parsing anything:

    0x401a05 TAB 62f27d287ac6 TAB vpbroadcastb ymm0, esi TAB no form: VPBROADCASTB ymm1 {k1}{z}, r32 LF
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from recompiler import __version__
from recompiler.errors import Error
from recompiler.lift.elf.model import Needs
from recompiler.lift.find.function import Block, Function, Program
from recompiler.lift.x86 import listing
from recompiler.lift.x86.decode import INVALID, NEXT, Facts

SCHEMA: Final = "recompiler/ledger/v1"
_LINE: Final = re.compile(rb"0x([0-9a-f]{1,16})\t((?:[0-9a-f]{2}){1,15})\t([ -~]+)\t([ -~]+)\n")
_IDLE: Final = b"\0\x90\xcc"  # bytes of padding, where nothing is code
# Marks of a byte of text, as _bytes makes them.
_PADDING, _LIFTED, _UNLIFTED, _DATA, _UNKNOWN = range(5)
BYTES: Final = ("padding", "lifted", "unlifted", "data", "unknown")


@dataclass(frozen=True, slots=True)
class Row:
    """An instruction without wasm: where it is when the program runs, its bytes and text, and why."""

    address: int
    raw: bytes
    text: str
    reason: str

    def line(self) -> str:
        return f"{self.address:#x}\t{self.raw.hex()}\t{self.text}\t{self.reason}\n"

    def document(self) -> dict[str, Any]:
        return {"address": f"{self.address:#x}", "bytes": self.raw.hex(), "text": self.text, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Ledger:
    """coverage: counts, as docs/lifter.md has them. rows: ascending."""

    coverage: dict[str, Any]
    rows: tuple[Row, ...]

    def lines(self) -> bytes:
        """The rows as they stand in a lifted object."""
        return "".join(row.line() for row in self.rows).encode("ascii")

    def reasons(self) -> list[tuple[str, int]]:
        """How often each reason is there, the most frequent first."""
        return sorted(Counter(row.reason for row in self.rows).items(), key=lambda item: (-item[1], item[0]))

    def document(self, about: dict[str, Any], needs: Needs | None) -> dict[str, Any]:
        """The file of `recompiler lift --ledger`; about: elf, kind and base of the object's document."""
        named = {key: about[key] for key in ("elf", "kind", "base")}
        return {
            "schema": SCHEMA,
            "lifter": __version__,
            **named,
            "needs": None if needs is None else asdict(needs),
            **self.coverage,
            "rows": [row.document() for row in self.rows],
        }


def of(
    program: Program, unlifted: Sequence[Sequence[tuple[int, str]]], base: int, why: Callable[[Facts], str | None]
) -> Ledger:
    """The ledger of a lift. unlifted: of each function, as emit.Body; base: what the addresses are moved by.

    why: the reason why an instruction has no wasm, None for one that has.
    """
    rows: dict[int, Row] = {}
    stops: dict[Block, int] = {}  # where the wasm of a block ends, when that is before its end
    stubbed = 0
    for function, stopped in zip(program.functions, unlifted, strict=True):
        stubbed += bool(stopped)
        starts = list(function.blocks) if stopped else []
        for address, reason in stopped:
            block = function.blocks[starts[bisect_right(starts, address) - 1]]
            stops[block] = address
            for row in _left(block, address, reason, base, why):
                rows.setdefault(row.address, row)
    found = len(program.functions)
    count = sum(function.size for function in program.functions)
    coverage = {
        "functions": {"found": found, "lifted": found - stubbed, "stubbed": stubbed},
        "instructions": {"found": count, "unlifted": len(rows)},
        "bytes": _bytes(program, stops),
    }
    return Ledger(coverage, tuple(rows[address] for address in sorted(rows)))


def _left(block: Block, stop: int, reason: str, base: int, why: Callable[[Facts], str | None]) -> Iterator[Row]:
    """The instruction at which a block's wasm ends, and those behind it that have none either."""
    behind = False
    for address, facts in zip(block.addresses(), block.facts, strict=True):
        if behind and facts.flow in (NEXT, INVALID):
            own = why(facts)
            if own is None:
                continue
            reason = own
        elif address != stop:
            continue
        behind = True
        if facts.flow == INVALID:
            reason = "not an instruction"
        yield Row(address + base, facts.raw, listing.x86(facts.raw, address + base), reason)


def _bytes(program: Program, stops: dict[Block, int]) -> dict[str, int]:
    """How many bytes of the text are what; an instruction that overlaps a lifted one is lifted."""
    ranges = program.binary.text
    lows = [low for low, _ in ranges]
    marks = [bytearray(high - low) for low, high in ranges]

    def mark(start: int, end: int, kind: int) -> None:
        at = bisect_right(lows, start) - 1
        if at >= 0 and start < ranges[at][1]:
            begin, end = start - lows[at], min(end, ranges[at][1]) - lows[at]
            marks[at][begin:end] = bytes((kind,)) * (end - begin)

    referred = sorted(_referred(program.functions)) if program.gaps else []
    for start, end in program.gaps:
        gap = program.binary.read(start, end - start)
        first = start + len(gap) - len(gap.lstrip(_IDLE))
        last = end - len(gap) + len(gap.rstrip(_IDLE))
        at = bisect_right(referred, start - 1)
        data = referred[at] if at < len(referred) else last
        mark(first, last, _UNKNOWN)
        mark(max(data, start), last, _DATA)
    for block, stop in stops.items():
        mark(stop, block.end, _UNLIFTED)
    for function in program.functions:
        low = high = 0  # blocks that touch are marked as one
        for block in function.blocks.values():
            if block.start != high:
                mark(low, high, _LIFTED)
                low = block.start
            high = stops.get(block, block.end)
        mark(low, high, _LIFTED)
    counts = {name: sum(each.count(kind) for each in marks) for kind, name in enumerate(BYTES)}
    return {"text": sum(map(len, marks)), **counts}


def _referred(functions: Iterable[Function]) -> set[int]:
    """Addresses that instructions name: relative to themselves, or as a displacement."""
    found = set()
    for function in functions:
        for block in function.blocks.values():
            at = block.start
            for facts in block.facts:
                at += facts.size
                if facts.rip is not None:
                    found.add(at + facts.rip)
                elif facts.size > 4:
                    found.add(facts.insn.memory_displacement)
    return found


def rows(lines: bytes) -> tuple[Row, ...]:
    """The rows of a lifted object. Raises Error E_WASM_INVALID for lines that are none."""
    found: list[Row] = []
    at = 0
    while at < len(lines):
        match = _LINE.match(lines, at)
        if match is None or (found and found[-1].address >= int(match[1], 16)):
            raise Error("E_WASM_INVALID", "the ledger of the lifted object is malformed", at)
        text, reason = match[3].decode(), match[4].decode()
        found.append(Row(int(match[1], 16), bytes.fromhex(match[2].decode()), text, reason))
        at = match.end()
    return tuple(found)
