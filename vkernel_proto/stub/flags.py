"""In: open flags in x86-64's numbers. Out: the host's numbers, and back. The table decides each flag.

passed: given to the host.  emulated: kept in the guest's fd table.  ignored: accepted without effect.
A bit that is not in the table is ignored, as openat(2) does; openat2(2) would refuse it.
"""

from __future__ import annotations

import os
from typing import Final

from vkernel_proto.linux import X86_64

O_CREAT: Final = 0o100
O_EXCL: Final = 0o200
O_TRUNC: Final = 0o1000
O_LARGEFILE: Final = 0o100000
O_DIRECTORY: Final = 0o200000
O_NOFOLLOW: Final = 0o400000
O_NOATIME: Final = 0o1000000
O_PATH: Final = 0o10000000
O_TMPFILE: Final = 0o20000000  # without the O_DIRECTORY that open(2) includes in it
HOST_LARGEFILE: Final = 0o100000 if X86_64 else 0o400000  # os.O_LARGEFILE is 0 where glibc hides it

# name, guest's bit, host's bit, decision, remark
OPEN_FLAGS: Final[tuple[tuple[str, int, int, str, str], ...]] = (
    ("O_WRONLY", 0o1, os.O_WRONLY, "passed", ""),
    ("O_RDWR", 0o2, os.O_RDWR, "passed", ""),
    ("O_CREAT", O_CREAT, os.O_CREAT, "passed", "the umask is the vkernel's"),
    ("O_EXCL", O_EXCL, os.O_EXCL, "passed", ""),
    ("O_NOCTTY", 0o400, os.O_NOCTTY, "ignored", "no terminal is opened"),
    ("O_TRUNC", O_TRUNC, os.O_TRUNC, "passed", ""),
    ("O_APPEND", 0o2000, os.O_APPEND, "passed", ""),
    ("O_NONBLOCK", 0o4000, 0, "emulated", "what may block is always O_NONBLOCK on the host"),
    ("O_DSYNC", 0o10000, os.O_DSYNC, "passed", ""),
    ("O_ASYNC", 0o20000, 0, "ignored", "no SIGIO"),
    ("O_DIRECT", 0o40000, 0, "ignored", "alignment would be that of the vkernel's buffers"),
    ("O_LARGEFILE", O_LARGEFILE, HOST_LARGEFILE, "passed", ""),
    ("O_DIRECTORY", O_DIRECTORY, os.O_DIRECTORY, "passed", ""),
    ("O_NOFOLLOW", O_NOFOLLOW, os.O_NOFOLLOW, "passed", ""),
    ("O_NOATIME", O_NOATIME, os.O_NOATIME, "passed", ""),
    ("O_CLOEXEC", 0o2000000, 0, "emulated", "host fds are always close-on-exec"),
    ("__O_SYNC", 0o4000000, os.O_SYNC & ~os.O_DSYNC, "passed", "O_SYNC is this and O_DSYNC"),
    ("O_PATH", O_PATH, os.O_PATH, "passed", "drops all but O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC"),
    ("__O_TMPFILE", O_TMPFILE, os.O_TMPFILE & ~os.O_DIRECTORY, "passed", ""),
)
_PASSED: Final = tuple((guest, host) for _, guest, host, decision, _ in OPEN_FLAGS if decision == "passed")


def to_host(flags: int) -> int:
    """The host's flags for the guest's; emulated, ignored and unknown bits are left out."""
    return sum(host for guest, host in _PASSED if flags & guest)


def to_guest(flags: int) -> int:
    """The guest's flags for what F_GETFL says on the host."""
    found = sum(guest for guest, host in _PASSED if flags & host)
    return found | (0o4000 if flags & os.O_NONBLOCK else 0)
