"""Signature records (docs/format.md): n x 112 bytes in, the records out; and the bytes of new ones.

A record names its key by id and signs the statement's 384 bytes; the file never carries public keys.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from recompiler.errors import Error
from recompiler.format import ed25519
from recompiler.format.keyid import key_id
from recompiler.format.source import Source, read
from recompiler.format.trailer import RECORD_SIZE, STATEMENT_SIZE, Footer

ED25519: Final = 1
_RECORD = struct.Struct("<I12s32s64s")


@dataclass(frozen=True, slots=True)
class Record:
    """One 112-byte signature record."""

    key_id: bytes
    signature: bytes
    alg: int = ED25519
    reserved: bytes = bytes(12)

    def encode(self) -> bytes:
        """The 112 bytes."""
        return _RECORD.pack(self.alg, self.reserved, self.key_id, self.signature)


def read_records(source: Source, footer: Footer) -> list[Record]:
    """The records of the file, unchecked. Raises Error: the source's."""
    raw = read(source, footer.statement_off + STATEMENT_SIZE, RECORD_SIZE * footer.sig_count)
    return [Record(id_, signature, alg, zero) for alg, zero, id_, signature in _RECORD.iter_unpack(raw)]


def check_records(records: list[Record], footer: Footer) -> None:
    """Stage 4. Raises Error: E_UNSIGNED, then record by record E_SIG_ALG, E_RESERVED, E_SIG_ORDER."""
    if not records:
        raise Error("E_UNSIGNED", "the file has a trailer but no signature", footer.statement_off)
    previous = b""
    for i, record in enumerate(records):
        at = footer.statement_off + STATEMENT_SIZE + RECORD_SIZE * i
        if record.alg != ED25519:
            raise Error("E_SIG_ALG", f"record {i} has algorithm {record.alg}, not 1 (Ed25519)", at)
        if record.reserved.strip(b"\0"):
            raise Error("E_RESERVED", f"reserved bytes of record {i} are not zero", at + 4)
        if record.key_id <= previous:
            raise Error("E_SIG_ORDER", f"record {i} is not in the order of key ids, or repeats one", at + 16)
        previous = record.key_id


def sign(seed: bytes, statement: bytes) -> Record:
    """The record by which the private seed signs a statement."""
    return Record(key_id(ed25519.public_of(seed)), ed25519.sign(seed, statement))


def build(records: Iterable[Record]) -> bytes:
    """The bytes of the records in the order of their key ids."""
    return b"".join(r.encode() for r in sorted(records, key=lambda r: r.key_id))
