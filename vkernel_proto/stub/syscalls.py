"""The syscalls of this vkernel. In: a number of x86-64. Out: the row that says what it takes and who serves it.

The table is the documentation: `full` is Linux's behaviour, `partial` is it with the limits of the remark. What a call
looks like on the wire stands in vkernel_proto/wire/syscalls.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vkernel_proto.stub import clocks, events, fdio, files, lifecycle, memory, sockets
from vkernel_proto.wire.syscalls import BY_NAME

if TYPE_CHECKING:
    from vkernel_proto.stub.process import Process

Answer = tuple[int, bytes]  # value or -errno, reply data
Handler = Callable[["Process", Sequence[int], Sequence[bytes], bytes], Answer]


@dataclass(frozen=True, slots=True)
class Row:
    """One syscall. strings: how many its request has."""

    name: str
    handler: Handler
    status: str  # full | partial | refused
    remark: str = ""
    nr: int = field(init=False)
    strings: int = field(init=False)

    def __post_init__(self) -> None:
        call = BY_NAME[self.name]
        object.__setattr__(self, "nr", call.nr)
        object.__setattr__(self, "strings", call.letters.count("s"))


TABLE: Final[tuple[Row, ...]] = (
    Row("read", fdio.read, "full"),
    Row("write", fdio.write, "partial", "EPIPE comes without SIGPIPE"),
    Row("open", files.open_, "partial", "as openat"),
    Row("close", fdio.close, "full"),
    Row("fstat", fdio.fstat, "full"),
    Row("poll", events.poll, "full"),
    Row("lseek", fdio.lseek, "full"),
    Row("mmap", memory.mmap, "partial", "decided only; PROT_EXEC is refused"),
    Row("mprotect", memory.mprotect, "partial", "decided only; PROT_EXEC is refused"),
    Row("pread64", fdio.pread64, "full"),
    Row("pwrite64", fdio.pwrite64, "full"),
    Row("sched_yield", lifecycle.sched_yield, "full"),
    Row("dup", fdio.dup, "full"),
    Row("getpid", lifecycle.getpid, "full"),
    Row("socket", sockets.socket, "partial", "TCP and UDP over IPv4 and IPv6"),
    Row("connect", sockets.connect, "full"),
    Row("sendto", sockets.sendto, "partial", "MSG_DONTWAIT, MSG_MORE, MSG_NOSIGNAL (always on)"),
    Row("recvfrom", sockets.recvfrom, "partial", "MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL"),
    Row("shutdown", sockets.shutdown, "full"),
    Row("bind", sockets.bind, "full"),
    Row("listen", sockets.listen, "full"),
    Row("setsockopt", sockets.setsockopt, "partial", "the options of sockets.SOCKET_OPTIONS"),
    Row("getsockopt", sockets.getsockopt, "partial", "the options of sockets.SOCKET_OPTIONS"),
    Row("exit", lifecycle.exit_, "full", "a process has one thread: as exit_group"),
    Row("kill", lifecycle.kill, "partial", "processes of the container, which are one group"),
    Row("fcntl", fdio.fcntl, "partial", "F_DUPFD, F_DUPFD_CLOEXEC, F_[GS]ETFD, F_[GS]ETFL"),
    Row("fsync", fdio.fsync, "full"),
    Row("fdatasync", fdio.fdatasync, "full"),
    Row("ftruncate", fdio.ftruncate, "full"),
    Row("futex", events.futex, "partial", "FUTEX_WAIT and FUTEX_WAKE on keys of the container"),
    Row("getdents64", fdio.getdents64, "full"),
    Row("clock_gettime", clocks.clock_gettime, "partial", "no CPU-time clocks"),
    Row("clock_getres", clocks.clock_getres, "partial", "no CPU-time clocks"),
    Row("clock_nanosleep", clocks.clock_nanosleep, "partial", "REALTIME, MONOTONIC, BOOTTIME"),
    Row("exit_group", lifecycle.exit_, "full"),
    Row("epoll_wait", events.epoll_wait, "full"),
    Row("epoll_ctl", events.epoll_ctl, "full"),
    Row("openat", files.openat, "partial", "no devices, no set-ID bits; a FIFO opens to read at once"),
    Row("mkdirat", files.mkdirat, "full"),
    Row("newfstatat", files.newfstatat, "full"),
    Row("unlinkat", files.unlinkat, "full"),
    Row("linkat", files.linkat, "partial", "not the passed fds 0, 1, 2"),
    Row("symlinkat", files.symlinkat, "full"),
    Row("readlinkat", files.readlinkat, "full"),
    Row("utimensat", files.utimensat, "full"),
    Row("fallocate", fdio.fallocate, "full"),
    Row("accept4", sockets.accept4, "full"),
    Row("epoll_create1", events.epoll_create1, "full"),
    Row("pipe2", events.pipe2, "partial", "O_CLOEXEC, O_NONBLOCK, O_DIRECT"),
    Row("renameat2", files.renameat2, "partial", "no RENAME_WHITEOUT"),
    Row("getrandom", clocks.getrandom, "full"),
    Row("memfd_create", memory.memfd_create, "partial", "MFD_NOEXEC_SEAL only; no huge pages"),
)
BY_NUMBER: Final[dict[int, Row]] = {row.nr: row for row in TABLE}
