"""What a file says of itself: an open file in, its trailer's fields out with the offset and meaning of each.

Nothing here is checked against a key. A file that breaks the format is shown as far as it can be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from recompiler.errors import Error
from recompiler.format import elf, trailer
from recompiler.format.records import Record, check_records, read_records
from recompiler.format.source import Source, read
from recompiler.format.trailer import EXECUTABLE, RECORD_SIZE, STATEMENT_SIZE, STUB, Footer, Statement


@dataclass(frozen=True, slots=True)
class Field:
    """One field where it stands in the file."""

    offset: int
    size: int
    name: str
    value: str
    meaning: str


@dataclass(slots=True)
class Anatomy:
    """What could be read; error is the first refusal of stages 0 to 4 (a missing signature is none here)."""

    size: int
    footer: Footer | None = None
    statement: Statement | None = None
    records: list[Record] = field(default_factory=list)
    stub_machine: str | None = None
    stub_note: str | None = None
    error: Error | None = None

    @property
    def development(self) -> bool:
        """Says whether the stub names itself a development build, which takes its key store from the environment."""
        return self.stub_note is not None and "development" in self.stub_note.split()


def examine(source: Source) -> Anatomy:
    """Reads what there is. Raises Error: the source's own (E_READ, E_CHANGED)."""
    found = Anatomy(source.size)
    try:
        if source.size < trailer.MIN_FILE:
            raise Error("E_TOO_SMALL", f"the file has {source.size} bytes, a trailer needs more", 0)
        found.footer = trailer.read_footer(source)
        raw = read(source, found.footer.statement_off, STATEMENT_SIZE)
        found.statement = trailer.decode_statement(raw)
        found.records = read_records(source, found.footer)
        trailer.check_header(found.statement, found.footer)
        trailer.check_sections(found.statement, found.footer, source)
        if found.records:
            check_records(found.records, found.footer)
    except Error as e:
        if e.code in ("E_READ", "E_CHANGED"):
            raise
        found.error = e
    if found.error is None and found.statement is not None:
        _examine_stub(found, found.statement, source)
    return found


def _examine_stub(found: Anatomy, statement: Statement, source: Source) -> None:
    stub = statement.section(STUB)
    if statement.kind != EXECUTABLE or stub is None:
        return
    data = read(source, 0, stub.size)
    try:
        elf.check(data)
    except Error as e:
        found.error = e
        return
    found.stub_machine = elf.machine(data)
    found.stub_note = elf.note(data)


# (offset in the structure, size, name, meaning)
_STATEMENT_FIELDS = (
    (0x00, 32, "domain", "what these bytes are: a signature of them can be of nothing else"),
    (0x20, 2, "version", "version of the statement"),
    (0x22, 2, "section_count", "used section slots"),
    (0x24, 2, "kind", "1 executable, 2 detached (bundle.sig)"),
    (0x26, 2, "signer_count", "how many signatures belong to this statement; stops stripping and adding"),
    (0x28, 8, "signed_at", "unix seconds, the signer's claim"),
    (0x30, 8, "expires_at", "unix seconds, 0 is never"),
    (0x38, 8, "security_version", "rollback index: a key store can ask for a minimum"),
    (0x40, 64, "subject", "what this is a release of; the manifest's name"),
)
_SLOT_FIELDS = (
    (0, 4, "type", "1 STUB, 2 WASM, 3 MANIFEST, 4 AOT; 0 unused"),
    (4, 4, "reserved", "zero"),
    (8, 8, "offset", "where the section begins"),
    (16, 8, "size", "its bytes"),
    (24, 8, "reserved", "zero"),
    (32, 32, "blake3", "BLAKE3-256 of its bytes; b3sum agrees"),
)
_RECORD_FIELDS = (
    (0, 4, "alg", "1 is PureEd25519"),
    (4, 12, "reserved", "zero"),
    (16, 32, "key_id", "BLAKE3 of the key id domain and the public key"),
    (48, 64, "signature", "over the 384 bytes of the statement"),
)
_FOOTER_FIELDS = (
    (0, 4, "sig_count", "signature records; 0 is unsigned"),
    (4, 4, "statement_size", "384"),
    (8, 8, "statement_off", "where the statement begins"),
    (16, 16, "MAGIC", "RCMPLR-TRAILER-1, the last bytes of the file"),
)
_TEXT = ("domain", "subject", "MAGIC")


def fields(found: Anatomy) -> list[Field]:
    """Every field of the trailer in the order of the file."""
    rows: list[Field] = []
    if found.footer is None or found.statement is None:
        return rows
    at = found.footer.statement_off
    raw = found.statement.raw
    rows += _fields(_STATEMENT_FIELDS, raw, at, "statement.")
    for i in range(4):
        start = trailer.SLOTS_OFFSET + trailer.SLOT_SIZE * i
        rows += _fields(_SLOT_FIELDS, raw[start : start + trailer.SLOT_SIZE], at + start, f"section[{i}].")
    at += STATEMENT_SIZE
    for i, record in enumerate(found.records):
        rows += _fields(_RECORD_FIELDS, record.encode(), at + RECORD_SIZE * i, f"record[{i}].")
    rows += _fields(_FOOTER_FIELDS, found.footer.raw, at + RECORD_SIZE * len(found.records), "footer.")
    return rows


def _fields(table: tuple[tuple[int, int, str, str], ...], raw: bytes, at: int, prefix: str) -> list[Field]:
    rows = []
    for offset, size, name, meaning in table:
        part = raw[offset : offset + size]
        if name in _TEXT:
            value = part.rstrip(b"\0").decode("ascii", "backslashreplace")
        elif size <= 8:
            value = str(int.from_bytes(part, "little"))
        else:
            value = part.hex()
        rows.append(Field(at + offset, size, prefix + name, value, meaning))
    return rows
