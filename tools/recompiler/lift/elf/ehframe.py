"""In: .eh_frame and .gcc_except_table (LSB core, DWARF 5, 6.4). Out: the FDEs: extents, first CFA, landing pads."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from recompiler.errors import Error
from recompiler.lift.elf.model import CODE, Binary, Fde

OMIT: Final = 0xFF
_INDIRECT: Final = 0x80
_FIXED: Final = {0: "<Q", 2: "<H", 3: "<I", 4: "<Q", 8: "<q", 10: "<h", 11: "<i", 12: "<q"}
_MASK: Final = (1 << 64) - 1
_RSP: Final = 7
_TERMS: Final = 64  # initial instructions that are read; more say nothing about the first CFA
_SMALL_CIE: Final = b"\0\0\0\0\x01zR\0"


class _Cie(NamedTuple):
    pointers: int  # DW_EH_PE of the FDE's addresses
    lsda: int
    augmented: bool
    data_align: int
    cfa: int


class _Reader:
    """A cursor in a piece of a segment that knows the address it is at."""

    def __init__(self, data: bytes, base: int, at: int, end: int) -> None:
        self.data, self.base, self.at, self.end = data, base, at, end

    def take(self, size: int) -> bytes:
        if size > self.end - self.at:
            raise Error(CODE, f"the frame table at {self.base + self.at:#x} is cut off")
        self.at += size
        return self.data[self.at - size : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def uleb(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value & _MASK
            if shift > 70:
                raise Error(CODE, f"a number at {self.base + self.at:#x} has no end")

    def sleb(self) -> int:
        start = self.at
        value = self.uleb()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if bits < 64 and value >> bits - 1 else value

    def pointer(self, encoding: int) -> int:
        """A pointer in a DW_EH_PE encoding: absolute or relative to itself. Raises Error for the others."""
        place = self.base + self.at
        form = encoding & 15
        if form == 1:
            value = self.uleb()
        elif form == 9:
            value = self.sleb()
        elif form in _FIXED:
            layout = _FIXED[form]
            value = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
        else:
            raise Error(CODE, f"the pointer encoding {encoding:#x} at {place:#x} is unknown")
        if encoding & 0x70 == 0x10:
            value = value + place if value else 0
        elif encoding & 0x70:
            raise Error(CODE, f"the pointer encoding {encoding:#x} at {place:#x} is not supported")
        return value & _MASK


class _Budget:
    """How many bytes may still be read, of those that several records can lead to."""

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, size: int) -> bool:
        """Whether that many are left."""
        self.left -= size
        return self.left >= 0


def behind_header(binary: Binary, address: int) -> tuple[int, int] | None:
    """(address of .eh_frame, its number of FDEs) as .eh_frame_hdr at address tells them, if it does."""
    segment = binary.segment_at(address)
    if segment is None:
        raise Error(CODE, f"PT_GNU_EH_FRAME at {address:#x} is in no segment")
    reader = _Reader(segment.data, segment.address, address - segment.address, len(segment.data))
    version, encoding, counting, _ = reader.take(4)
    if version != 1:
        raise Error(CODE, f"PT_GNU_EH_FRAME at {address:#x} has version {version}")
    if OMIT in (encoding, counting):
        return None
    return reader.pointer(encoding), reader.pointer(counting)


def search(binary: Binary) -> int | None:
    """The address of what looks like the first CIE, for a file without section table and PT_GNU_EH_FRAME."""
    for segment in binary.segments:
        at = segment.data.find(_SMALL_CIE)
        if at >= 4 and not segment.writable:
            return segment.address + at - 4
    return None


def read(binary: Binary, address: int, size: int, count: int) -> list[Fde]:
    """The FDEs of the table at address that cover code of this file, by start, one for each start.

    The table ends with a record of size 0, after size bytes or after count FDEs, whatever comes first.

    Raises Error for a table that is cut off or that points where it cannot.
    """
    segment = binary.segment_at(address)
    if segment is None or address >= segment.address + len(segment.data):
        raise Error(CODE, f"the frame table at {address:#x} lies outside the segments")
    data, base = segment.data, segment.address
    start = at = address - base
    last = min(len(data), start + size)
    cies: dict[int, _Cie] = {}
    found: dict[int, Fde] = {}
    sites = _Budget(binary.size)  # bytes of call sites: no two FDEs have them in common
    while at + 4 <= last and count > 0:
        size = int.from_bytes(data[at : at + 4], "little")
        body = at + 4
        if size == 0:
            break
        if size == 0xFFFFFFFF:
            size = int.from_bytes(data[at + 4 : at + 12], "little")
            body = at + 12
        if size < 4 or body + size > last:
            raise Error(CODE, f"the frame record at {base + at:#x} of {size} bytes is cut off")
        distance = int.from_bytes(data[body : body + 4], "little")
        if distance:
            count -= 1
            place = body - distance
            if not start <= place < at:
                raise Error(CODE, f"the FDE at {base + at:#x} has its CIE outside the table")
            cie = cies.get(place)
            if cie is None:
                cie = cies[place] = _cie(data, base, place)
            fde = _fde(binary, _Reader(data, base, body + 4, body + size), cie, sites)
            if fde is not None:
                found.setdefault(fde.start, fde)
        at = body + size
    return [found[key] for key in sorted(found)]


def _cie(data: bytes, base: int, at: int) -> _Cie:
    size = int.from_bytes(data[at : at + 4], "little")
    reader = _Reader(data, base, at + 4, min(at + 4 + size, len(data)))
    if reader.take(4) != b"\0\0\0\0":
        raise Error(CODE, f"the CIE at {base + at:#x} is none")
    version = reader.byte()
    if version not in (1, 3):
        raise Error(CODE, f"the CIE at {base + at:#x} has version {version}")
    text = bytearray()
    while (byte := reader.byte()) != 0:
        text.append(byte)
    if text == b"eh":
        reader.take(8)
    reader.uleb()
    data_align = reader.sleb()
    reader.byte() if version == 1 else reader.uleb()
    pointers, lsda = 0, OMIT
    if text.startswith(b"z"):
        end = reader.uleb() + reader.at
        for letter in text[1:]:
            if letter == ord("R"):
                pointers = reader.byte()
            elif letter == ord("L"):
                lsda = reader.byte()
            elif letter == ord("P"):
                encoding = reader.byte()
                reader.pointer(encoding & ~_INDIRECT)
            elif letter != ord("S"):
                break
        reader.at = max(reader.at, min(end, reader.end))
    return _Cie(pointers, lsda, text.startswith(b"z"), data_align, _first_cfa(reader, data_align, -1))


def _fde(binary: Binary, reader: _Reader, cie: _Cie, sites: _Budget) -> Fde | None:
    start = reader.pointer(cie.pointers)
    size = reader.pointer(cie.pointers & 15)
    if not size or not binary.code_at(start) or not binary.code_at(start + size - 1):
        return None  # a discarded function's, whose start the linker has set to 0
    pads: tuple[int, ...] = ()
    if cie.augmented:
        end = reader.uleb() + reader.at
        if cie.lsda != OMIT:
            address = reader.pointer(cie.lsda & ~_INDIRECT)
            if address and not cie.lsda & _INDIRECT:
                pads = _pads(binary, address, start, sites)
        reader.at = max(reader.at, min(end, reader.end))
    return Fde(start, start + size, _first_cfa(reader, cie.data_align, cie.cfa), pads)


def _first_cfa(reader: _Reader, data_align: int, cfa: int) -> int:
    """CFA minus rsp after the instructions up to the first that advances the location (DWARF 5, 6.4.2)."""
    for _ in range(_TERMS):
        if reader.at >= reader.end:
            break
        op = reader.byte()
        high = op & 0xC0
        if high == 0x40 or op in (1, 2, 3, 4):  # advance_loc, set_loc
            break
        if high == 0x80:  # offset
            reader.uleb()
        elif high == 0xC0 or op in (0, 0x0A, 0x0B, 0x2D):  # restore, nop, remember and restore state
            pass
        elif op == 0x0C:  # def_cfa
            register, offset = reader.uleb(), reader.uleb()
            cfa = offset if register == _RSP else -1
        elif op == 0x0D:  # def_cfa_register
            cfa = cfa if reader.uleb() == _RSP else -1
        elif op == 0x0E:  # def_cfa_offset
            cfa = reader.uleb()
        elif op in (0x12, 0x13):  # def_cfa_sf, def_cfa_offset_sf
            register = reader.uleb() if op == 0x12 else _RSP
            offset = reader.sleb() * data_align
            cfa = offset if register == _RSP else -1
        elif op == 0x0F:  # def_cfa_expression
            reader.take(reader.uleb())
            cfa = -1
        elif op in (0x10, 0x16):  # expression, val_expression
            reader.uleb()
            reader.take(reader.uleb())
        elif op in (5, 9, 0x11, 0x14, 0x15, 0x2F):  # two numbers
            reader.uleb()
            reader.uleb()
        elif op in (6, 7, 8, 0x2E):  # one number
            reader.uleb()
        else:
            return -1
    return cfa


def _pads(binary: Binary, address: int, start: int, budget: _Budget) -> tuple[int, ...]:
    """The landing pads of a language-specific data area in the form of gcc's and clang's C++; none of another form."""
    segment = binary.segment_at(address)
    if segment is None:
        return ()
    reader = _Reader(segment.data, segment.address, address - segment.address, len(segment.data))
    found: set[int] = set()
    try:
        encoding = reader.byte()
        origin = start if encoding == OMIT else reader.pointer(encoding)
        if reader.byte() != OMIT:
            reader.uleb()
        sites = reader.byte()
        end = reader.uleb() + reader.at
        while reader.at < end:
            at = reader.at
            reader.pointer(sites)
            reader.pointer(sites)
            pad = reader.pointer(sites)
            reader.uleb()
            if not budget.take(reader.at - at):
                raise Error(CODE, "the exception tables are larger than the file: FDEs share them")
            if pad:
                if not binary.code_at(origin + pad):
                    return ()
                found.add(origin + pad)
    except Error:
        return ()
    return tuple(sorted(found))
