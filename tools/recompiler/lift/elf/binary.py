"""In: the bytes of an x86-64 Linux ELF file (elf(5)). Out: Binary, what the kernel maps and what says where code is.

What the kernel and ld.so use (headers, segments, dynamic section, relocations) is checked and refused where it does
not hold together; so is a table that does not fit into the file. Symbols and FDEs are hints: they may lie.
"""

from __future__ import annotations

import struct
from typing import Final

from blake3 import blake3

from recompiler.errors import Error
from recompiler.lift.elf import dynamic, ehframe, gopclntab
from recompiler.lift.elf.model import CODE, PAGE, SPACE, Binary, Fde, Section, Segment, Symbol, Tls

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


def _frames(binary: Binary, headers: list[int]) -> list[Fde]:
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
