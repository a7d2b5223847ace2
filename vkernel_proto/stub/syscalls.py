"""The syscalls of this vkernel. In: a number of x86-64. Out: the row that says what it takes and who serves it.

The table is the documentation: `full` is Linux's behaviour, `partial` is it with the limits of the remark;
docs/wire.md and csrc/base/sys.h say the same numbers and letters; a test holds them equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vkernel_proto.stub import clocks, events, fdio, files, lifecycle, memory, sockets

if TYPE_CHECKING:
    from vkernel_proto.stub.process import Process

Answer = tuple[int, bytes]  # value or -errno, reply data
Handler = Callable[["Process", Sequence[int], Sequence[bytes], bytes], Answer]


@dataclass(frozen=True, slots=True)
class Row:
    """One syscall. letters: its request, in the order of its places: i integer, s string, d data."""

    name: str
    nr: int
    letters: str
    reply: str  # D data, - none
    handler: Handler
    status: str  # full | partial | refused
    remark: str = ""
    strings: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "strings", self.letters.count("s"))


TABLE: Final[tuple[Row, ...]] = (
    Row("read", 0, "ii", "D", fdio.read, "full"),
    Row("write", 1, "id", "-", fdio.write, "partial", "EPIPE comes without SIGPIPE"),
    Row("open", 2, "sii", "-", files.open_, "partial", "as openat"),
    Row("close", 3, "i", "-", fdio.close, "full"),
    Row("fstat", 5, "i", "D", fdio.fstat, "full"),
    Row("poll", 7, "id", "D", events.poll, "full"),
    Row("lseek", 8, "iii", "-", fdio.lseek, "full"),
    Row("mmap", 9, "iiiiii", "-", memory.mmap, "partial", "decided only; PROT_EXEC is refused"),
    Row("mprotect", 10, "iii", "-", memory.mprotect, "partial", "decided only; PROT_EXEC is refused"),
    Row("pread64", 17, "iii", "D", fdio.pread64, "full"),
    Row("pwrite64", 18, "iid", "-", fdio.pwrite64, "full"),
    Row("sched_yield", 24, "", "-", lifecycle.sched_yield, "full"),
    Row("dup", 32, "i", "-", fdio.dup, "full"),
    Row("getpid", 39, "", "-", lifecycle.getpid, "full"),
    Row("socket", 41, "iii", "-", sockets.socket, "partial", "TCP and UDP over IPv4 and IPv6"),
    Row("connect", 42, "id", "-", sockets.connect, "full"),
    Row("sendto", 44, "iiid", "-", sockets.sendto, "partial", "MSG_DONTWAIT, MSG_MORE, MSG_NOSIGNAL (always on)"),
    Row("recvfrom", 45, "iiii", "D", sockets.recvfrom, "partial", "MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL"),
    Row("shutdown", 48, "ii", "-", sockets.shutdown, "full"),
    Row("bind", 49, "id", "-", sockets.bind, "full"),
    Row("listen", 50, "ii", "-", sockets.listen, "full"),
    Row("setsockopt", 54, "iiid", "-", sockets.setsockopt, "partial", "the options of sockets.SOCKET_OPTIONS"),
    Row("getsockopt", 55, "iiii", "D", sockets.getsockopt, "partial", "the options of sockets.SOCKET_OPTIONS"),
    Row("exit", 60, "i", "-", lifecycle.exit_, "full", "a process has one thread: as exit_group"),
    Row("kill", 62, "ii", "-", lifecycle.kill, "partial", "processes of the container, which are one group"),
    Row("fcntl", 72, "iii", "-", fdio.fcntl, "partial", "F_DUPFD, F_DUPFD_CLOEXEC, F_[GS]ETFD, F_[GS]ETFL"),
    Row("fsync", 74, "i", "-", fdio.fsync, "full"),
    Row("fdatasync", 75, "i", "-", fdio.fdatasync, "full"),
    Row("ftruncate", 77, "ii", "-", fdio.ftruncate, "full"),
    Row("futex", 202, "iiiii", "-", events.futex, "partial", "FUTEX_WAIT and FUTEX_WAKE on keys of the container"),
    Row("getdents64", 217, "ii", "D", fdio.getdents64, "full"),
    Row("clock_gettime", 228, "i", "D", clocks.clock_gettime, "partial", "no CPU-time clocks"),
    Row("clock_getres", 229, "i", "D", clocks.clock_getres, "partial", "no CPU-time clocks"),
    Row("clock_nanosleep", 230, "iii", "-", clocks.clock_nanosleep, "partial", "REALTIME, MONOTONIC, BOOTTIME"),
    Row("exit_group", 231, "i", "-", lifecycle.exit_, "full"),
    Row("epoll_wait", 232, "iii", "D", events.epoll_wait, "full"),
    Row("epoll_ctl", 233, "iiid", "-", events.epoll_ctl, "full"),
    Row(
        "openat", 257, "isii", "-", files.openat, "partial", "no devices, no set-ID bits; a FIFO opens to read at once"
    ),
    Row("mkdirat", 258, "isi", "-", files.mkdirat, "full"),
    Row("newfstatat", 262, "isi", "D", files.newfstatat, "full"),
    Row("unlinkat", 263, "isi", "-", files.unlinkat, "full"),
    Row("linkat", 265, "isisi", "-", files.linkat, "partial", "not the passed fds 0, 1, 2"),
    Row("symlinkat", 266, "sis", "-", files.symlinkat, "full"),
    Row("readlinkat", 267, "isi", "D", files.readlinkat, "full"),
    Row("utimensat", 280, "isid", "-", files.utimensat, "full"),
    Row("fallocate", 285, "iiii", "-", fdio.fallocate, "full"),
    Row("accept4", 288, "iii", "D", sockets.accept4, "full"),
    Row("epoll_create1", 291, "i", "-", events.epoll_create1, "full"),
    Row("pipe2", 293, "i", "D", events.pipe2, "partial", "O_CLOEXEC, O_NONBLOCK, O_DIRECT"),
    Row("renameat2", 316, "isisi", "-", files.renameat2, "partial", "no RENAME_WHITEOUT"),
    Row("getrandom", 318, "ii", "D", clocks.getrandom, "full"),
    Row("memfd_create", 319, "si", "-", memory.memfd_create, "partial", "MFD_NOEXEC_SEAL only; no huge pages"),
)
BY_NUMBER: Final[dict[int, Row]] = {row.nr: row for row in TABLE}
