"""In: the bytes of an x86-64 Linux ELF file (elf(5)). Out: Binary, what the kernel maps and what says where code is.

What the kernel and ld.so use (headers, segments, dynamic section, relocations) is checked and refused where it does
not hold together; so is a table that does not fit into the file. Symbols and FDEs are hints: they may lie.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from blake3 import blake3

from recompiler.errors import Error
from recompiler.lift.elf import dynamic, ehframe, gopclntab
from recompiler.lift.elf.dynamic import R_RELATIVE, Relocation, Symbol

CODE: Final = "E_LIFT_ELF"
PAGE: Final = 4096
SPACE: Final = 1 << 32  # the guest's memory
_MAX_HEADERS: Final = 65536 // 56  # as the kernel: one page of them at most on 64 KiB pages
_SHARED: Final = 1 << 16  # bytes of the file that segments may have in common
_TEXT_SPAN: Final = 1 << 28  # bytes from the first executable segment to the end of the last

_EHDR: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_PHDR: Final = struct.Struct("<IIQQQQQQ")
_SHDR: Final = struct.Struct("<IIQQQQIIQQ")
_ET_EXEC, _ET_DYN, _EM_X86_64 = 2, 3, 62
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_TLS = 1, 2, 3, 7
_PT_EH_FRAME, _PT_RELRO = 0x6474E550, 0x6474E552
_PF_X, _PF_W, _PF_R = 1, 2, 4
_SHT_SYMTAB, _SHT_RELA, _SHT_NOBITS = 2, 4, 8
_SHF_ALLOC, _SHF_EXECINSTR = 2, 4
_DF_1_PIE: Final = 0x08000000


class Segment(NamedTuple):
    """One PT_LOAD: data stands at address, zeros follow up to size."""

    address: int
    size: int
    data: bytes
    offset: int
    readable: bool
    writable: bool
    executable: bool


class Section(NamedTuple):
    """One row of the section table, which the kernel never reads."""

    name: str
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int


class Tls(NamedTuple):
    """PT_TLS: where the initial image is, its size, the size with zeros, and the alignment."""

    address: int
    file_size: int
    size: int
    align: int


@dataclass(frozen=True, slots=True)
class Needs:
    """What a program does not run without: the loader that it names, and libraries. A library may name neither."""

    interpreter: str | None
    libraries: tuple[str, ...]


@dataclass(slots=True)
class Binary:
    """A checked ELF file; every address is as linked (a base is added by whoever loads it).

    kind: exec, pie or library. text: ranges that say they are code, within the executable segments. symbols: of
    functions and of labels in code. relocations: by the address that they change. arrays: as in dynamic.Tables.
    fdes: by start, Go's functions among them. notes: what was found odd.
    """

    data: bytes
    blake3: str
    kind: str
    entry: int
    segments: list[Segment]
    sections: list[Section]
    text: list[tuple[int, int]]
    tls: Tls | None = None
    interpreter: str | None = None
    needed: list[str] = field(default_factory=list)
    soname: str | None = None
    symbols: list[Symbol] = field(default_factory=list)
    relocations: dict[int, Relocation] = field(default_factory=dict)
    arrays: list[tuple[int, int]] = field(default_factory=list)
    fdes: list[ehframe.Fde] = field(default_factory=list)
    relro: list[tuple[int, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _relocated: set[int] = field(default_factory=set)

    @property
    def needs(self) -> Needs | None:
        """None for a program that runs alone."""
        if self.kind != "library" and self.interpreter is None and not self.needed:
            return None
        return Needs(self.interpreter, tuple(self.needed))

    @property
    def size(self) -> int:
        """Bytes of the file that are mapped."""
        return sum(len(segment.data) for segment in self.segments)

    @property
    def code_range(self) -> tuple[int, int]:
        """(start, size) of what the executable segments span: the pc map is of this."""
        code = [segment for segment in self.segments if segment.executable]
        start = min(segment.address for segment in code)
        return start, max(segment.address + segment.size for segment in code) - start

    def segment_at(self, address: int) -> Segment | None:
        """The segment in whose memory address lies."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        segment = self.segments[index]
        return segment if address < segment.address + segment.size else None

    def code_at(self, address: int) -> bool:
        """Whether the file has a byte at address that may run."""
        segment = self.segment_at(address)
        return segment is not None and segment.executable and address < segment.address + len(segment.data)

    def read(self, address: int, size: int) -> bytes:
        """size bytes as they are after loading and before relocation. Raises Error where no segment has them all."""
        segment = self.segment_at(address)
        if segment is None or address + size > segment.address + segment.size:
            raise Error(CODE, f"{size} bytes at {address:#x} are in no segment")
        at = address - segment.address
        return segment.data[at : at + size].ljust(size, b"\0")

    def word(self, address: int, size: int) -> int | None:
        """The unsigned integer at address after relocation, whether or not the program can change it."""
        row = self.relocations.get(address)
        if row is not None and size == 8:
            return row.addend % (1 << 64)
        segment = self.segment_at(address)
        if segment is None or address + size > segment.address + len(segment.data):
            return None
        at = address - segment.address
        return int.from_bytes(segment.data[at : at + size], "little")

    def constant(self, address: int, size: int) -> int | None:
        """The unsigned integer at address where the running program cannot change it, else None.

        That is: file bytes of a segment that is not writable and has no relocation there, and RELATIVE words of RELRO.
        """
        segment = self.segment_at(address)
        if segment is None:
            return None
        at = address - segment.address
        if not segment.writable:
            if at + size > len(segment.data) or (
                segment.address in self._relocated
                and any(near in self.relocations for near in range(address - 7, address + size))
            ):
                return None
            return int.from_bytes(segment.data[at : at + size], "little")
        found = self.relocations.get(address)
        if found is None or found.kind != R_RELATIVE or size != 8:
            return None
        return found.addend % (1 << 64) if any(a <= address and address + 8 <= b for a, b in self.relro) else None


def load(data: bytes) -> Binary:
    """Reads and checks the file: headers, segments, sections, dynamic section, symbols, relocations, FDEs.

    Raises Error (E_LIFT_ELF) for what Linux would not load and for tables that contradict themselves.
    """
    kind, entry, header = _header(data)
    rows = _rows(data, _PHDR, header[5], header[9], header[10], "program header")
    segments = _segments(data, [row for row in rows if row[0] == _PT_LOAD])
    sections = _sections(data, header)
    binary = Binary(data, blake3(data).hexdigest(), kind, entry, segments, sections, [])
    binary._starts = [segment.address for segment in segments]
    binary.text = _text(binary)
    tables = dynamic.Tables()
    for type_, _, offset, address, _, file_size, size, align in rows:
        if type_ == _PT_INTERP:
            _within(data, offset, file_size, "PT_INTERP")
            binary.interpreter = data[offset : offset + min(file_size, PAGE)].split(b"\0")[0].decode("utf-8", "replace")
        elif type_ == _PT_TLS:
            if file_size > size or (file_size and not _mapped(binary, address, file_size)):
                raise Error(CODE, f"PT_TLS at {address:#x} lies outside the segments")
            binary.tls = Tls(address, file_size, size, align)
        elif type_ == _PT_RELRO:
            binary.relro.append((address, address + size))
        elif type_ == _PT_DYNAMIC:
            tables = dynamic.read(binary, address, size)
    binary.needed, binary.soname, binary.arrays = tables.needed, tables.soname, tables.arrays
    if kind == "pie" and not tables.flags_1 & _DF_1_PIE and (binary.soname or not entry):
        binary.kind = "library"
    if binary.kind != "library" and not binary.code_at(entry):
        raise Error(CODE, f"the entry point {entry:#x} is in no executable segment", 24)
    _names(binary, tables)
    _relocations(binary, tables)
    binary.fdes = _frames(binary, [row[3] for row in rows if row[0] == _PT_EH_FRAME])
    binary.fdes = sorted({fde.start: fde for fde in (*gopclntab.read(binary), *binary.fdes)}.values())
    return binary


def _header(data: bytes) -> tuple[str, int, tuple[int, ...]]:
    if data[:4] != b"\x7fELF":
        raise Error(CODE, "not an ELF file", 0)
    if len(data) < _EHDR.size:
        raise Error(CODE, f"the ELF header is cut off at {len(data)} bytes", len(data))
    if data[4:7] != b"\x02\x01\x01":
        raise Error(CODE, "not a 64-bit little-endian ELF file of version 1", 4)
    header = _EHDR.unpack_from(data)
    if header[2] != _EM_X86_64:
        raise Error(CODE, f"the machine is {header[2]}, not x86-64", 18)
    if header[1] not in (_ET_EXEC, _ET_DYN):
        raise Error(CODE, f"the ELF type is {header[1]}: neither an executable nor a shared object", 16)
    return ("exec" if header[1] == _ET_EXEC else "pie"), header[4], header


def _within(data: bytes, offset: int, size: int, what: str) -> None:
    if offset + size > len(data):
        raise Error(CODE, f"{what} at {offset:#x} of {size} bytes ends behind the file ({len(data)} bytes)", offset)


def _rows(data: bytes, row: struct.Struct, at: int, size: int, count: int, what: str) -> list[tuple[int, ...]]:
    if not count:
        return []
    if size != row.size:
        raise Error(CODE, f"a {what} has {size} bytes, not {row.size}")
    if row is _PHDR and count > _MAX_HEADERS:
        raise Error(CODE, f"{count} program headers: more than {_MAX_HEADERS}")
    _within(data, at, size * count, f"the table of {what}s")
    return list(row.iter_unpack(data[at : at + size * count]))


def _segments(data: bytes, rows: list[tuple[int, ...]]) -> list[Segment]:
    """The PT_LOADs in order of address: within file and guest memory, on congruent offsets, no page of two."""
    segments: list[Segment] = []
    end = mapped = 0
    for _, flags, offset, address, _, file_size, size, _ in rows:
        if not size:
            continue
        mapped += file_size
        if mapped > len(data) + _SHARED:
            raise Error(CODE, f"the segments map more than the file has: {mapped} of {len(data)} bytes")
        if file_size > size:
            raise Error(CODE, f"the segment at {address:#x} has {file_size} bytes in the file and {size} in memory")
        _within(data, offset, file_size, f"the segment at {address:#x}")
        if address + size > SPACE:
            raise Error(CODE, f"the segment at {address:#x} of {size} bytes ends above 4 GiB")
        if (address - offset) % PAGE:
            raise Error(CODE, f"the segment at {address:#x} does not fit its file offset {offset:#x} within a page")
        if address // PAGE * PAGE < end:
            raise Error(CODE, f"the segment at {address:#x} is out of order or shares a page with the one before it")
        end = -(-(address + size) // PAGE) * PAGE
        rights = bool(flags & _PF_R), bool(flags & _PF_W), bool(flags & _PF_X)
        segments.append(Segment(address, size, data[offset : offset + file_size], offset, *rights))
    if not segments:
        raise Error(CODE, "no segment to load")
    text = [segment for segment in segments if segment.executable]
    if text and text[-1].address + text[-1].size - text[0].address > _TEXT_SPAN:
        raise Error(CODE, f"the executable segments are more than {_TEXT_SPAN} bytes apart")
    return segments


def _sections(data: bytes, header: tuple[int, ...]) -> list[Section]:
    """The section table, which may be missing; when there is one, it fits."""
    count = header[12] if header[6] else 0
    rows = _rows(data, _SHDR, header[6], header[11], count, "section header")
    for row in rows:
        if row[1] not in (0, _SHT_NOBITS):
            _within(data, row[4], row[5], "a section")
    strings = b""
    if header[13]:
        if header[13] >= max(count, 1) and count:
            raise Error(CODE, f"section {header[13]} has the names, of {count} sections")
        if count:
            start = rows[header[13]][4]
            strings = data[start : start + rows[header[13]][5]]
    names = (strings[row[0] : row[0] + 64].split(b"\0")[0].decode("ascii", "replace") for row in rows)
    return [
        Section(name, row[1], row[2], row[3], row[4], row[5], row[6]) for name, row in zip(names, rows, strict=True)
    ]


def _mapped(binary: Binary, address: int, size: int) -> bool:
    segment = binary.segment_at(address)
    return segment is not None and address + size <= segment.address + len(segment.data)


def _text(binary: Binary) -> list[tuple[int, int]]:
    """What sections call code, else all that can run."""
    claimed = [
        (section.address, section.address + section.size)
        for section in binary.sections
        if section.flags & _SHF_EXECINSTR and section.flags & _SHF_ALLOC and section.kind != _SHT_NOBITS
    ]
    claimed = sorted({(a, b) for a, b in claimed if a < b and binary.code_at(a) and _mapped(binary, a, b - a)})
    runs = [(s.address, s.address + len(s.data)) for s in binary.segments if s.executable and s.data]
    for segment in binary.segments:
        if segment.writable and segment.executable:
            note = "is writable and executable: what is written there does not run"
            binary.notes.append(f"the segment at {segment.address:#x} {note}")
    merged: list[tuple[int, int]] = []
    for a, b in claimed or runs:
        if merged and a <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
        else:
            merged.append((a, b))
    return merged


def _names(binary: Binary, tables: dynamic.Tables) -> None:
    """Symbols of code: of .symtab where the file was not stripped, and those for the dynamic linker."""
    symbols = list(tables.symbols)
    for section in binary.sections:
        if section.kind == _SHT_SYMTAB and section.link < len(binary.sections):
            strings = binary.sections[section.link]
            names = binary.data[strings.offset : strings.offset + strings.size]
            symbols += dynamic.symbols(binary.data[section.offset : section.offset + section.size], names)
            break  # elf(5): a file has one
    seen: dict[tuple[int, int], Symbol] = {}
    for symbol in symbols:
        if symbol.defined and symbol.is_code and binary.code_at(symbol.address):
            seen.setdefault((symbol.address, symbol.type), symbol)
    binary.symbols = [seen[key] for key in sorted(seen)]


def _relocations(binary: Binary, tables: dynamic.Tables) -> None:
    """Those of the dynamic section; a static executable has its IRELATIVE ones in a section alone."""
    rows = list(tables.relocations)
    if not rows and binary.kind == "exec":
        found = [section for section in binary.sections if section.kind == _SHT_RELA and section.flags & _SHF_ALLOC]
        if sum(section.size for section in found) > len(binary.data):
            raise Error(CODE, "the sections of relocations are larger than the file")
        for section in found:
            rows += dynamic.rela(binary.data[section.offset : section.offset + section.size])
    for row in rows:
        segment = binary.segment_at(row.address)
        if segment is None or row.address + 8 > segment.address + segment.size:
            raise Error(CODE, f"a relocation of {row.address:#x}, which is in no segment")
        if segment.executable and not segment.writable:
            raise Error(CODE, f"a relocation of code at {row.address:#x}: text relocations cannot be lifted")
        binary._relocated.add(segment.address)
        binary.relocations[row.address] = row


def _frames(binary: Binary, headers: list[int]) -> list[ehframe.Fde]:
    """The FDEs: by PT_GNU_EH_FRAME, else by the section's name, else where a first CIE can be seen."""
    named = [section for section in binary.sections if section.name == ".eh_frame" and section.flags & _SHF_ALLOC]
    told = [place for place in (ehframe.behind_header(binary, address) for address in headers) if place]
    if told:
        address, count = told[0]
        size = next((section.size for section in named if section.address == address), SPACE)
        return ehframe.read(binary, address, size, count)
    if named:
        return ehframe.read(binary, named[0].address, named[0].size, SPACE)
    guess = ehframe.search(binary)
    if guess is None:
        return []
    try:
        return ehframe.read(binary, guess, SPACE, SPACE)
    except Error as error:
        binary.notes.append(f"no frame table: {error.message}")
        return []
