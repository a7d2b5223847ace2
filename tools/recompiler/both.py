"""Two independent readers, side by side: a file and a key store in, their common verdict out.

The Python reader (verify.py) and the C one (csrc/) were written from docs/format.md without each other. A difference
between them is a bug in one of them, and never an acceptance.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from recompiler.errors import Error
from recompiler.format import files, verify
from recompiler.format.keystore import KeyStore
from recompiler.format.verify import Verified

StrPath = str | os.PathLike[str]
T = TypeVar("T")


def verify_both(
    file: int | StrPath,
    store: KeyStore | StrPath,
    *,
    default_store: bool = False,
    now: int | None = None,
    load: bool = False,
    section_fds: Mapping[int, int] | None = None,
) -> Verified:
    """Verifies a descriptor or path with both readers; both read a store that is a path themselves.

    Each in a thread of its own: both give up the interpreter's lock while they hash.

    Raises Error: their common verdict; E_DISAGREE that names both when they differ.
    """
    if not isinstance(file, int):
        fd = files.open_file(file)
        try:
            return verify_both(fd, store, default_store=default_store, now=now, load=load, section_fds=section_fds)
        finally:
            os.close(fd)
    try:
        from recompiler import native
    except ImportError as e:
        raise Error("E_INTERNAL", str(e)) from None
    now = int(time.time()) if now is None else now

    if isinstance(store, KeyStore):
        python_store: KeyStore | Callable[[], KeyStore] = store
        c_store = partial(native.KeyStore.parse, store.raw)
    else:
        python_store = partial(KeyStore.open, store, default_store=default_store)
        c_store = partial(native.KeyStore.open, store, default_store=default_store)

    c_verdict: list[native.Verified | Error] = []
    c_call = partial(native.verify_fd, file, c_store, now=now, section_fds=section_fds)
    thread = threading.Thread(target=lambda: c_verdict.append(_verdict(c_call)))
    thread.start()
    ours = _verdict(partial(verify.verify_fd, file, python_store, now=now, load=load, section_fds=section_fds))
    thread.join()
    theirs = c_verdict[0]
    for verdict in (ours, theirs):  # the file's doing, whichever reader saw it
        if isinstance(verdict, Error) and verdict.code == "E_CHANGED":
            raise verdict
    if isinstance(ours, Error):
        if isinstance(theirs, Error) and theirs.code == ours.code:
            raise ours
        if not isinstance(theirs, Error) and ours.code == "E_STUB_EXTENT":  # a check the C reader does not have
            raise ours
        raise _disagree(ours, theirs)
    if isinstance(theirs, Error):
        raise _disagree(ours, theirs)
    if (theirs.statement, theirs.file_size) != (ours.statement.raw, ours.file_size):
        raise Error("E_DISAGREE", "the two readers accept different statements; please report this")
    if theirs.signatures_counted != ours.signatures_counted:
        raise Error("E_DISAGREE", "the two readers count different signatures; please report this")
    return ours


def _verdict(call: Callable[[], T]) -> T | Error:
    """What a reader says; one that fails in any other way has not accepted."""
    try:
        return call()
    except Error as e:
        return e
    except MemoryError:
        return Error("E_NO_MEMORY", "no memory to read the file")
    except Exception as e:
        return Error("E_INTERNAL", f"{type(e).__name__}: {e}")


def _disagree(ours: object, theirs: object) -> Error:
    python, c = (v.code if isinstance(v, Error) else "accepted" for v in (ours, theirs))
    return Error("E_DISAGREE", f"Python reader: {python}, C reader: {c}; the file is refused, please report this")
