"""The trailer (docs/format.md): the end of a file in, its footer and statement out; and the bytes of new ones.

    kind 1   stub ELF | pad | wasm | pad | manifest | pad | STATEMENT 384 | n x SIGREC 112 | FOOTER 32
    kind 2   STATEMENT 384 | n x SIGREC 112 | FOOTER 32

Decoding never fails on bytes of the right length; the check_ functions, one per stage, say what is wrong.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from recompiler.errors import Error
from recompiler.format.source import Source, read

MAGIC: Final = b"RCMPLR-TRAILER-1"
DOMAIN: Final = b"recompiler/trailer/v1".ljust(32, b"\0")
FOOTER_SIZE: Final = 32
STATEMENT_SIZE: Final = 384
RECORD_SIZE: Final = 112
SLOTS_OFFSET: Final = 0x80
SLOT_SIZE: Final = 64
MAX_SIGNATURES: Final = 8
WINDOW: Final = 65536
MIN_FILE: Final = FOOTER_SIZE
MAX_FILE: Final = 18 << 30
MIN_TIME: Final = 1577836800
MAX_TIME: Final = 2**40

EXECUTABLE: Final = 1
DETACHED: Final = 2

STUB: Final = 1
WASM: Final = 2
MANIFEST: Final = 3
AOT: Final = 4
SECTION_NAMES: Final = {STUB: "STUB", WASM: "WASM", MANIFEST: "MANIFEST", AOT: "AOT"}
SECTION_LIMITS: Final = {STUB: 64 << 20, WASM: 1 << 30, MANIFEST: 64 << 20, AOT: 16 << 30}
SECTION_ORDER: Final = {EXECUTABLE: (STUB, WASM, MANIFEST, AOT), DETACHED: (WASM, MANIFEST, AOT)}
SECTION_COUNTS: Final = {EXECUTABLE: (3, 4), DETACHED: (2, 3, 4)}

_FOOTER = struct.Struct("<IIQ16s")
_HEADER = struct.Struct("<32sHHHHQQQ64s")
_SLOT = struct.Struct("<IIQQQ32s")
_SUBJECT = re.compile(r"[a-z0-9][a-z0-9._/-]{0,62}")


@dataclass(frozen=True, slots=True)
class Footer:
    """The last 32 bytes of the file."""

    sig_count: int
    statement_size: int
    statement_off: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Section:
    """One 64-byte slot of the statement."""

    type: int
    offset: int
    size: int
    blake3: bytes
    reserved: tuple[int, int] = (0, 0)

    @property
    def name(self) -> str:
        """STUB, WASM, MANIFEST or AOT."""
        return SECTION_NAMES.get(self.type, f"type {self.type}")


@dataclass(frozen=True, slots=True)
class Statement:
    """The 384 signed bytes; sections holds the used slots, slots all four."""

    domain: bytes
    version: int
    section_count: int
    kind: int
    signer_count: int
    signed_at: int
    expires_at: int
    security_version: int
    subject_field: bytes
    slots: tuple[Section, ...]
    raw: bytes

    @property
    def subject(self) -> str:
        """The subject without its padding."""
        return self.subject_field.split(b"\0", 1)[0].decode("ascii", "backslashreplace")

    @property
    def sections(self) -> tuple[Section, ...]:
        """The used slots, in order."""
        return self.slots[: self.section_count]

    def section(self, type_: int) -> Section | None:
        """The section of this type, or None."""
        return next((s for s in self.sections if s.type == type_), None)

    @property
    def release_id(self) -> bytes:
        """BLAKE3 of the statement: the name of the release."""
        return blake3(self.raw).digest()


def align16(n: int) -> int:
    """n, or the next multiple of 16."""
    return (n + 15) & ~15


def subject_ok(text: str) -> bool:
    """Says whether text is a subject: 1..63 of the subject's letters, no `..`, no `//`."""
    return _SUBJECT.fullmatch(text) is not None and ".." not in text and "//" not in text


def decode_footer(raw: bytes) -> Footer:
    """The fields of 32 bytes, unchecked."""
    sig_count, statement_size, statement_off, _ = _FOOTER.unpack(raw)
    return Footer(sig_count, statement_size, statement_off, raw)


def decode_statement(raw: bytes) -> Statement:
    """The fields of 384 bytes, unchecked."""
    domain, version, count, kind, signers, signed_at, expires_at, security, subject = _HEADER.unpack_from(raw)
    slots = []
    for i in range(4):
        type_, reserved, offset, size, reserved2, digest = _SLOT.unpack_from(raw, SLOTS_OFFSET + SLOT_SIZE * i)
        slots.append(Section(type_, offset, size, digest, (reserved, reserved2)))
    return Statement(
        domain, version, count, kind, signers, signed_at, expires_at, security, subject, tuple(slots), bytes(raw)
    )


def read_footer(source: Source) -> Footer:
    """Stage 1: the footer that ends at the end of the file.

    Raises Error: E_TRAILER_VERSION, E_TRAILING_DATA, E_NO_TRAILER, E_SIG_COUNT, E_STATEMENT_SIZE, E_TRUNCATED,
    E_STATEMENT_OFFSET, E_ALIGN, and the source's.
    """
    size = source.size
    window = read(source, size - min(size, WINDOW), min(size, WINDOW))
    if not window.endswith(MAGIC):
        _explain_missing_magic(window, size)
    footer = decode_footer(window[-FOOTER_SIZE:])
    at = size - FOOTER_SIZE
    if footer.sig_count > MAX_SIGNATURES:
        raise Error("E_SIG_COUNT", f"{footer.sig_count} signature records, at most {MAX_SIGNATURES} are allowed", at)
    if footer.statement_size != STATEMENT_SIZE:
        raise Error("E_STATEMENT_SIZE", f"statement_size is {footer.statement_size}, not {STATEMENT_SIZE}", at + 4)
    tail = FOOTER_SIZE + RECORD_SIZE * footer.sig_count + STATEMENT_SIZE
    if tail > size:
        raise Error("E_TRUNCATED", f"the trailer needs {tail} bytes, the file has {size}", at)
    if footer.statement_off != size - tail:
        raise Error("E_STATEMENT_OFFSET", f"statement_off is {footer.statement_off}, not {size - tail}", at + 8)
    if footer.statement_off % 16:
        raise Error("E_ALIGN", f"statement_off {footer.statement_off} is not a multiple of 16", at + 8)
    return footer


def _explain_missing_magic(window: bytes, size: int) -> None:
    if window[-16:-1] == MAGIC[:-1]:
        raise Error("E_TRAILER_VERSION", "the trailer has another version than 1: use a newer recompiler", size - 1)
    found = window.rfind(MAGIC)
    if found >= 0:
        after = len(window) - found - len(MAGIC)
        raise Error("E_TRAILING_DATA", f"the trailer ends {after} bytes before the end of the file", size - after)
    raise Error("E_NO_TRAILER", "no trailer at the end of the file: it was not made by `recompiler append`", size)


def check_header(statement: Statement, footer: Footer) -> None:
    """Stage 2: the first 128 bytes of the statement.

    Raises Error: E_DOMAIN, E_VERSION, E_KIND, E_SECTION_COUNT, E_SIGNERS, E_TIME, E_SUBJECT.
    """
    s, at = statement, footer.statement_off
    if s.domain != DOMAIN:
        raise Error("E_DOMAIN", "the statement is not of the domain recompiler/trailer/v1", at)
    if s.version != 1:
        raise Error("E_VERSION", f"statement version {s.version}, not 1", at + 0x20)
    if s.kind not in SECTION_ORDER:
        raise Error("E_KIND", f"kind {s.kind} is neither 1 nor 2", at + 0x24)
    if s.kind == DETACHED and footer.statement_off != 0:
        raise Error("E_KIND", f"a detached statement stands at offset {footer.statement_off}, not 0", at + 0x24)
    if s.section_count not in SECTION_COUNTS[s.kind]:
        raise Error("E_SECTION_COUNT", f"{s.section_count} sections in a file of kind {s.kind}", at + 0x22)
    if not 1 <= s.signer_count <= MAX_SIGNATURES:
        raise Error("E_SIGNERS", f"signer_count is {s.signer_count}, not 1..{MAX_SIGNATURES}", at + 0x26)
    if footer.sig_count not in (0, s.signer_count):
        raise Error("E_SIGNERS", f"{footer.sig_count} records, the statement says {s.signer_count}", at + 0x26)
    if not MIN_TIME <= s.signed_at <= MAX_TIME:
        raise Error("E_TIME", f"signed_at {s.signed_at} is not within {MIN_TIME}..{MAX_TIME}", at + 0x28)
    if s.expires_at != 0 and s.expires_at <= s.signed_at:
        raise Error("E_TIME", f"expires_at {s.expires_at} is not after signed_at {s.signed_at}", at + 0x30)
    if not subject_ok(s.subject) or s.subject_field != s.subject.encode().ljust(64, b"\0"):
        raise Error("E_SUBJECT", "the subject breaks the rules of a name", at + 0x40)


def check_sections(statement: Statement, footer: Footer, source: Source | None) -> None:
    """Stage 3: the section slots and the bytes between sections (not read when source is None).

    Raises Error: E_SECTION_TYPE, E_RESERVED, E_LAYOUT, E_SECTION_SIZE, E_PADDING, and the source's.
    """
    executable = statement.kind == EXECUTABLE
    order = SECTION_ORDER[statement.kind]
    limit = footer.statement_off
    end = 0
    for i, s in enumerate(statement.sections):
        at = footer.statement_off + SLOTS_OFFSET + SLOT_SIZE * i
        if i >= len(order) or s.type != order[i]:
            raise Error("E_SECTION_TYPE", f"section {i} has type {s.type}", at)
        if any(s.reserved):
            raise Error("E_RESERVED", f"reserved bytes of section {i} are not zero", at)
        start = align16(end) if executable else 0
        if s.offset != start:
            raise Error("E_LAYOUT", f"{s.name} begins at {s.offset}, not at {start}", at + 8)
        if not 1 <= s.size <= SECTION_LIMITS[s.type]:
            raise Error("E_SECTION_SIZE", f"{s.name} has {s.size} bytes, 1..{SECTION_LIMITS[s.type]} allowed", at + 16)
        if not executable:
            continue
        end = s.offset + s.size
        if end > limit:
            raise Error("E_LAYOUT", f"{s.name} ends at {end}, behind the statement at {limit}", at + 16)
        if source is not None:
            padding = read(source, end, min(align16(end), limit) - end)
            if padding.strip(b"\0"):
                raise Error("E_PADDING", f"the bytes after {s.name} are not zero", end)
    for i in range(statement.section_count, 4):
        at = SLOTS_OFFSET + SLOT_SIZE * i
        if statement.raw[at : at + SLOT_SIZE] != bytes(SLOT_SIZE):
            raise Error("E_RESERVED", f"the unused section slot {i} is not zero", footer.statement_off + at)
    if executable and align16(end) != limit:
        raise Error("E_LAYOUT", f"the sections end at {end}, the statement begins at {limit}", footer.statement_off)


def parse(source: Source) -> tuple[Footer, Statement]:
    """Stages 1 to 3 in order. Raises Error: the codes of these stages, and the source's."""
    footer = read_footer(source)
    statement = decode_statement(read(source, footer.statement_off, STATEMENT_SIZE))
    check_header(statement, footer)
    check_sections(statement, footer, source)
    return footer, statement


def build_footer(sig_count: int, statement_off: int) -> bytes:
    """The 32 bytes that end a file with sig_count records and its statement at statement_off."""
    return _FOOTER.pack(sig_count, STATEMENT_SIZE, statement_off, MAGIC)


def lay_out(kind: int, parts: Sequence[tuple[int, int, bytes]]) -> tuple[Section, ...]:
    """The slots of (type, size, blake3) parts, one after the other for kind 1, all at offset 0 for kind 2."""
    slots: list[Section] = []
    end = 0
    for type_, size, digest in parts:
        slots.append(Section(type_, end if kind == EXECUTABLE else 0, size, digest))
        end = align16(end + size)
    return tuple(slots)


def build_statement(
    *,
    kind: int,
    subject: str,
    sections: Sequence[Section],
    signed_at: int,
    expires_at: int = 0,
    security_version: int = 0,
    signer_count: int = 1,
) -> Statement:
    """A statement that passes stages 2 and 3.

    Raises Error: the codes of these stages, and E_USAGE for a number that has no room in its field.
    """
    try:
        raw = _HEADER.pack(
            DOMAIN,
            1,
            len(sections),
            kind,
            signer_count,
            signed_at,
            expires_at,
            security_version,
            subject.encode("utf-8", "replace"),
        )
        raw += b"".join(_SLOT.pack(s.type, 0, s.offset, s.size, 0, s.blake3) for s in sections)
    except struct.error:
        raise Error("E_USAGE", "a number does not fit its field: signers, times and versions are unsigned") from None
    statement = decode_statement(raw.ljust(STATEMENT_SIZE, b"\0"))
    end = align16(sections[-1].offset + sections[-1].size) if kind == EXECUTABLE else 0
    footer = decode_footer(build_footer(0, end))
    check_header(statement, footer)
    if statement.subject != subject:
        raise Error("E_SUBJECT", "the subject breaks the rules of a name")
    check_sections(statement, footer, None)
    return statement
