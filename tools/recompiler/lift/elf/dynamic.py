"""In: a binary's dynamic section (elf(5)). Out: its symbols, relocations (x86-64 has no REL), needed libraries."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from recompiler.errors import Error
from recompiler.lift.elf.model import CODE, R_RELATIVE, Binary, Relocation, Symbol, name_at

_SYM: Final = struct.Struct("<IBBHQQ")
_RELA: Final = struct.Struct("<QIIq")
_DYN: Final = struct.Struct("<QQ")
_NEEDED, _PLTRELSZ, _HASH, _STRTAB, _SYMTAB, _RELA_AT, _RELASZ, _RELAENT, _STRSZ, _SYMENT, _INIT, _FINI, _SONAME = (
    *(1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14),
)
_JMPREL, _INIT_ARRAY, _FINI_ARRAY, _INIT_ARRAYSZ, _FINI_ARRAYSZ = 23, 25, 26, 27, 28
_PREINIT_ARRAY, _PREINIT_ARRAYSZ, _RELRSZ, _RELR, _RELRENT = 32, 33, 35, 36, 37
_GNU_HASH, _FLAGS_1 = 0x6FFFFEF5, 0x6FFFFFFB
_MOST_NEEDED: Final = 4096


@dataclass(slots=True)
class Tables:
    """What the dynamic section leads to; arrays: (address, size) of init and fini arrays, size 0 for one function."""

    symbols: list[Symbol] = field(default_factory=list)
    relocations: list[Relocation] = field(default_factory=list)
    needed: list[str] = field(default_factory=list)
    soname: str | None = None
    arrays: list[tuple[int, int]] = field(default_factory=list)
    flags_1: int = 0


def symbols(table: bytes, names: bytes) -> list[Symbol]:
    """All symbols of a table, an incomplete last one left out."""
    rows = _SYM.iter_unpack(table[: len(table) // _SYM.size * _SYM.size])
    return [Symbol(value, size, info & 15, info >> 4, section, names, at) for at, info, _, section, value, size in rows]


def rela(table: bytes) -> list[Relocation]:
    """All relocations of a RELA table, an incomplete last one left out."""
    rows = _RELA.iter_unpack(table[: len(table) // _RELA.size * _RELA.size])
    return [Relocation(at, kind, symbol, addend) for at, kind, symbol, addend in rows if kind]


def read(binary: Binary, address: int, size: int) -> Tables:
    """The tables of the dynamic section at address. Raises Error where one lies outside the segments."""
    tags: dict[int, int] = {}
    needed: list[int] = []
    rows = _bytes(binary, address, size // _DYN.size * _DYN.size, "the dynamic section")
    for tag, value in _DYN.iter_unpack(rows):
        if tag == 0:
            break
        if tag == _NEEDED:
            needed.append(value)
            if len(needed) > _MOST_NEEDED:
                raise Error(CODE, f"the dynamic section needs more than {_MOST_NEEDED} libraries")
        tags[tag] = value
    tables = Tables(flags_1=tags.get(_FLAGS_1, 0))
    names = _bytes(binary, tags[_STRTAB], tags.get(_STRSZ, 0), "DT_STRTAB") if _STRTAB in tags else b""
    tables.needed = [name_at(names, at) for at in needed]
    tables.soname = name_at(names, tags[_SONAME]) if _SONAME in tags else None
    if _SYMTAB in tags:
        count = _symbol_count(binary, tags)
        tables.symbols = symbols(_bytes(binary, tags[_SYMTAB], count * _SYM.size, "DT_SYMTAB"), names)
    for at, length in ((_RELA_AT, _RELASZ), (_JMPREL, _PLTRELSZ)):
        if at in tags and tags.get(length):
            tables.relocations += rela(_bytes(binary, tags[at], tags[length], "a relocation table"))
    if _RELR in tags:
        tables.relocations += _relr(binary, _bytes(binary, tags[_RELR], tags.get(_RELRSZ, 0), "DT_RELR"))
    pairs = ((_INIT_ARRAY, _INIT_ARRAYSZ), (_FINI_ARRAY, _FINI_ARRAYSZ), (_PREINIT_ARRAY, _PREINIT_ARRAYSZ))
    tables.arrays = [(tags[at], tags.get(length, 0)) for at, length in pairs if at in tags]
    tables.arrays += [(tags[at], 0) for at in (_INIT, _FINI) if at in tags]
    return tables


def _bytes(binary: Binary, address: int, size: int, what: str) -> bytes:
    segment = binary.segment_at(address)
    if segment is None or address + size > segment.address + len(segment.data):
        raise Error(CODE, f"{what} at {address:#x} of {size} bytes lies outside the segments")
    at = address - segment.address
    return segment.data[at : at + size]


def _symbol_count(binary: Binary, tags: dict[int, int]) -> int:
    """The dynamic symbols have no count of their own: DT_HASH says it, DT_GNU_HASH by its longest chain."""
    if _HASH in tags:
        return int.from_bytes(_bytes(binary, tags[_HASH] + 4, 4, "DT_HASH"), "little")
    if _GNU_HASH not in tags:
        return 0
    at = tags[_GNU_HASH]
    buckets, first, bloom, _ = struct.unpack("<4I", _bytes(binary, at, 16, "DT_GNU_HASH"))
    at += 16 + 8 * bloom
    table = _bytes(binary, at, 4 * buckets, "DT_GNU_HASH's buckets")
    last = max((start for (start,) in struct.iter_unpack("<I", table)), default=0)
    if last < first:
        return int(first) if last == 0 else 0
    at += 4 * buckets
    while not int.from_bytes(_bytes(binary, at + 4 * (last - first), 4, "DT_GNU_HASH's chains"), "little") & 1:
        last += 1
    return last + 1


def _relr(binary: Binary, table: bytes) -> list[Relocation]:
    """DT_RELR (gabi): an even word is an address; an odd one says which of the 63 words behind are relative too."""
    limit = sum(len(segment.data) for segment in binary.segments) // 8 + 1
    found: list[Relocation] = []
    where = 0

    def add(address: int) -> None:
        if len(found) >= limit:
            raise Error(CODE, f"DT_RELR names more than the {limit} words of the file")
        addend = int.from_bytes(_bytes(binary, address, 8, "a word of DT_RELR"), "little", signed=True)
        found.append(Relocation(address, R_RELATIVE, 0, addend))

    for (word,) in struct.iter_unpack("<Q", table[: len(table) // 8 * 8]):
        if word & 1:
            for bit in range(63):
                if word >> 1 + bit & 1:
                    add(where + 8 * bit)
            where += 63 * 8
        else:
            add(word)
            where = word + 8
    return found
