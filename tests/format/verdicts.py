"""In: bytes of a file, a key store, a signature. Out: the one verdict of the C reader and the Python reader.

A difference between the two is an AssertionError that names both; `OK` stands for accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from recompiler import native
from recompiler.errors import Error
from recompiler.format import ed25519, verify
from recompiler.format.keystore import KeyStore
from tests.format.builder import NOW

OK = "OK"


def outcome(check: Callable[[], Any]) -> str:
    """OK, or the code of the recompiler.Error that check raises; any other exception is a bug and passes through."""
    try:
        check()
    except Error as error:
        return error.code
    return OK


def agreed(python: str, c: str, name: str = "") -> str:
    """The common verdict. The stub's extent is Python's to check (docs/format.md, stage 8): C has accepted before."""
    if python == "E_STUB_EXTENT" and c == OK:
        return python
    assert c == python, f"{name}: C says {c}, Python says {python}"
    return python


@lru_cache(maxsize=64)
def _python_store(data: bytes, default_store: bool) -> KeyStore | str:
    try:
        return KeyStore.parse(data, default_store=default_store)
    except Error as error:
        return error.code


@lru_cache(maxsize=64)
def _c_store(data: bytes, default_store: bool) -> Any:
    try:
        return native.KeyStore.parse(data, default_store=default_store)
    except Error as error:
        return error.code


def _lazily(store: Any) -> Callable[[], Any]:
    """A store that is opened at stage 5: there a store that could not be read gives its code."""

    def opened() -> Any:
        if isinstance(store, str):
            raise Error(store, "the key store is unusable")
        return store

    return opened


def store_verdict(pubkeys: bytes, default_store: bool = False) -> str:
    """The verdict on a key store alone."""
    codes = [s if isinstance(s := read(pubkeys, default_store), str) else OK for read in (_python_store, _c_store)]
    return agreed(codes[0], codes[1], f"key store {pubkeys[:200]!r}")


def verdict(file: bytes, pubkeys: bytes | None, now: int = NOW, name: str = "") -> str:
    """The verdict on a file's bytes under a key store's bytes (None: no store) at this time."""
    if pubkeys is None:
        python_store, c_store = None, None
    else:
        python_store, c_store = _lazily(_python_store(pubkeys, False)), _lazily(_c_store(pubkeys, False))
    python = outcome(lambda: verify.verify_bytes(file, python_store, now=now))
    c = outcome(lambda: native.verify_bytes(file, c_store, now=now))
    return agreed(python, c, name or f"{len(file)} bytes")


def point_accepted(public: bytes) -> bool:
    """Says whether both libraries take these 32 bytes for a public key."""
    python, c = ed25519.point_ok(public), native.ed25519_point_ok(public)
    assert python == c, f"point {public.hex()}: C says {c}, Python says {python}"
    return python


def signature_accepted(public: bytes, signature: bytes, message: bytes) -> bool:
    """Says whether both accept; a signature or key of another length has no place in a record and is refused unseen."""
    if len(signature) != 64 or len(public) != 32:
        assert not ed25519.verify(public, signature, message)
        assert not native.ed25519_verify(public, signature, message)
        return False
    python = ed25519.verify(public, signature, message)
    c = native.ed25519_verify(public, signature, message)
    assert python == c, f"signature {signature.hex()} under {public.hex()}: C says {c}, Python says {python}"
    return python
