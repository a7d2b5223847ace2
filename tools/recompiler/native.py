"""The C library as Python sees it: Python values in, the C functions' verdicts out. It has no ideas of its own.

recompiler._native is made by csrc/build.py; its cdef is the text of the headers in its list BINDING. A refusal of
the C code is raised as recompiler.errors.Error with the C code's own name, offset and message.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from recompiler.errors import Error

try:
    from recompiler._native import ffi, lib
except ImportError as e:  # a checkout in which nothing was built yet
    raise ImportError("the C library is not built: run `make build` (python csrc/build.py native)") from e

Buffer = bytes | bytearray | memoryview
Path = str | os.PathLike[str]

DETACHED_SECTIONS = (2, 3, 4)  # WASM, MANIFEST, AOT


def codes() -> dict[str, int]:
    """The C table of error codes: name -> exit code of the command line."""
    names = range(1, lib.rc_code_count())
    return {_text(lib.rc_code_name(code)): lib.rc_code_exit(code) for code in names}


def _text(c_string: Any) -> str:
    return str(ffi.string(c_string).decode("ascii", "replace"))


def _error(err: Any) -> Error:
    return Error(_text(lib.rc_code_name(err.code)), _text(err.message), int(err.offset))


# ---- the key store and the verifier


class KeyStore:
    """A pubkeys.json that passed every check of the C reader."""

    def __init__(self, pointer: Any) -> None:
        self.pointer = ffi.gc(pointer, lib.rc_keystore_free)

    @classmethod
    def open(cls, path: Path, *, default_store: bool = False) -> KeyStore:
        """The store in the file at path. Raises Error: E_KEYS_*."""
        err = ffi.new("struct rc_error *")
        name = os.fsencode(path)
        if b"\0" in name:
            raise Error("E_KEYS_OPEN", "a NUL in the key store's path")
        pointer = lib.rc_keystore_open(name, default_store, err)
        if not pointer:
            raise _error(err)
        return cls(pointer)

    @classmethod
    def parse(cls, text: Buffer, *, default_store: bool = False) -> KeyStore:
        """The store in these bytes. Raises Error: E_KEYS_TOO_LARGE and all that follow it."""
        err = ffi.new("struct rc_error *")
        pointer = lib.rc_keystore_parse(ffi.from_buffer(text), len(text), default_store, err)
        if not pointer:
            raise _error(err)
        return cls(pointer)


Store = KeyStore | Callable[[], KeyStore] | None


@dataclass(frozen=True, slots=True)
class Verified:
    """What the C reader verified. statement: its 384 bytes, which say all the rest; wasm, manifest: when loaded."""

    statement: bytes
    subject: str
    file_size: int
    signatures_counted: int
    wasm: bytes | None
    manifest: bytes | None


def _verified(out: Any) -> Verified:
    wasm = bytes(ffi.buffer(out.wasm, out.wasm_size)) if out.wasm else None
    manifest = bytes(ffi.buffer(out.manifest, out.manifest_size)) if out.manifest else None
    statement = bytes(ffi.buffer(out.statement.raw))
    return Verified(statement, _text(out.statement.subject), out.file_size, out.signatures_counted, wasm, manifest)


def _store(store: Store) -> tuple[Any, Error | None]:
    """A store that cannot be opened becomes NULL, and its error is kept for stage 5, where it is the verdict."""
    if store is None:
        return ffi.NULL, None
    try:
        return (store if isinstance(store, KeyStore) else store()).pointer, None
    except Error as e:
        return ffi.NULL, e


def verify_fd(
    fd: int,
    store: Store,
    *,
    now: int,
    load: bool = False,
    section_fds: Mapping[int, int] | None = None,
) -> Verified:
    """Verifies the file behind a descriptor; now in unix seconds; section_fds: the files of a kind 2 trailer by type.

    A store that is a function is called here, its Error becomes the verdict of stage 5; None gives E_KEYS_OPEN.

    Raises Error: the first failure in the order of docs/format.md.
    """
    pointer, store_error = _store(store)
    fds = [-1] * 5
    for type_ in DETACHED_SECTIONS:
        fds[type_] = (section_fds or {}).get(type_, -1)
    out, err = ffi.new("struct rc_verified *"), ffi.new("struct rc_error *")
    if lib.rc_verify_fd(fd, pointer, now, load, ffi.new("int[5]", fds), out, err):
        raise _verdict(err, store_error)
    try:
        return _verified(out)
    finally:
        lib.rc_verified_free(out)


def verify_bytes(data: Buffer, store: Store, *, now: int, load: bool = False) -> Verified:
    """Verifies a file that is in memory. Raises Error as verify_fd."""
    pointer, store_error = _store(store)
    out, err = ffi.new("struct rc_verified *"), ffi.new("struct rc_error *")
    if lib.rc_verify_bytes(ffi.from_buffer(data), len(data), pointer, now, load, out, err):
        raise _verdict(err, store_error)
    try:
        return _verified(out)
    finally:
        lib.rc_verified_free(out)


def _verdict(err: Any, store_error: Error | None) -> Error:
    error = _error(err)
    return store_error if store_error is not None and error.code == "E_KEYS_OPEN" else error


# ---- single checks


def _check(function: Any, data: Buffer, *more: Any) -> None:
    err = ffi.new("struct rc_error *")
    if function(ffi.from_buffer(data), len(data), *more, err):
        raise _error(err)


def json_check(text: Buffer, max_depth: int) -> None:
    """Whether text is strict JSON. Raises Error: E_RPC_JSON."""
    _check(lib.rc_json_check, text, max_depth)


def manifest_check(text: Buffer) -> None:
    """Whether text is a manifest by itself, without a statement. Raises Error: E_MANIFEST_{SYNTAX,SCHEMA,PATH}."""
    _check(lib.rc_manifest_check, text, ffi.NULL)


def wasm_check(module: Buffer) -> None:
    """The structure of a kind 1 module. Raises Error: E_WASM_{HEADER,SECTION,IMPORT,EXPORT}."""
    _check(lib.rc_wasm_check, module)


def wasm_check_engine(module: Buffer) -> None:
    """Whether the stub's engine takes the module's function bodies. Raises Error: E_ENGINE_*."""
    _check(lib.rc_wasm_check_engine, module)


def ed25519_point_ok(public_key: bytes) -> bool:
    """Whether these 32 bytes are a canonical point of the prime-order subgroup other than the identity."""
    return len(public_key) == 32 and lib.rc_ed25519_point_ok(public_key) == 0


def ed25519_verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """PureEd25519 with the acceptance gate of docs/format.md."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    return bool(lib.rc_ed25519_verify(public_key, signature, message, len(message)) == 0)


def blake3(data: Buffer) -> bytes:
    """BLAKE3-256."""
    digest = ffi.new("uint8_t[32]")
    lib.rc_blake3(ffi.from_buffer(data), len(data), digest)
    return bytes(ffi.buffer(digest))


# ---- raw Linux


def syscall(number: int, *arguments: int | Buffer) -> int:
    """One Linux syscall, up to six arguments; a buffer goes by address. The kernel's value, or -errno."""
    values = [a if isinstance(a, int) else int(ffi.cast("int64_t", ffi.from_buffer(a))) for a in arguments]
    return int(lib.rc_syscall(number, *values, *[0] * (6 - len(values))))


def connect(directory: Path, cid: str, timeout: float) -> int:
    """A socket, which the caller owns, to the vkernel at directory/cid.sock; timeout in seconds.

    Its path and its peer are root's or this user's: nothing has been sent yet. Raises Error: E_SOCK_*.
    """
    err = ffi.new("struct rc_error *")
    folder, name = os.fsencode(directory), os.fsencode(cid)
    if b"\0" in folder + name:
        raise Error("E_SOCK_PATH", "a NUL in the socket's path")
    fd = int(lib.rc_sock_connect(folder, name, int(timeout * 1000), err))
    if fd < 0:
        raise _error(err)
    return fd
