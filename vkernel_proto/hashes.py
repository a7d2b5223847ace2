"""In: an O_PATH fd of what an execve names. Out: the BLAKE3 of its bytes and its first line; remembered for files of a
read-only layer.

The container's guests see an overlay: `lower`, which they cannot write, under a layer that they can. A verdict is
remembered only for a file that still is the lower one. How that is known: stat of an overlay shows a lower file's own
size, mtime and ctime. A file that was written, copied up, renamed, linked or made by a guest is an inode of the upper
layer, whose ctime the kernel's clock gave it after the container began; nobody can set a ctime. So a file whose size,
mode, owner, mtime and ctime are those of the file at the same path in `lower`, with a ctime older than this cache, is
the lower file; and the key of what is remembered has the ctime too. (Device and inode alone would not do: an overlay
has a device number of its own for each layer, and may keep the inode number of a file that was copied up.)

The bytes are read once, through one fd. What is judged is what was read: a writer at the same time can only make the
hash one that nobody signed, or is seen by fstat.
"""

from __future__ import annotations

import copy
import errno
import os
import stat
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from recompiler.format.shebang import LINE_MAX
from vkernel_proto.denied import Denied, of_errno
from vkernel_proto.linux import syscall
from vkernel_proto.paths import RESOLVE_IN_ROOT, file_system, kernel_interface, openat2

SIZE_MAX: Final = 1 << 28  # bytes; programs lie inert in an image, so what is signed is small
LARGE: Final = 8 << 20  # bytes, 3 ms; files over it are read one at a time: a container's sparse giants take one core
KEPT: Final = 4096
_CHUNK: Final = 1 << 20
_OVERLAYFS: Final = 0x794C7630
_TICK: Final = 20_000_000  # ns that a ctime may be behind the clock: it is the last timer tick's, at 100 Hz or more
_X_OK, _AT_EACCESS, _AT_EMPTY_PATH = 1, 0x200, 0x1000
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_Key = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Content:
    """An executable file's bytes: their BLAKE3, and the first LINE_MAX of a file that begins with `#!` (else none)."""

    hash: str
    head: bytes


class Large(Exception):
    """A file over LARGE would have to be read, by one that was asked not to."""


class Hashes:
    """The contents of executables, safe from several threads. lower: O_PATH fd of the read-only layer under the overlay
    that guests write to; it stays the caller's. None: everything is read every time.
    """

    def __init__(self, lower: int | None) -> None:
        self._lower = lower
        self._since = time.time_ns() - _TICK
        self._lock = threading.Lock()
        self._large = threading.Lock()
        self._patient = True
        self._known: OrderedDict[_Key, Content] = OrderedDict()

    def impatient(self) -> Hashes:
        """The same, with the same memory, but it raises Large."""
        other = copy.copy(self)
        other._patient = False
        return other

    def content(self, place: int, path: str) -> Content:
        """The content of the file behind an O_PATH fd; path, from the root, names it for lower and in refusals.

        Raises Denied; Large; OSError when the kernel refuses for a reason that is not the file's.
        """
        status = os.fstat(place)
        with self._lock:  # a hit: what was admitted under this ctime has the same mode and place still
            known = self._known.get(_key(status))
        if known is not None:
            return known
        _admit(place, status, path)
        if status.st_size > LARGE:
            if not self._patient:
                raise Large
            with self._large:
                content, status = _read(place, path)
        else:
            content, status = _read(place, path)
        if self._lower is not None and self._is_lower(place, status, path):
            with self._lock:
                self._known[_key(status)] = content
                while len(self._known) > KEPT:
                    self._known.popitem(last=False)
        return content

    def _is_lower(self, place: int, status: os.stat_result, path: str) -> bool:
        assert self._lower is not None
        if status.st_ctime_ns >= self._since or file_system(place) != _OVERLAYFS:
            return False
        below = openat2(self._lower, os.fsencode(path), os.O_PATH | os.O_NOFOLLOW, 0, RESOLVE_IN_ROOT)
        if below < 0:
            return False
        try:
            return _nature(os.fstat(below)) == _nature(status)
        finally:
            os.close(below)


def _key(status: os.stat_result) -> _Key:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _nature(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode, status.st_uid, status.st_gid


def _admit(place: int, status: os.stat_result, path: str) -> None:
    """Whether execve would take the file. Raises Denied, OSError."""
    if not stat.S_ISREG(status.st_mode):
        raise Denied("not a regular file", path)
    if kernel_interface(place):
        raise Denied("kernel interface", path)
    # The guests have this process's ids, so Linux's own answer for it is theirs: for root any execute bit will do.
    ret = syscall("faccessat2", place, b"\0", _X_OK, _AT_EACCESS | _AT_EMPTY_PATH)
    if ret in (-errno.EACCES, -errno.EPERM):
        raise Denied("not executable", path)
    if ret < 0:
        raise OSError(-ret, os.strerror(-ret))
    if status.st_size > SIZE_MAX:
        raise Denied("too large", path)


def _read(place: int, path: str) -> tuple[Content, os.stat_result]:
    """The content behind an O_PATH fd, and the stat that it had before and after. Raises Denied."""
    try:
        fd = os.open(f"/proc/self/fd/{place}", _READ)
    except OSError as error:
        raise of_errno(error.errno, path) from None
    try:
        before = os.fstat(fd)
        if before.st_size > SIZE_MAX:
            raise Denied("too large", path)
        digest, head, at = blake3(), b"", 0
        while at < before.st_size:
            part = os.pread(fd, min(_CHUNK, before.st_size - at), at)
            if not part:
                raise Denied("changed while read", path)
            head = head or part[:LINE_MAX]
            digest.update(part)
            at += len(part)
        if _key(os.fstat(fd)) != _key(before):
            raise Denied("changed while read", path)
        return Content(digest.hexdigest(), head if head.startswith(b"#!") else b""), before
    finally:
        os.close(fd)
