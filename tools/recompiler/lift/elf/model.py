"""What a checked ELF file is: Binary, and the rows of its tables. binary.load makes one."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from recompiler.errors import Error

CODE: Final = "E_LIFT_ELF"
PAGE: Final = 4096
SPACE: Final = 1 << 32  # the guest's memory
R_64, R_COPY, R_GLOB_DAT, R_JUMP_SLOT, R_RELATIVE, R_IRELATIVE = 1, 5, 6, 7, 8, 37
STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_GNU_IFUNC = 0, 1, 2, 10
_LONGEST: Final = 1024  # bytes of a name that are read


class Relocation(NamedTuple):
    """One word that is changed at load: address, R_X86_64 number, index of the dynamic symbol (0: none), addend."""

    address: int
    kind: int
    symbol: int
    addend: int


class Symbol(NamedTuple):
    """One symbol; its name is cut out of names when it is asked for."""

    address: int
    size: int
    type: int
    binding: int
    section: int
    names: bytes
    at: int

    @property
    def name(self) -> str:
        """The name, of 1024 bytes at most."""
        return name_at(self.names, self.at)

    @property
    def defined(self) -> bool:
        """Whether this file has it."""
        return self.section != 0

    @property
    def is_code(self) -> bool:
        """Whether its type lets it be a function or a label."""
        return self.type in (STT_FUNC, STT_GNU_IFUNC) or (self.type == STT_NOTYPE and self.section < 0xFF00)


class Fde(NamedTuple):
    """start, end: addresses. cfa: CFA minus rsp at start, 8 behind a call, -1 where computed otherwise."""

    start: int
    end: int
    cfa: int
    pads: tuple[int, ...]


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
    fdes: list[Fde] = field(default_factory=list)
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


def name_at(names: bytes, at: int) -> str:
    """The name that begins at an offset of a table of strings, of 1024 bytes at most."""
    end = names.find(b"\0", at, at + _LONGEST)
    return names[at : end if end >= 0 else at + _LONGEST].decode("utf-8", "replace")
