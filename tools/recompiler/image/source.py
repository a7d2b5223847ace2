"""In: the path of an image. Out: its named parts (`index.json`, `blobs/sha256/...`) as extents of open files.

Two sources: a directory and an uncompressed tar archive. Which parts make an image is index.py's business.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import Protocol

from recompiler.errors import Error
from recompiler.image.stream import Extent, compression_of
from recompiler.image.tar import BLOCK, Tar, header_checksum_ok
from recompiler.image.tree import where

MAX_MEMBERS = 100_000
MAX_LINKS = 8  # docker save writes a layer.tar that is a symlink to another one


class Source(Protocol):
    """The parts of an image by name."""

    def has(self, name: str) -> bool:
        """Whether there is such a part."""

    def open(self, name: str) -> contextlib.AbstractContextManager[Extent]:
        """The bytes of one part. Raises Error E_IMAGE when it is missing."""


def open_regular(name: str, dir_fd: int | None = None, follow: bool = False) -> int:
    """An fd of a regular file; never waits for a FIFO's other end.

    Raises Error E_OPEN or E_NOT_REGULAR.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    try:
        fd = os.open(name, flags, dir_fd=dir_fd)
    except OSError as error:
        raise Error("E_OPEN", f"cannot open {where(name)}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Error("E_NOT_REGULAR", f"{where(name)} is not a regular file")
    return fd


class DirectorySource:
    """An OCI layout as a directory. Symlinks inside it are not followed."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def has(self, name: str) -> bool:
        try:
            return stat.S_ISREG(os.stat(name, dir_fd=self.fd, follow_symlinks=False).st_mode)
        except OSError:
            return False

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Extent]:
        with contextlib.ExitStack() as held:
            directory = self.fd
            *parents, last = name.split("/")
            for parent in parents:
                directory = self._enter(parent, directory, name)
                held.callback(os.close, directory)
            try:
                fd = open_regular(last, directory)
            except Error as error:
                raise Error("E_IMAGE", f"the layout's part {where(name)}: {error.message}") from error
            held.callback(os.close, fd)
            yield Extent(fd, 0, os.fstat(fd).st_size)

    @staticmethod
    def _enter(name: str, directory: int, path: str) -> int:
        try:
            return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        except OSError as error:
            raise Error("E_IMAGE", f"the layout's part {where(path)}: {error.strerror}") from error


class ArchiveSource:
    """A tar archive: its headers are read once, its members stay where they are."""

    def __init__(self, fd: int) -> None:
        """Raises Error E_IMAGE for what is not an uncompressed tar archive."""
        self.fd = fd
        self.members: dict[str, Extent | str] = {}  # extent, or the name that a link points at
        size = os.fstat(fd).st_size
        head = Extent(fd, 0, size).read(BLOCK)
        if (compression := compression_of(head)) != "none":
            raise Error("E_IMAGE", f"the archive itself is compressed with {compression}: decompress it first")
        if not header_checksum_ok(head):
            raise Error("E_IMAGE", "neither a directory nor a tar archive")
        count = 0
        for entry in Tar(Extent(fd, 0, size), "the archive"):
            count += 1
            if count > MAX_MEMBERS:
                raise Error("E_IMAGE", f"the archive has more than {MAX_MEMBERS} members")
            name = _inside(entry.name)
            if entry.type == "directory":
                continue
            if name in self.members:
                raise Error("E_IMAGE", f"the archive has two members {where(name)}")
            if entry.type == "file":
                if entry.size > size - entry.offset:
                    raise Error("E_IMAGE", f"the archive ends inside {where(name)}", entry.offset)
                self.members[name] = Extent(fd, entry.offset, entry.size)
            elif entry.type == "symlink":
                self.members[name] = _inside(f"{name.rpartition('/')[0]}/{entry.target}")
            elif entry.type == "link":
                self.members[name] = _inside(entry.target)

    def has(self, name: str) -> bool:
        return _inside(name) in self.members

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Extent]:
        found: Extent | str | None = _inside(name)
        for _ in range(MAX_LINKS):
            if not isinstance(found, str):
                break
            found = self.members.get(found)
        if not isinstance(found, Extent):
            raise Error("E_IMAGE", f"the archive has no file {where(name)}")
        yield Extent(found.fd, found.offset, found.size)


def _inside(name: str) -> str:
    """A member's name without `.` and `..`. Raises Error E_IMAGE for one that leaves the archive."""
    parts: list[str] = []
    for part in name.split("/"):
        if part == ".." and not parts:
            raise Error("E_IMAGE", f"the archive's member {where(name)} leaves the archive")
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
