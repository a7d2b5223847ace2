"""In: a Binary. Out: the functions that Go's linker lists in it, which its runtime needs for tracebacks; so even a
stripped program has them. debug/gosym and runtime/symtab.go (pcHeader, moduledata, _func) of Go 1.2 to 1.27.

A hint like symbols and FDEs: what does not hold together is no table.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise
from typing import Final

from recompiler.lift.elf.model import Binary, Fde

# Magic -> which word of the header says where the table of functions is, and bytes of each of the two words of a row.
_VERSIONS: Final = {0xFFFFFFFB: (None, 8), 0xFFFFFFFA: (6, 8), 0xFFFFFFF0: (7, 4), 0xFFFFFFF1: (7, 4)}
_REST: Final = b"\0\0\1\x08"  # of the header: instructions of one byte and more, pointers of eight
_TEXT_START: Final = 2  # number of the header's word that has it, from Go 1.18 to 1.25
_TEXT: Final = 176  # where moduledata has it; the address of the header is its first word
_CALL: Final = 8  # CFA of a function's first instruction
_TRIED: Final = 4  # places that look like a table, and places where its text may begin


def read(binary: Binary) -> list[Fde]:
    """The functions by address, each up to the next; none in a program that is not Go's."""
    for address in islice(_headers(binary), _TRIED):
        found = _functions(binary, address)
        if found:
            return found
    return []


def _headers(binary: Binary) -> Iterator[int]:
    for segment in binary.segments:
        for magic in _VERSIONS:
            at = -8
            while (at := segment.data.find(magic.to_bytes(4, "little") + _REST, at + 8)) >= 0:
                yield segment.address + at


def _functions(binary: Binary, header: int) -> list[Fde]:
    """The functions of the table at an address; empty where it is none."""
    magic, count = binary.word(header, 4), binary.word(header + 8, 8)
    segment = binary.segment_at(header)
    assert magic is not None
    number, width = _VERSIONS[magic]
    place = 16 if number is None else binary.word(header + 8 + 8 * number, 8)
    if count is None or place is None or segment is None or not 0 < count < len(segment.data):
        return []
    starts: list[int] = []
    for row in range(count + 1):
        start = binary.word(header + place + row * 2 * width, width)
        if start is None:
            return []
        starts.append(start)
    if any(a >= b for a, b in pairwise(starts)):
        return []
    for text in (0,) if width == 8 else islice(_texts(binary, header), _TRIED):
        first, last = text + starts[0], text + starts[-1] - 1
        if binary.code_at(first) and binary.code_at(last) and binary.segment_at(first) is binary.segment_at(last):
            return [Fde(text + a, text + b, _CALL, ()) for a, b in pairwise(starts)]
    return []


def _texts(binary: Binary, header: int) -> Iterator[int]:
    """Where the text that a header's rows count from may begin: as the header says, as a moduledata does."""
    said = binary.word(header + 8 + 8 * _TEXT_START, 8)
    if said:
        yield said
    for place in _words(binary, header):
        text = binary.word(place + _TEXT, 8)
        if text:
            yield text


def _words(binary: Binary, value: int) -> Iterator[int]:
    """Addresses of words that have a value once the program is relocated."""
    yield from (address for address, row in binary.relocations.items() if row.addend == value)
    for segment in binary.segments:
        at = -8
        while (at := segment.data.find(value.to_bytes(8, "little"), at + 8)) >= 0:
            yield segment.address + at
