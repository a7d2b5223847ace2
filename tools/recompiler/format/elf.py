"""The stub's ELF file (elf(5)): its bytes in; a refusal, its extent and its recompiler note out."""

from __future__ import annotations

import struct
from typing import Final

from recompiler.errors import Error

Bytes = bytes | bytearray

HEADER_SIZE: Final = 64
NOTE_OWNER: Final = b"recompiler\0"
MACHINES: Final = {62: "x86_64", 183: "aarch64"}
_ET_EXEC, _ET_DYN = 2, 3
_PT_NOTE = 4
_SHT_NOBITS = 8
_PHDR = struct.Struct("<IIQQQQQQ")
_SHDR = struct.Struct("<IIQQQQIIQQ")
_NHDR = struct.Struct("<III")


def check(data: Bytes) -> None:
    """E_STUB_ELF: ELF64, little-endian, ET_EXEC or ET_DYN, x86-64 or AArch64. Raises Error."""
    if len(data) < HEADER_SIZE or bytes(data[:4]) != b"\x7fELF":
        raise Error("E_STUB_ELF", "the stub is not an ELF file", 0)
    if data[4] != 2 or data[5] != 1:
        raise Error("E_STUB_ELF", "the stub is not a 64-bit little-endian ELF file", 4)
    type_, machine = struct.unpack_from("<HH", data, 16)
    if type_ not in (_ET_EXEC, _ET_DYN):
        raise Error("E_STUB_ELF", f"the stub's ELF type is {type_}, not an executable", 16)
    if machine not in MACHINES:
        raise Error("E_STUB_ELF", f"the stub's machine is {machine}, neither x86-64 nor AArch64", 18)


def machine(data: Bytes) -> str:
    """The name of a checked file's machine."""
    return MACHINES[int.from_bytes(data[18:20], "little")]


def extent(data: Bytes) -> int:
    """Where a checked file ends by its own tables, which may be behind the bytes there are.

    The largest end of ELF header, program headers, section headers, segments and sections.
    """
    ends = [HEADER_SIZE]
    offset, count, entry_size = _program_headers(data)
    if count:
        ends.append(offset + count * entry_size)
        ends += [row[2] + row[5] for row in _rows(data, offset, count, entry_size, _PHDR)]
    offset, count, entry_size = _section_headers(data)
    if count:
        ends.append(offset + count * entry_size)
        rows = _rows(data, offset, count, entry_size, _SHDR)
        ends += [row[4] + row[5] for row in rows if row[1] != _SHT_NOBITS]
    return max(ends)


def check_extent(data: Bytes) -> None:
    """E_STUB_EXTENT: nothing stands behind the checked file's own extent, and nothing is missing. Raises Error."""
    end = extent(data)
    if end != len(data):
        raise Error("E_STUB_EXTENT", f"the stub's ELF ends at {end}, its section at {len(data)}", min(end, len(data)))


def note(data: Bytes) -> str | None:
    """The text of the note whose owner is `recompiler` (`stub 0.1.0 production x86_64-linux`), or None."""
    offset, count, entry_size = _program_headers(data)
    for fields in _rows(data, offset, count, entry_size, _PHDR):
        if fields[0] == _PT_NOTE:
            text = _find_note(bytes(data[fields[2] : fields[2] + min(fields[5], 65536)]))
            if text is not None:
                return text
    return None


def _program_headers(data: Bytes) -> tuple[int, int, int]:
    offset: int = struct.unpack_from("<Q", data, 32)[0]
    entry_size, count = struct.unpack_from("<HH", data, 54)
    return offset, count, entry_size


def _section_headers(data: Bytes) -> tuple[int, int, int]:
    offset: int = struct.unpack_from("<Q", data, 40)[0]
    entry_size, count = struct.unpack_from("<HH", data, 58)
    return offset, count, entry_size


def _rows(data: Bytes, offset: int, count: int, entry_size: int, entry: struct.Struct) -> list[tuple[int, ...]]:
    """The table's rows that lie inside data."""
    if entry_size < entry.size:
        return []
    inside = range(offset, min(offset + count * entry_size, len(data) - entry.size + 1), entry_size)
    return [entry.unpack_from(data, at) for at in inside]


def _find_note(notes: bytes) -> str | None:
    at = 0
    while at + _NHDR.size <= len(notes):
        name_size, text_size, _ = _NHDR.unpack_from(notes, at)
        name_at = at + _NHDR.size
        text_at = name_at + (name_size + 3 & ~3)
        if notes[name_at : name_at + name_size] == NOTE_OWNER:
            text = notes[text_at : text_at + text_size].rstrip(b"\0").decode("ascii", "replace")
            return ascii(text)[1:-1]
        at = text_at + (text_size + 3 & ~3)
    return None
