"""The verifier: a file and a key store in, what the file says out, or the first failure of docs/format.md's order.

0 open       a regular file of 32 bytes to 18 GiB, read through one descriptor
1 footer     the last 32 bytes
2 header     domain, version, kind, counts, times, subject
3 sections   they tile the file, the bytes between them are zero
4 records    one Ed25519 record for each signer
5 keys       the key store, the signatures, the trust verdict
6 policy     expiry, clock, rollback, subjects
7 content    the BLAKE3 of each section
8 meaning    the stub is an ELF file, the module a module, the manifest speaks of them

Nothing is allocated from a number in the file before stage 5 has passed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from recompiler.errors import Error
from recompiler.format import ed25519, elf, files, manifest, source, trailer, wasm
from recompiler.format.keystore import Key, KeyStore
from recompiler.format.manifest import Manifest
from recompiler.format.records import Record, check_records, read_records
from recompiler.format.source import BytesSource, FileSource, Source
from recompiler.format.trailer import EXECUTABLE, MANIFEST, STUB, WASM, Section, Statement

CLOCK_SKEW: Final = 300  # seconds by which a signer's clock may be ahead of ours

Bytes = bytes | bytearray
Store = KeyStore | Callable[[], KeyStore] | None

# What a record that does not count is called in a report, by the trust verdict it gives; their order is the verdict's.
_VERDICTS: Final = {
    "E_KEY_REVOKED": ("revoked", "is revoked"),
    "E_KEY_EXPIRED": ("expired", "is expired"),
    "E_KEY_NOT_YET": ("not yet valid", "is not valid yet"),
    "E_KEY_ROLE": ("wrong role", "has a role this key store does not accept"),
    "E_KEY_UNKNOWN": ("unknown", "is not in the key store"),
}


@dataclass(frozen=True, slots=True)
class KeyReport:
    """What one signature record came to: `good`, or why it does not count."""

    id: bytes
    label: str | None
    result: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A file that passed every stage. wasm is set when it was asked for: exactly the bytes that were checked."""

    statement: Statement
    manifest: Manifest
    manifest_bytes: bytes
    wasm: Bytes | None
    file_size: int
    keys: tuple[KeyReport, ...]

    @property
    def signatures_counted(self) -> int:
        """How many distinct keys of the store signed."""
        return sum(report.result == "good" for report in self.keys)


def verify_source(
    file: Source,
    store: Store,
    *,
    now: int | None = None,
    load: bool = False,
    section_files: Mapping[int, Callable[[], Source]] | None = None,
) -> Verified:
    """Verifies a file; section_files opens the sections' files of a kind 2 trailer, by section type.

    now is in unix seconds, None for the clock. A store that is a function is called at stage 5, None gives E_KEYS_OPEN.
    Raises Error: the first failure in the order of docs/format.md.
    """
    now = int(time.time()) if now is None else now

    # 0 open
    if file.size < trailer.MIN_FILE:
        raise Error("E_TOO_SMALL", f"the file has {file.size} bytes, a trailer needs more", 0)
    if file.size > trailer.MAX_FILE:
        raise Error("E_TOO_LARGE", f"the file has {file.size} bytes, the limit is {trailer.MAX_FILE}", 0)

    # 1 footer, 2 header, 3 sections
    footer, statement = trailer.parse(file)

    # 4 records
    records = read_records(file, footer)
    check_records(records, footer)

    # 5 keys
    keys = _open_store(store)
    reports, signers = _check_signatures(records, statement, keys, now)

    # 6 policy
    _check_policy(statement, keys, signers, now)

    # 7 content, 8 meaning
    contents, document = check_content(file, statement, section_files or {}, load=load)

    module = contents[WASM].data if load else None
    return Verified(statement, document, bytes(contents[MANIFEST].data), module, file.size, tuple(reports))


def verify_fd(
    fd: int,
    store: Store,
    *,
    now: int | None = None,
    load: bool = False,
    section_fds: Mapping[int, int] | None = None,
) -> Verified:
    """Verifies the file behind a descriptor, which stays open at its position. Raises Error as verify_source."""
    given = {type_: fd_ for type_, fd_ in (section_fds or {}).items() if fd_ >= 0}
    section_files = {type_: partial(FileSource, fd_) for type_, fd_ in given.items()}
    return verify_source(FileSource(fd), store, now=now, load=load, section_files=section_files)


def verify_path(
    path: str | os.PathLike[str],
    store: Store,
    *,
    now: int | None = None,
    load: bool = False,
    section_fds: Mapping[int, int] | None = None,
) -> Verified:
    """Verifies the file at path. Raises Error as verify_source."""
    fd = files.open_file(path)
    try:
        return verify_fd(fd, store, now=now, load=load, section_fds=section_fds)
    finally:
        os.close(fd)


def verify_bytes(data: bytes, store: Store, *, now: int | None = None, load: bool = False) -> Verified:
    """Verifies a file that is in memory. Raises Error as verify_source."""
    return verify_source(BytesSource(data), store, now=now, load=load)


def require_all(verified: Verified) -> None:
    """Refuses a verified file of which some signature does not count. Raises Error: the trust verdict it gives."""
    for report in verified.keys:
        for code, (result, reason) in _VERDICTS.items():
            if report.result == result:
                raise Error(code, f"key {report.label or report.id.hex()[:16]} {reason}")


def _open_store(store: Store) -> KeyStore:
    if store is None:
        raise Error("E_KEYS_OPEN", "no key store is given")
    return store if isinstance(store, KeyStore) else store()


def _check_signatures(
    records: list[Record], statement: Statement, store: KeyStore, now: int
) -> tuple[list[KeyReport], list[Key]]:
    """A report for each record, and the keys that signed and count (E_SIG_INVALID, then the trust verdict)."""
    reports: list[KeyReport] = []
    signers: list[Key] = []
    refusals: set[str] = set()
    for i, record in enumerate(records):
        key = store.by_id.get(record.key_id)
        refusal = _refusal(key, store, statement, now)
        if refusal is not None:
            refusals.add(refusal)
            reports.append(KeyReport(record.key_id, key.label if key else None, _VERDICTS[refusal][0]))
            continue
        assert key is not None
        if not ed25519.verify(key.public, record.signature, statement.raw):
            raise Error("E_SIG_INVALID", f"the signature of key {key.label} (record {i}) does not fit the statement")
        signers.append(key)
        reports.append(KeyReport(record.key_id, key.label, "good"))
    if len(signers) >= store.threshold:
        return reports, signers
    if signers:
        raise Error("E_THRESHOLD", f"{len(signers)} trusted signatures, the key store asks for {store.threshold}")
    code = next(code for code in _VERDICTS if code in refusals)
    raise Error(code, f"no key that counts has signed: a key {_VERDICTS[code][1]}")


def _refusal(key: Key | None, store: KeyStore, statement: Statement, now: int) -> str | None:
    """Why a key does not count, as the code of the trust verdict; None when it counts."""
    if key is None:
        return "E_KEY_UNKNOWN"
    if key.status == "revoked":
        return "E_KEY_REVOKED"
    moment = statement.signed_at if key.status == "retired" else now
    if moment >= key.not_after:
        return "E_KEY_EXPIRED"
    if moment < key.not_before:
        return "E_KEY_NOT_YET"
    return None if key.role in store.roles else "E_KEY_ROLE"


def _check_policy(statement: Statement, store: KeyStore, signers: list[Key], now: int) -> None:
    if statement.expires_at != 0 and now >= statement.expires_at:
        raise Error("E_EXPIRED", f"the statement expired at {statement.expires_at}, it is {now}")
    if now < trailer.MIN_TIME:
        raise Error("E_CLOCK", f"this machine's clock says {now}, which is before 2020: set it")
    if statement.signed_at > now + CLOCK_SKEW:
        raise Error("E_CLOCK", f"signed at {statement.signed_at}, which is in the future: it is {now}")
    minimum = store.minimum.get(statement.subject, 0)
    if statement.security_version < minimum:
        raise Error("E_ROLLBACK", f"security_version {statement.security_version}, the key store asks for {minimum}")
    if sum(key.matches(statement.subject) for key in signers) < store.threshold:
        raise Error("E_SUBJECT_DENIED", f"the keys that signed may not sign {statement.subject}")


@dataclass(frozen=True, slots=True)
class Content:
    """A section whose digest is right: where its bytes are, and the bytes themselves when they were kept."""

    source: Source
    offset: int
    size: int
    data: Bytes = b""


def check_content(
    file: Source, statement: Statement, section_files: Mapping[int, Callable[[], Source]], *, load: bool = False
) -> tuple[dict[int, Content], Manifest]:
    """Stages 7 and 8: the sections' contents, and the manifest.

    Raises Error: E_DIGEST, E_CHANGED, E_STUB_ELF, E_WASM_*, E_MANIFEST_*, E_AOT_MANIFEST, E_STUB_EXTENT.
    """
    # 7 content
    executable = statement.kind == EXECUTABLE
    keep = {STUB, MANIFEST, WASM} if load else {STUB, MANIFEST}
    contents: dict[int, Content] = {}
    for section in statement.sections:
        place = file if executable else _open_detached(section, section_files)
        contents[section.type] = _read_section(place, section, keep=section.type in keep)
        place.check_unchanged()

    # 8 meaning
    module = contents[WASM]
    if executable:
        elf.check(contents[STUB].data)
    wasm.check_at(module.source, module.offset, module.size, executable=executable)
    document = manifest.parse(bytes(contents[MANIFEST].data), statement)
    if executable:
        elf.check_extent(contents[STUB].data)
    module.source.check_unchanged()
    return contents, document


def _open_detached(section: Section, section_files: Mapping[int, Callable[[], Source]]) -> Source:
    if section.type not in section_files:
        raise Error("E_OPEN", f"the file of section {section.name} is not given")
    file = section_files[section.type]()
    if file.size != section.size:
        raise Error("E_DIGEST", f"the file of section {section.name} has {file.size} bytes, not {section.size}")
    return file


def _read_section(file: Source, section: Section, *, keep: bool) -> Content:
    """The section once its BLAKE3 is right; kept bytes are exactly those that were hashed (E_DIGEST)."""
    data: Bytes = b""
    if keep:
        data, found = source.load(file, section.offset, section.size)
    else:
        found = source.digest(file, section.offset, section.size)
    if found != section.blake3:
        file.check_unchanged()
        raise Error("E_DIGEST", f"section {section.name} does not hold the bytes that were signed", section.offset)
    if keep:
        return Content(BytesSource(data), 0, section.size, data)
    return Content(file, section.offset, section.size)
