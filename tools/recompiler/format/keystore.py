"""The key store, pubkeys.json (docs/format.md): a path or bytes in, the keys that may count out.

An unusable store refuses everything; there is no "no keys = allow".
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import Any, Final

from recompiler.errors import Error
from recompiler.format import ed25519, schema, strictjson
from recompiler.format.keyid import key_id
from recompiler.format.source import check_closed
from recompiler.format.trailer import subject_ok

DEFAULT_PATH: Final = "/etc/recompiler/keys/pubkeys.json"
MAX_SIZE: Final = 65536
MAX_DEPTH: Final = 4
ROLES: Final = ("dev", "release", "recovery")
STATUSES: Final = ("active", "retired", "revoked")


def pattern_ok(text: str) -> bool:
    """Says whether text is `*`, a subject, or a subject followed by `/*`."""
    return text == "*" or subject_ok(text.removesuffix("/*"))


_KEY = schema.record(
    {
        "id": schema.HEX64,
        "alg": schema.one_of("ed25519"),
        "pub": schema.HEX64,
        "label": schema.string(r"[A-Za-z0-9._-]{1,64}"),
        "role": schema.one_of(*ROLES),
        "status": schema.one_of(*STATUSES),
        "not_before": schema.integer(),
        "not_after": schema.integer(),
        "subjects": schema.array(schema.string(holds=pattern_ok, what="a subject pattern is needed"), 1, 16),
    }
)


def _key(value: Any, place: str) -> None:
    _KEY(value, place)
    schema.expect(value["not_before"] < value["not_after"], place, "not_before must be less than not_after")


_STORE = schema.record(
    {
        "schema": schema.one_of("recompiler/pubkeys/v1"),
        "version": schema.integer(),
        "threshold": schema.integer(),
        "roles": schema.array(schema.one_of(*ROLES), 1, 3, distinct=str),
        "keys": schema.array(_key, 0, 64),
        "minimum": schema.array(
            schema.record(
                {
                    "subject": schema.string(holds=subject_ok, what="a subject is needed"),
                    "security_version": schema.integer(),
                }
            ),
            0,
            256,
            distinct=lambda row: row["subject"],
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Key:
    """One public key and what it may sign."""

    id: bytes
    public: bytes
    label: str
    role: str
    status: str
    not_before: int
    not_after: int
    subjects: tuple[str, ...]

    def matches(self, subject: str) -> bool:
        """Says whether one of the key's patterns covers the subject."""
        return any(p == "*" or p == subject or (p.endswith("/*") and subject.startswith(p[:-1])) for p in self.subjects)


@dataclass(frozen=True, slots=True)
class KeyStore:
    """A checked pubkeys.json."""

    version: int
    threshold: int
    roles: tuple[str, ...]
    keys: tuple[Key, ...]
    minimum: dict[str, int]
    raw: bytes
    by_id: dict[bytes, Key] = field(repr=False)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, default_store: bool = False) -> KeyStore:
        """Reads and checks the store at path; default_store refuses one that accepts the role dev.

        Raises Error: every E_KEYS_* code, in the order of docs/format.md.
        """
        return cls.parse(_read(os.fspath(path)), default_store=default_store)

    @classmethod
    def parse(cls, data: bytes, *, default_store: bool = False) -> KeyStore:
        """Checks the bytes of a store. Raises Error: E_KEYS_TOO_LARGE, E_KEYS_SYNTAX and all after it."""
        if len(data) > MAX_SIZE:
            raise Error("E_KEYS_TOO_LARGE", f"the key store has more than {MAX_SIZE} bytes")
        if not data.isascii() or b"\\" in data or b"\x7f" in data:
            raise Error("E_KEYS_SYNTAX", "the key store holds a backslash, DEL, or a character that is not ASCII")
        document = strictjson.loads(data, max_depth=MAX_DEPTH, code="E_KEYS_SYNTAX")
        schema.check(document, _STORE, "E_KEYS_SCHEMA")
        keys = tuple(_decode_key(row) for row in document["keys"])
        usable = [key for key in keys if key.status != "revoked"]
        if not usable:
            raise Error("E_KEYS_EMPTY", "the key store has no key that is not revoked")
        seen: set[bytes] = set()
        for key in keys:
            if not ed25519.point_ok(key.public):
                raise Error("E_KEYS_POINT", f"key {key.label}: not an Ed25519 point of the prime-order subgroup")
            if key.id != key_id(key.public):
                raise Error("E_KEYS_ID", f"key {key.label}: the id is not that of the public key")
            if key.public in seen:
                raise Error("E_KEYS_DUPLICATE", f"key {key.label}: the same public key stands twice")
            seen.add(key.public)
        if not 1 <= document["threshold"] <= len(usable):
            raise Error("E_KEYS_THRESHOLD", f"threshold {document['threshold']} with {len(usable)} usable keys")
        if default_store and "dev" in document["roles"]:
            raise Error("E_KEYS_ROLE", "the default key store must not accept the role dev")
        return cls(
            document["version"],
            document["threshold"],
            tuple(document["roles"]),
            keys,
            {row["subject"]: row["security_version"] for row in document["minimum"]},
            bytes(data),
            {key.id: key for key in keys},
        )


def _decode_key(row: dict[str, Any]) -> Key:
    return Key(
        bytes.fromhex(row["id"]),
        bytes.fromhex(row["pub"]),
        row["label"],
        row["role"],
        row["status"],
        row["not_before"],
        row["not_after"],
        tuple(row["subjects"]),
    )


def _read(path: str) -> bytes:
    """The store's bytes, by an openat walk that follows no symlink (E_KEYS_OPEN, _UNSAFE, _TOO_LARGE, _CHANGED)."""
    opened: list[int] = []
    try:
        _walk(path, opened)
        *parents, fd = opened
        for number, parent in enumerate(parents):
            check_closed(os.fstat(parent), "E_KEYS_UNSAFE", _start_of(path, number))
        before = os.fstat(fd)
        _check_file(before, path)
        data = bytearray()
        while len(data) <= MAX_SIZE and (part := os.read(fd, MAX_SIZE + 1 - len(data))):
            data += part
        after = os.fstat(fd)
    except ValueError:
        raise Error("E_KEYS_OPEN", "the key store's path holds a NUL character") from None
    except OSError as e:
        raise Error("E_KEYS_OPEN", f"{path}: {e.strerror} (a symlink is not followed)") from None
    finally:
        for descriptor in opened:
            os.close(descriptor)
    if len(data) > MAX_SIZE:
        raise Error("E_KEYS_TOO_LARGE", f"{path} has more than {MAX_SIZE} bytes")
    if _identity(before) != _identity(after):
        raise Error("E_KEYS_CHANGED", f"{path} changed while it was read")
    return bytes(data)


def _walk(path: str, opened: list[int]) -> None:
    """Opens the start, each directory on the way and the file, none through a symlink; appends them to opened."""
    directory = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    names = [name for name in path.split("/") if name not in ("", ".")]
    if not names or path.endswith("/"):
        raise Error("E_KEYS_OPEN", f"{path or 'an empty path'}: not a file's name")
    opened.append(os.open("/" if path.startswith("/") else ".", directory))
    for name in names[:-1]:
        opened.append(os.open(name, directory, dir_fd=opened[-1]))
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    opened.append(os.open(names[-1], flags, dir_fd=opened[-1]))


def _start_of(path: str, count: int) -> str:
    """The directory that the first count names of the path lead to."""
    names = [name for name in path.split("/") if name not in ("", ".")][:count]
    return ("/" if path.startswith("/") else "") + "/".join(names) or "."


def _check_file(status: os.stat_result, path: str) -> None:
    problems = (
        (not stat.S_ISREG(status.st_mode), "not a regular file"),
        (status.st_nlink != 1, "has more than one hard link"),
    )
    for wrong, text in problems:
        if wrong:
            raise Error("E_KEYS_UNSAFE", f"{path}: {text}")
    check_closed(status, "E_KEYS_UNSAFE", path)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def dumps(
    publics: list[tuple[bytes, str]],
    *,
    role: str,
    not_before: int,
    not_after: int,
    subjects: list[str],
    version: int = 1,
    threshold: int = 1,
) -> bytes:
    """The bytes of a store of (public key, label) rows that all have one role. Raises Error: E_KEYS_*."""
    rows = [
        {
            "id": key_id(public).hex(),
            "alg": "ed25519",
            "pub": public.hex(),
            "label": label,
            "role": role,
            "status": "active",
            "not_before": not_before,
            "not_after": not_after,
            "subjects": subjects,
        }
        for public, label in publics
    ]
    document = {
        "schema": "recompiler/pubkeys/v1",
        "version": version,
        "threshold": threshold,
        "roles": [role],
        "keys": rows,
        "minimum": [],
    }
    data = strictjson.dumps(document)
    KeyStore.parse(data)
    return data
