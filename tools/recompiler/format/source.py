"""An open file or bytes in, its bytes at offsets out: what the format's readers read from.

One descriptor serves a whole verification, with pread(2) only, so that a path swapped meanwhile changes nothing and a
file that shrinks is a refusal (a memory map would be a SIGBUS).
"""

from __future__ import annotations

import os
import shlex
import stat
from typing import Protocol

from blake3 import blake3

from recompiler.errors import Error

CHUNK = 4 << 20


class Source(Protocol):
    """Where the bytes of one file are read from."""

    @property
    def size(self) -> int: ...

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fills buffer from offset. Raises Error: E_READ, E_CHANGED (the file ends before)."""

    def check_unchanged(self) -> None:
        """Raises Error E_CHANGED when the file is not the one that was opened."""


class BytesSource:
    """Bytes in memory."""

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = memoryview(data)
        self.size = len(data)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        part = self._data[offset : offset + len(buffer)]
        if len(part) != len(buffer):
            raise Error("E_CHANGED", "the data ends early", offset)
        buffer[:] = part

    def check_unchanged(self) -> None:
        """Bytes do not change."""


class FileSource:
    """A regular file behind a descriptor, which stays the caller's."""

    def __init__(self, fd: int) -> None:
        """Raises Error: E_OPEN, E_NOT_REGULAR."""
        self.fd = fd
        self._identity = self._stat()
        self.size = self._identity[2]

    def _stat(self) -> tuple[int, int, int, int, int]:
        try:
            status = os.fstat(self.fd)
        except OSError as e:
            raise Error("E_OPEN", f"fstat: {e.strerror}") from None
        if not stat.S_ISREG(status.st_mode):
            raise Error("E_NOT_REGULAR", "not a regular file")
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def read_into(self, offset: int, buffer: memoryview) -> None:
        done = 0
        while done < len(buffer):
            try:
                n = os.preadv(self.fd, [buffer[done : done + CHUNK]], offset + done)
            except OSError as e:
                raise Error("E_READ", f"read: {e.strerror}", offset + done) from None
            if n == 0:
                raise Error("E_CHANGED", "the file became shorter while it was read", offset + done)
            done += n

    def check_unchanged(self) -> None:
        if self._stat() != self._identity:
            raise Error("E_CHANGED", "the file changed while it was read")


def read(source: Source, offset: int, size: int) -> bytes:
    """The size bytes at offset. Raises Error: E_READ, E_CHANGED."""
    buffer = bytearray(size)
    source.read_into(offset, memoryview(buffer))
    return bytes(buffer)


def load(source: Source, offset: int, size: int) -> tuple[bytearray, bytes]:
    """The size bytes at offset and the BLAKE3 of exactly these bytes. Raises Error: E_READ, E_CHANGED, E_NO_MEMORY."""
    try:
        buffer = bytearray(size)
    except MemoryError:
        raise Error("E_NO_MEMORY", f"no memory for {size} bytes", offset) from None
    view = memoryview(buffer)
    hasher = blake3()
    for at in range(0, size, CHUNK):
        part = view[at : at + CHUNK]
        source.read_into(offset + at, part)
        hasher.update(part)
    return buffer, hasher.digest()


def digest(source: Source, offset: int, size: int) -> bytes:
    """The BLAKE3 of the size bytes at offset, in constant memory. Raises Error: E_READ, E_CHANGED."""
    view = memoryview(bytearray(min(size, CHUNK)))
    hasher = blake3()
    for at in range(0, size, CHUNK):
        part = view[: min(CHUNK, size - at)]
        source.read_into(offset + at, part)
        hasher.update(part)
    return hasher.digest()


def check_closed(status: os.stat_result, code: str, path: str) -> None:
    """Only root and this user can change it. A sticky directory of root's (/tmp) lets nobody replace another's file.

    A group is never looked up: who else is in it is not in /etc/group alone. Raises Error (code; it says what to do).
    """
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX and status.st_uid == 0
    if status.st_uid not in (0, os.geteuid()):
        raise Error(code, f"{path} belongs neither to root nor to this user")
    if status.st_mode & 0o022 and not sticky:
        who = "g" * bool(status.st_mode & 0o020) + "o" * bool(status.st_mode & 0o002)
        raise Error(code, f"others can change part of the path: chmod {who}-w {shlex.quote(path)}")
