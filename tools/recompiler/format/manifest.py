"""The manifest (docs/format.md): signed bytes in, the entries and the policy out; and the bytes of a new one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from blake3 import blake3

from recompiler.errors import Error
from recompiler.format import netrule, schema, strictjson
from recompiler.format.trailer import AOT, MANIFEST, SECTION_LIMITS, WASM, Statement, subject_ok

MAX_DEPTH: Final = 16
SCHEMA: Final = "recompiler/manifest/v1"
KINDS: Final = ("elf", "library", "wasi", "script", "polyfill")

# What a WASI program without sockets reaches through csrc/wasi/wasi.c.
WASI_SYSCALLS: Final = (
    *("clock_getres", "clock_gettime", "clock_nanosleep", "close", "dup", "exit", "exit_group", "fallocate", "fcntl"),
    *("fdatasync", "fstat", "fsync", "ftruncate", "getdents64", "getpid", "getrandom", "linkat", "lseek", "mkdirat"),
    *("newfstatat", "openat", "poll", "pread64", "pwrite64", "read", "readlinkat", "renameat2", "sched_yield"),
    *("symlinkat", "unlinkat", "utimensat", "write"),
)
_SOCKET_SYSCALLS: Final = ("getsockopt", "recvfrom", "sendto", "setsockopt", "shutdown", "socket")

# C0, DEL and C1 controls, and the bidirectional ones: a path must look like what it is.
_UNSAFE_IN_PATH = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_ANY_STRING = schema.string()
_SHA256 = schema.string(r"sha256:[0-9a-f]{64}", what="sha256: and 64 lower-case hex digits are needed")
_BLOB = {"blake3": schema.HEX64, "size": schema.integer()}
_RULES = schema.array(schema.string(holds=lambda t: netrule.parse(t) is not None, what="ADDRESS:PORT is needed"))
_ENTRY = {
    "entry": schema.integer(0, 2**31 - 1),
    "export": schema.string(holds=lambda t: 1 <= len(t.encode()) <= 255, what="1 to 255 bytes are needed"),
    "kind": schema.one_of(*KINDS),
    "paths": schema.array(_ANY_STRING, 1),
}
_ENTRY_OF_KIND = {
    "script": schema.record(
        {**_ENTRY, "interpreter": schema.HEX64}, {"original": schema.HEX64, "argument": _ANY_STRING}
    ),
    "polyfill": schema.record(
        {**_ENTRY, "replaces": schema.HEX64, "provider": _ANY_STRING}, {"original": schema.HEX64}
    ),
}
_PLAIN_ENTRY = schema.record(_ENTRY, {"original": schema.HEX64})


def _entry(value: Any, place: str) -> None:
    kind = value.get("kind") if isinstance(value, dict) else None
    rule = _ENTRY_OF_KIND.get(kind, _PLAIN_ENTRY) if isinstance(kind, str) else _PLAIN_ENTRY
    rule(value, place)


_MANIFEST = schema.record(
    {
        "schema": schema.one_of(SCHEMA),
        "name": schema.string(holds=subject_ok, what="a subject is needed"),
        "megabinary": schema.record(_BLOB),
        "entries": schema.table(r"[0-9a-f]{64}", _entry),
        "policy": schema.record(
            {
                "syscalls": schema.record(
                    {
                        "default": schema.one_of("deny"),
                        "allow": schema.array(schema.string(r"[a-z0-9_]{1,32}"), distinct=str),
                    }
                ),
                "network": schema.record({"connect": _RULES}, {"bind": _RULES}),
                "mounts": schema.array(_ANY_STRING, 0, 0),
                "limits": schema.record(
                    {
                        "memory_bytes": schema.integer(1),
                        "processes": schema.integer(1),
                        "open_files": schema.integer(1),
                    }
                ),
            }
        ),
    },
    {
        "source": schema.record({"config": _SHA256, "diff_ids": schema.array(_SHA256), "reference": _ANY_STRING}),
        "aot": schema.array(
            schema.record({"target": _ANY_STRING, "engine": _ANY_STRING, "settings": _ANY_STRING, **_BLOB})
        ),
        "omitted": schema.array(schema.record({"path": _ANY_STRING, "blake3": schema.HEX64, "reason": _ANY_STRING})),
        "coverage": schema.record(
            {
                "functions": schema.integer(),
                "lifted": schema.integer(),
                "stubs": schema.array(
                    schema.record(
                        {
                            "file": schema.HEX64,
                            "address": schema.string(r"0x[0-9a-f]{1,16}"),
                            "reason": _ANY_STRING,
                        }
                    )
                ),
            }
        ),
    },
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One program of the megabinary, found by the hash of its file."""

    entry: int
    export: str
    kind: str
    paths: tuple[str, ...]
    original: str | None = None
    interpreter: str | None = None
    argument: str | None = None
    replaces: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What the guest may do; everything else is denied. Network rules are text that netrule.py reads."""

    allow: frozenset[str]
    connect: tuple[str, ...]
    bind: tuple[str, ...]
    memory_bytes: int
    processes: int
    open_files: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A checked manifest; entries by the 64 hex digits of the file's BLAKE3, document is the parsed JSON."""

    name: str
    entries: dict[str, Entry]
    policy: Policy
    document: dict[str, Any]


def path_ok(path: str) -> bool:
    """Says whether path follows the path rules: absolute, canonical, at most 4096 bytes, no control characters."""
    if not path.startswith("/") or len(path.encode()) > 4096 or _UNSAFE_IN_PATH.search(path):
        return False
    return all(part not in ("", ".", "..") for part in path[1:].split("/"))


def parse(data: bytes, statement: Statement | None = None) -> Manifest:
    """Checks manifest bytes, against the statement that names them when one is given.

    Raises Error: E_MANIFEST_SYNTAX, _SCHEMA, _PATH, _NAME, _WASM, then E_AOT_MANIFEST.
    """
    document = strictjson.loads(data, max_depth=MAX_DEPTH, code="E_MANIFEST_SYNTAX")
    schema.check(document, _MANIFEST, "E_MANIFEST_SCHEMA")
    entries = {key: Entry(**{**row, "paths": tuple(row["paths"])}) for key, row in document["entries"].items()}
    paths = [path for entry in entries.values() for path in entry.paths]
    for path in paths + [row["path"] for row in document.get("omitted", [])]:
        if not path_ok(path):
            raise Error("E_MANIFEST_PATH", f"the path {schema.printable(path)} breaks the path rules")
    if statement is not None:
        _check_statement(document, statement)
    policy = document["policy"]
    return Manifest(
        document["name"],
        entries,
        Policy(
            allow=frozenset(policy["syscalls"]["allow"]),
            connect=tuple(policy["network"]["connect"]),
            bind=tuple(policy["network"].get("bind", ())),
            **policy["limits"],
        ),
        document,
    )


def _check_statement(document: dict[str, Any], statement: Statement) -> None:
    if document["name"] != statement.subject:
        raise Error("E_MANIFEST_NAME", f"the manifest is of {document['name']}, the statement of {statement.subject}")
    wasm, aot = statement.section(WASM), statement.section(AOT)
    blob = document["megabinary"]
    if wasm is None or (blob["blake3"], blob["size"]) != (wasm.blake3.hex(), wasm.size):
        raise Error("E_MANIFEST_WASM", "megabinary is not the digest and size of the WASM section")
    rows = {(row["blake3"], row["size"]) for row in document.get("aot", [])}
    if aot is not None and (aot.blake3.hex(), aot.size) not in rows:
        raise Error("E_AOT_MANIFEST", "no row of aot has the digest and size of the AOT section")


def build(
    wasm: bytes,
    *,
    name: str,
    entries: Mapping[str, Mapping[str, Any]] | None = None,
    aot: Sequence[Mapping[str, Any]] = (),
    omitted: Sequence[Mapping[str, Any]] = (),
    source: Mapping[str, Any] | None = None,
    allow: Sequence[str] | None = None,
    connect: Sequence[str] = (),
    bind: Sequence[str] = (),
    memory_bytes: int = 512 << 20,
    processes: int = 64,
    open_files: int = 256,
) -> bytes:
    """The canonical manifest of a megabinary, or with entries None of one WASI program.

    aot, omitted and source are left out when they are empty.
    allow None is WASI_SYSCALLS and the socket syscalls that the network rules need; a list is taken as it is.

    Raises Error: E_MANIFEST_SCHEMA, E_MANIFEST_PATH, E_TOO_LARGE.
    """
    digest = blake3(wasm).hexdigest()
    syscalls = set(WASI_SYSCALLS if allow is None else allow)
    if allow is None and connect:
        syscalls.update(_SOCKET_SYSCALLS, ("connect",))
    if allow is None and bind:
        syscalls.update(_SOCKET_SYSCALLS, ("accept4", "bind", "listen"))
    path = "/" + name.rstrip("/").rsplit("/", 1)[-1]
    program = {"entry": 0, "export": "_start", "kind": "wasi", "paths": [path]}
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "name": name,
        "megabinary": {"blake3": digest, "size": len(wasm)},
        "entries": {digest: program} if entries is None else entries,
        "policy": {
            "syscalls": {"default": "deny", "allow": sorted(syscalls)},
            "network": {"connect": list(connect), "bind": list(bind)},
            "mounts": [],
            "limits": {"memory_bytes": memory_bytes, "processes": processes, "open_files": open_files},
        },
    }
    optional = {"aot": aot, "omitted": omitted, "source": source}
    return _dump(document | {key: value for key, value in optional.items() if value})


def check_module(manifest: Manifest, wasm: bytes) -> None:
    """Whether this is the module that a manifest speaks of. Raises Error E_MANIFEST_WASM."""
    blob = manifest.document["megabinary"]
    if (blob["blake3"], blob["size"]) != (blake3(wasm).hexdigest(), len(wasm)):
        raise Error("E_MANIFEST_WASM", "megabinary is not the digest and size of this module")


def with_artifact(data: bytes, row: Mapping[str, Any]) -> bytes:
    """The manifest with this row of `aot` in place of the one of its target. Raises Error as parse."""
    document = parse(data).document
    others = [each for each in document.get("aot", []) if each["target"] != row["target"]]
    return _dump(document | {"aot": sorted([*others, dict(row)], key=lambda each: str(each["target"]))})


def _dump(document: Mapping[str, Any]) -> bytes:
    data = strictjson.dumps(document)
    if len(data) > SECTION_LIMITS[MANIFEST]:
        raise Error("E_TOO_LARGE", f"a manifest of {len(data)} bytes, the limit is {SECTION_LIMITS[MANIFEST]}")
    parse(data)
    return data
