"""In: the fields of docs/format.md, any of them wrong on purpose. Out: the bytes of a file, a key store, a module.

Written from the page with struct.pack alone; the project's own writer is not used, so that the two can disagree.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import nacl.signing
from blake3 import blake3

MAGIC = b"RCMPLR-TRAILER-1"
DOMAIN = b"recompiler/trailer/v1"
KEYID_DOMAIN = b"recompiler/keyid/ed25519/v1"
STUB, WASM, MANIFEST, AOT = 1, 2, 3, 4
STATEMENT_SIZE, RECORD_SIZE, FOOTER_SIZE = 384, 112, 32

NOW = 1_800_000_000
SIGNED_AT = 1_799_000_000
SUBJECT = "demo/hello"

MASK16, MASK32, MASK64 = (1 << 16) - 1, (1 << 32) - 1, (1 << 64) - 1


def align16(value: int) -> int:
    return (value + 15) & ~15


# ---- keys


@dataclass(frozen=True)
class Key:
    seed: bytes

    @property
    def public(self) -> bytes:
        return bytes(nacl.signing.SigningKey(self.seed).verify_key)

    @property
    def id(self) -> bytes:
        return key_id(self.public)

    def sign(self, message: bytes) -> bytes:
        return nacl.signing.SigningKey(self.seed).sign(message).signature


def key_id(public: bytes) -> bytes:
    return blake3(KEYID_DOMAIN.ljust(32, b"\0") + public).digest()


@cache
def key(number: int) -> Key:
    """The test key of this number: the same in every run."""
    return Key(blake3(b"recompiler test key %d" % number).digest())


def key_row(owner: Key | bytes, number: int = 0, **fields: Any) -> dict[str, Any]:
    """One row of pubkeys.json; a field given as None is left out."""
    public = owner if isinstance(owner, bytes) else owner.public
    row = {
        "id": key_id(public).hex(),
        "alg": "ed25519",
        "pub": public.hex(),
        "label": f"test-{number}",
        "role": "release",
        "status": "active",
        "not_before": 1_790_000_000,
        "not_after": 1_853_000_000,
        "subjects": ["demo/*"],
    }
    return {name: value for name, value in (row | fields).items() if value is not None}


def store_document(rows: Iterable[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    document = {
        "schema": "recompiler/pubkeys/v1",
        "version": 7,
        "threshold": 1,
        "roles": ["release"],
        "keys": list(rows) if rows is not None else [key_row(key(0))],
        "minimum": [{"subject": SUBJECT, "security_version": 1}],
    }
    return {name: value for name, value in (document | fields).items() if value is not None}


def store(rows: Iterable[dict[str, Any]] | None = None, **fields: Any) -> bytes:
    return json.dumps(store_document(rows, **fields)).encode()


# ---- a minimal program


def elf(machine: int = 62, code: bytes = b"\xb8\x3c\0\0\0\x31\xff\x0f\x05", **fields: int) -> bytes:
    """ELF64 of one segment that holds the whole file: exit(0) on x86-64. 129 bytes as it stands."""
    values = {"class_": 2, "data": 1, "type": 2, "phnum": 1, "shnum": 0, "shoff": 0, "phoff": 64} | fields
    size = 64 + 56 + len(code)
    ident = b"\x7fELF" + bytes([values["class_"], values["data"], 1, 0]) + bytes(8)
    header = ident + struct.pack(
        "<HHIQQQIHHHHHH",
        *(values["type"], machine, 1, 0x400078, values["phoff"], values["shoff"]),
        *(0, 64, 56, values["phnum"], 64, values["shnum"], 0),
    )
    filesz = values.get("filesz", size)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, filesz, filesz, 0x1000) + code


def leb(value: int, length: int = 0) -> bytes:
    """Unsigned LEB128, stretched to `length` bytes when that is more than needed."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        if value or len(out) + 1 < length:
            out.append(low | 0x80)
        else:
            return bytes(out) + bytes([low])


def vector(items: Iterable[bytes]) -> bytes:
    listed = list(items)
    return leb(len(listed)) + b"".join(listed)


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return leb(len(raw)) + raw


def wasm_section(number: int, payload: bytes) -> bytes:
    return bytes([number]) + leb(len(payload)) + payload


def wasm_import(module: str, name: str, kind: int = 0, description: bytes = b"\x01") -> bytes:
    return text(module) + text(name) + bytes([kind]) + description


WASM_HEADER = b"\0asm\x01\0\0\0"
WASM_SECTIONS: dict[int, bytes] = {
    1: vector([b"\x60\0\0", b"\x60\x01\x7f\0"]),  # () -> (), (i32) -> ()
    2: vector([wasm_import("wasi_snapshot_preview1", "proc_exit")]),
    3: vector([b"\0"]),
    5: vector([b"\0\x01"]),
    7: vector([text("_start") + b"\0\x01", text("memory") + b"\x02\0"]),
    10: vector([text(b"\0\x41\0\x10\0\x0b")]),  # call proc_exit(0)
}


def wasm(order: Iterable[int] | None = None, header: bytes = WASM_HEADER, **sections: bytes | None) -> bytes:
    """A module of WASM_SECTIONS; `s7=...` replaces section 7, None leaves it out."""
    chosen: dict[int, bytes | None] = {**WASM_SECTIONS, **{int(name[1:]): body for name, body in sections.items()}}
    numbers = (
        order
        if order is not None
        else sorted(chosen, key=lambda n: (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11, 0).index(n))
    )
    return header + b"".join(wasm_section(n, body) for n in numbers if (body := chosen[n]) is not None)


def aot_rows(data: bytes) -> list[dict[str, Any]]:
    """The manifest's `aot` for this section."""
    row = {"blake3": blake3(data).hexdigest(), "size": len(data)}
    return [{"target": "x86_64-linux", "engine": "test", "settings": ""} | row]


def manifest_document(module: bytes, **fields: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "schema": "recompiler/manifest/v1",
        "name": SUBJECT,
        "megabinary": {"blake3": blake3(module).hexdigest(), "size": len(module)},
        "entries": {
            blake3(b"hello").hexdigest(): {"entry": 0, "export": "_start", "kind": "wasi", "paths": ["/usr/bin/hello"]}
        },
        "policy": {
            "syscalls": {"default": "deny", "allow": ["exit_group", "write"]},
            "network": {"connect": [], "bind": []},
            "mounts": [],
            "limits": {"memory_bytes": 1 << 20, "processes": 1, "open_files": 16},
        },
    }
    return {name: value for name, value in (document | fields).items() if value is not None}


def dump(document: Any) -> bytes:
    """The writers' form: ASCII, sorted keys, no spaces, one newline."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"


# ---- the trailer


@dataclass
class Slot:
    type: int = 0
    reserved: int = 0
    offset: int = 0
    size: int = 0
    reserved2: int = 0
    digest: bytes = bytes(32)

    def pack(self) -> bytes:
        head = struct.pack("<IIQQQ", self.type & MASK32, self.reserved & MASK32, *(self._u64()))
        return head + self.digest

    def _u64(self) -> tuple[int, int, int]:
        return self.offset & MASK64, self.size & MASK64, self.reserved2 & MASK64


@dataclass
class Statement:
    slots: list[Slot]
    domain: bytes = DOMAIN.ljust(32, b"\0")
    version: int = 1
    section_count: int = 3
    kind: int = 1
    signer_count: int = 1
    signed_at: int = SIGNED_AT
    expires_at: int = 0
    security_version: int = 1
    subject: bytes = SUBJECT.encode().ljust(64, b"\0")

    def pack(self) -> bytes:
        counts = (self.version, self.section_count, self.kind, self.signer_count)
        times = (self.signed_at, self.expires_at, self.security_version)
        return (
            self.domain
            + struct.pack("<4H3Q", *(n & MASK16 for n in counts), *(n & MASK64 for n in times))
            + self.subject
            + b"".join(slot.pack() for slot in self.slots)
        )


@dataclass
class Record:
    key_id: bytes
    signature: bytes
    alg: int = 1
    reserved: bytes = bytes(12)

    def pack(self) -> bytes:
        return struct.pack("<I", self.alg & MASK32) + self.reserved + self.key_id + self.signature


@dataclass
class File:
    """A file in parts. Footer fields that are None are computed; `pack` signs nothing, `sign` does."""

    body: bytes
    statement: Statement
    records: list[Record] = field(default_factory=list)
    sig_count: int | None = None
    statement_size: int = STATEMENT_SIZE
    statement_off: int | None = None
    magic: bytes = MAGIC

    def sign(self, *keys: Key) -> File:
        """Replaces the records by signatures of these keys, in the order of their ids."""
        message = self.statement.pack()
        self.records = [Record(k.id, k.sign(message)) for k in sorted(keys or (key(0),), key=lambda k: k.id)]
        return self

    def pack(self) -> bytes:
        count = len(self.records) if self.sig_count is None else self.sig_count
        offset = len(self.body) if self.statement_off is None else self.statement_off
        footer = struct.pack("<IIQ", count & MASK32, self.statement_size & MASK32, offset & MASK64) + self.magic
        return self.body + self.statement.pack() + b"".join(r.pack() for r in self.records) + footer

    def signed(self, *keys: Key) -> bytes:
        return self.sign(*keys).pack()


def lay_out(contents: list[tuple[int, bytes]], kind: int = 1, **fields: Any) -> File:
    """The unsigned File of these (type, bytes) sections; `fields` override the statement's."""
    body, slots = b"", []
    for type_, data in contents:
        offset = len(body) if kind == 1 else 0
        slots.append(Slot(type_, offset=offset, size=len(data), digest=blake3(data).digest()))
        if kind == 1:
            body = (body + data).ljust(align16(len(body) + len(data)), b"\0")
    slots += [Slot() for _ in range(4 - len(slots))]
    return File(body, Statement(slots, **{"kind": kind, "section_count": len(contents)} | fields))


def executable(
    stub: bytes | None = None,
    module: bytes | None = None,
    manifest: bytes | None = None,
    aot: bytes | None = None,
    **fields: Any,
) -> File:
    """A kind 1 file, right in every field that is not given."""
    stub = elf() if stub is None else stub
    module = wasm() if module is None else module
    manifest = (
        dump(manifest_document(module, aot=None if aot is None else aot_rows(aot))) if manifest is None else manifest
    )
    contents = [(STUB, stub), (WASM, module), (MANIFEST, manifest)]
    return lay_out(contents + ([(AOT, aot)] if aot is not None else []), **fields)


def detached(
    module: bytes | None = None, manifest: bytes | None = None, aot: bytes | None = None, **fields: Any
) -> tuple[File, dict[int, bytes]]:
    """A kind 2 file and the contents of the files it names, by type."""
    module = wasm() if module is None else module
    manifest = (
        dump(manifest_document(module, aot=None if aot is None else aot_rows(aot))) if manifest is None else manifest
    )
    contents = [(WASM, module), (MANIFEST, manifest)] + ([(AOT, aot)] if aot is not None else [])
    return lay_out(contents, kind=2, **fields), dict(contents)


@cache
def small() -> bytes:
    """The small signed file of the exhaustive tests, about 1.3 KiB: one signature of key(0)."""
    return executable().signed(key(0))


@cache
def small_store() -> bytes:
    return store()


def with_slot(file: File, index: int, **fields: Any) -> File:
    """The same file with fields of one section slot replaced; sign it again to reach past stage 5."""
    slots = list(file.statement.slots)
    slots[index] = replace(slots[index], **fields)
    return replace(file, statement=replace(file.statement, slots=slots))


def with_statement(file: File, **fields: Any) -> File:
    return replace(file, statement=replace(file.statement, **fields))
