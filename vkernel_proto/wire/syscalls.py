"""The syscalls that a stub can ask for, as they stand on the wire (docs/wire.md). In: a name. Out: number and places.

The numbers are x86-64's everywhere. csrc/base/sys.h is the same table in C; a test holds them and the page equal.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Syscall(NamedTuple):
    """letters: the request, in the order of its places: i integer, s string, d data. reply: D data, - none."""

    name: str
    nr: int
    letters: str
    reply: str


SYSCALLS: Final[tuple[Syscall, ...]] = (
    Syscall("read", 0, "ii", "D"),
    Syscall("write", 1, "id", "-"),
    Syscall("open", 2, "sii", "-"),
    Syscall("close", 3, "i", "-"),
    Syscall("fstat", 5, "i", "D"),
    Syscall("poll", 7, "id", "D"),
    Syscall("lseek", 8, "iii", "-"),
    Syscall("mmap", 9, "iiiiii", "-"),
    Syscall("mprotect", 10, "iii", "-"),
    Syscall("pread64", 17, "iii", "D"),
    Syscall("pwrite64", 18, "iid", "-"),
    Syscall("sched_yield", 24, "", "-"),
    Syscall("dup", 32, "i", "-"),
    Syscall("getpid", 39, "", "-"),
    Syscall("socket", 41, "iii", "-"),
    Syscall("connect", 42, "id", "-"),
    Syscall("sendto", 44, "iiid", "-"),
    Syscall("recvfrom", 45, "iiii", "D"),
    Syscall("shutdown", 48, "ii", "-"),
    Syscall("bind", 49, "id", "-"),
    Syscall("listen", 50, "ii", "-"),
    Syscall("setsockopt", 54, "iiid", "-"),
    Syscall("getsockopt", 55, "iiii", "D"),
    Syscall("exit", 60, "i", "-"),
    Syscall("kill", 62, "ii", "-"),
    Syscall("fcntl", 72, "iii", "-"),
    Syscall("fsync", 74, "i", "-"),
    Syscall("fdatasync", 75, "i", "-"),
    Syscall("ftruncate", 77, "ii", "-"),
    Syscall("futex", 202, "iiiii", "-"),
    Syscall("getdents64", 217, "ii", "D"),
    Syscall("clock_gettime", 228, "i", "D"),
    Syscall("clock_getres", 229, "i", "D"),
    Syscall("clock_nanosleep", 230, "iii", "-"),
    Syscall("exit_group", 231, "i", "-"),
    Syscall("epoll_wait", 232, "iii", "D"),
    Syscall("epoll_ctl", 233, "iiid", "-"),
    Syscall("openat", 257, "isii", "-"),
    Syscall("mkdirat", 258, "isi", "-"),
    Syscall("newfstatat", 262, "isi", "D"),
    Syscall("unlinkat", 263, "isi", "-"),
    Syscall("linkat", 265, "isisi", "-"),
    Syscall("symlinkat", 266, "sis", "-"),
    Syscall("readlinkat", 267, "isi", "D"),
    Syscall("utimensat", 280, "isid", "-"),
    Syscall("fallocate", 285, "iiii", "-"),
    Syscall("accept4", 288, "iii", "D"),
    Syscall("epoll_create1", 291, "i", "-"),
    Syscall("pipe2", 293, "i", "D"),
    Syscall("renameat2", 316, "isisi", "-"),
    Syscall("getrandom", 318, "ii", "D"),
    Syscall("memfd_create", 319, "si", "-"),
)
BY_NAME: Final = {syscall.name: syscall for syscall in SYSCALLS}
