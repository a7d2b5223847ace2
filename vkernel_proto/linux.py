"""In: the name of a Linux syscall and its arguments. Out: the kernel's value, or -errno; the GIL is released meanwhile.

Only what Python's os module cannot say (openat2, renameat2, ppoll with nanoseconds, raw sockaddrs, ...) goes this way.
The numbers are this machine's; the numbers on the wire (vkernel_proto/wire/syscalls.py) are x86-64's everywhere.
"""

from __future__ import annotations

import platform
from typing import Final

from recompiler import native

# name -> number on x86-64 and on aarch64 (include/uapi/asm-generic/unistd.h)
_NUMBERS: Final[dict[str, tuple[int, int]]] = {
    "accept4": (288, 242),
    "bind": (49, 200),
    "connect": (42, 203),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_pwait": (281, 22),
    "faccessat2": (439, 439),
    "fallocate": (285, 47),
    "fdatasync": (75, 83),
    "fstatfs": (138, 44),
    "fsync": (74, 82),
    "ftruncate": (77, 46),
    "getdents64": (217, 61),
    "getsockname": (51, 204),
    "getsockopt": (55, 209),
    "linkat": (265, 37),
    "listen": (50, 201),
    "lseek": (8, 62),
    "memfd_create": (319, 279),
    "mkdirat": (258, 34),
    "openat2": (437, 437),
    "ppoll": (271, 73),
    "readlinkat": (267, 78),
    "recvfrom": (45, 207),
    "renameat2": (316, 276),
    "sendto": (44, 206),
    "setsockopt": (54, 208),
    "shutdown": (48, 210),
    "socket": (41, 198),
    "symlinkat": (266, 36),
    "timerfd_create": (283, 85),
    "timerfd_settime": (286, 86),
    "unlinkat": (263, 35),
    "utimensat": (280, 88),
}
X86_64: Final = platform.machine() == "x86_64"
_NUMBER: Final = {name: row[0 if X86_64 else 1] for name, row in _NUMBERS.items()}

AT_FDCWD: Final = -100


def syscall(name: str, *args: int | bytes | bytearray) -> int:
    """Makes one syscall; a buffer goes by address, and the kernel writes into a bytearray."""
    return native.syscall(_NUMBER[name], *args)
