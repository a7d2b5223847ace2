"""In: a process that may have been started with fd 0, 1 or 2 closed. Out: one in which no other file gets that number.

A command that opened its socket as fd 1 would hand it to a guest as its output. What stands in for a closed descriptor
fails with EBADF as the closed one would, and is closed in a program that this process becomes.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, Final

from recompiler.errors import Error

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# The direction that a program does not use: the other one is EBADF.
STAND_IN: Final = {0: os.O_WRONLY, 1: os.O_RDONLY, 2: os.O_RDONLY}


def hold() -> None:
    """Puts /dev/null where a standard descriptor is closed, and gives sys.stdout and sys.stderr a value.

    Call it before anything is opened. Raises Error E_PROCESS_FDS.
    """
    for fd, flags in STAND_IN.items():
        if _is_closed(fd) and _open_null(flags) != fd:
            raise Error("E_PROCESS_FDS", f"fd {fd} is closed and {os.devnull} cannot stand in for it")
    if sys.stdout is None:
        sys.stdout = _stream(Error("E_OUTPUT", "the standard output is closed"))
    if sys.stderr is None:
        sys.stderr = _stream(None)


def printable(text: str) -> str:
    """Text that cannot move a terminal's cursor: everything unprintable, or that is no text, becomes an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def output_is_closed() -> bool:
    """Whether every write to sys.stdout is refused."""
    return isinstance(getattr(sys.stdout, "buffer", None), _Closed)


def _is_closed(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError as error:
        return error.errno == errno.EBADF
    return False


def _open_null(flags: int) -> int:
    try:
        return os.open(os.devnull, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return -1


def _stream(refusal: Error | None) -> io.TextIOWrapper:
    return io.TextIOWrapper(_Closed(refusal), encoding="utf-8", write_through=True)


class _Closed(io.RawIOBase):
    """A stream that holds nothing back: a write is refused, or without a refusal it is lost."""

    name = "closed"

    def __init__(self, refusal: Error | None) -> None:
        self._refusal = refusal

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        if self._refusal is not None:
            raise self._refusal
        return memoryview(data).nbytes
