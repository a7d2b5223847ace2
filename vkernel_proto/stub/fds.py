"""In: guest fd numbers. Out: the open files behind them. The lowest free number is handed out, as dup(2) says."""

from __future__ import annotations

import contextlib
import errno
import os
from enum import Enum, auto
from typing import Final

# The numbers of x86-64 (include/uapi/asm-generic/fcntl.h): the wire's, on every machine.
O_ACCMODE: Final = 0o3
O_WRONLY: Final = 0o1
O_RDWR: Final = 0o2
O_APPEND: Final = 0o2000
O_NONBLOCK: Final = 0o4000
O_CLOEXEC: Final = 0o2000000


class Kind(Enum):
    """How reads and writes of a file wait."""

    PLAIN = auto()  # regular files, directories, O_PATH: never
    MEMORY = auto()  # memfds: never, but their growth is counted
    STREAM = auto()  # pipes, FIFOs, terminals: until the host's file is ready
    SOCKET = auto()
    EPOLL = auto()


class Status:
    """What the descriptors of one open file description share (open(2), "open file description").

    flags are the guest's F_GETFL, in x86-64's numbers. The host's description of a file that may block is always
    O_NONBLOCK, whatever the guest's flags say, so that no thread of the vkernel can be blocked for good; except that
    of a `borrowed` one (0, 1, 2), which the operator's shell shares and whose flags are not ours to change.
    """

    __slots__ = ("borrowed", "flags", "receive_timeout", "send_timeout", "wait_first")

    def __init__(self, flags: int, *, borrowed: bool = False, wait_first: bool = False) -> None:
        self.flags = flags
        self.borrowed = borrowed
        self.wait_first = wait_first  # a FIFO without a writer yet: read(2) says 0 at once where the guest has to wait
        self.receive_timeout = -1  # SO_RCVTIMEO, SO_SNDTIMEO in ns; -1 = none
        self.send_timeout = -1

    @property
    def nonblock(self) -> bool:
        return bool(self.flags & O_NONBLOCK)


class OpenFile:
    """One guest fd: its host fd (owned, always close-on-exec) and its own FD_CLOEXEC."""

    __slots__ = ("cloexec", "host", "kind", "status")

    def __init__(self, host: int, kind: Kind, status: Status, cloexec: bool = False) -> None:
        self.host = host
        self.kind = kind
        self.status = status
        self.cloexec = cloexec


class FdTable:
    """Guest fd -> OpenFile, fewer than `limit` numbers."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._files: dict[int, OpenFile] = {}
        self._hint = 0  # no number below it is free
        self.get = self._files.get  # fd -> OpenFile or None

    def __getitem__(self, fd: int) -> OpenFile:
        """Raises OSError (EBADF)."""
        file = self._files.get(fd)
        if file is None:
            raise OSError(errno.EBADF, "not an open fd")
        return file

    def __len__(self) -> int:
        return len(self._files)

    def free(self, lowest: int = 0, skip: int = -1) -> int:
        """The lowest free number that is at least `lowest` and not `skip`. Raises OSError (EMFILE)."""
        fd = max(lowest, self._hint)
        while fd in self._files or fd == skip:
            fd += 1
        if fd >= self.limit:
            raise OSError(errno.EMFILE, "open_files of the manifest is reached")
        return fd

    def put(self, fd: int, file: OpenFile) -> int:
        """Gives the free number fd to file; returns fd."""
        self._files[fd] = file
        while self._hint in self._files:
            self._hint += 1
        return fd

    def close(self, fd: int) -> None:
        """Frees the number. Raises OSError (EBADF, or what close(2) reports)."""
        file = self._files.pop(fd, None)
        if file is None:
            raise OSError(errno.EBADF, "not an open fd")
        self._hint = min(self._hint, fd)
        os.close(file.host)

    def memory_files(self) -> list[OpenFile]:
        return [file for file in self._files.values() if file.kind is Kind.MEMORY]

    def close_all(self) -> None:
        """Closes every file; an error of close(2) is nobody's any more."""
        while self._files:
            _, file = self._files.popitem()
            with contextlib.suppress(OSError):
                os.close(file.host)
        self._hint = 0
