"""In: the syscalls of one guest process, decoded. Out: Linux's return values and reply data.

A process is served by one thread at a time. Its blocking calls watch two more fds: `wake`, an eventfd that another
thread writes to interrupt the call (EINTR), and `hangup`, the connection, whose end interrupts for good.
"""

from __future__ import annotations

import errno
import os
import select
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from vkernel_proto import linux
from vkernel_proto.policy import Policy
from vkernel_proto.stub import fdio
from vkernel_proto.stub.container import Container
from vkernel_proto.stub.fds import FdTable
from vkernel_proto.stub.lifecycle import Exited as Exited
from vkernel_proto.stub.syscalls import BY_NUMBER, Answer, Row

if TYPE_CHECKING:
    from recompiler.format.manifest import Manifest

_POLLFD: Final = struct.Struct("=ihh")
_TIMESPEC: Final = struct.Struct("=qq")
_SECOND: Final = 1_000_000_000
_LONGEST: Final = (1 << 62) // _SECOND  # seconds; a longer wait is this long
_HANGUP: Final = select.POLLRDHUP  # POLLHUP and POLLERR are always watched


class Process:
    """One guest process. stdio are host fds; the process owns and closes them. wake and hangup stay the caller's."""

    def __init__(
        self,
        pid: int,
        cid: str,
        manifest: Manifest,
        container: Container,
        stdio: tuple[int, int, int],
        wake: int,
        hangup: int,
        audit: Callable[..., None],
    ) -> None:
        self.pid = pid
        self.cid = cid
        self.manifest = manifest
        self.container = container
        self.policy = Policy(manifest.policy, audit)
        self.files = FdTable(manifest.policy.open_files)
        for fd, host in enumerate(stdio):
            self.files.put(fd, fdio.borrow(host))
        self._rows: dict[int, Row] = {nr: row for nr, row in BY_NUMBER.items() if row.name in manifest.policy.allow}
        self._wake = wake
        self._watched = _POLLFD.pack(wake, select.POLLIN, 0) + _POLLFD.pack(hangup, _HANGUP, 0)

    def call(self, nr: int, args: Sequence[int], strings: Sequence[bytes], data: bytes) -> Answer:
        """Performs one syscall of docs/wire.md: (value or -errno, reply data). args are always six.

        An unknown name comes as nr -1 with the name in strings. Never raises for what a guest sends.
        Raises Exited; Error (E_AUDIT) when a decision could not be recorded.
        """
        row = self._rows.get(nr)
        if row is None:
            return self._refuse(nr, strings)
        if len(strings) != row.strings or len(args) != 6:
            return -errno.EINVAL, b""
        try:
            return row.handler(self, args, strings, data)
        except OSError as error:
            return -(error.errno or errno.EIO), b""
        except OverflowError:  # a number that fits the wire's i64 and not the C type behind it
            return -errno.EINVAL, b""
        except MemoryError:
            return -errno.ENOMEM, b""

    def close(self) -> None:
        """Releases every file of the process."""
        self.files.close_all()

    def wait(self, host: int, events: int, timeout_ns: int = -1) -> int:
        """Waits until the host fd is ready: its revents, 0 after timeout_ns (-1 = never). Raises OSError (EINTR)."""
        return self.wait_many([(host, events)], timeout_ns)[0]

    def wait_many(self, wanted: Sequence[tuple[int, int]], timeout_ns: int = -1) -> list[int]:
        """ppoll(2) over (host fd, events) pairs: the revents of each. Raises OSError (EINTR: woken, hung up)."""
        fds = bytearray(b"".join(_POLLFD.pack(host, events, 0) for host, events in wanted) + self._watched)
        count = len(wanted)
        seconds, rest = divmod(timeout_ns, _SECOND)
        # The kernel writes the remaining time back, so that a wait the vkernel's own signals cut short goes on with it.
        timeout = bytearray(_TIMESPEC.pack(min(seconds, _LONGEST), rest)) if timeout_ns >= 0 else 0
        while True:
            ready = linux.syscall("ppoll", fds, count + 2, timeout, 0, 8)
            if ready != -errno.EINTR:
                break
        if ready < 0:
            raise OSError(-ready, os.strerror(-ready))
        revents = [row[2] for row in _POLLFD.iter_unpack(fds)]
        woken, hung_up = revents[count:]
        if ready and not any(revents[:count]):
            if woken and not hung_up:
                os.eventfd_read(self._wake)  # one interruption interrupts one call
            raise OSError(errno.EINTR, "woken" if woken else "hung up")
        return revents[:count]

    def _refuse(self, nr: int, strings: Sequence[bytes]) -> Answer:
        known = BY_NUMBER.get(nr)
        if known is not None:
            self.policy.deny(known.name, "not in the manifest's allow-list")
            return -errno.EPERM, b""
        name = strings[0][:64].decode("utf-8", "backslashreplace") if nr == -1 and strings else f"number {nr}"
        self.policy.deny(name, "not a syscall of this vkernel")
        return -errno.ENOSYS, b""
