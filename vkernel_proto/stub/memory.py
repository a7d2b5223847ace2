"""In: what a guest wants of memory. Out: allowed, or refused because it would be executable (W^X, always)."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from vkernel_proto.linux import syscall
from vkernel_proto.stub.fds import O_RDWR, Kind, OpenFile, Status
from vkernel_proto.stub.flags import O_LARGEFILE

if TYPE_CHECKING:
    from vkernel_proto.stub.process import Process

Answer = tuple[int, bytes]

PROT_EXEC: Final = 4
_PROT: Final = 1 | 2 | PROT_EXEC
MAP_TYPE: Final = 0x0F  # MAP_SHARED 1, MAP_PRIVATE 2, MAP_SHARED_VALIDATE 3
MAP_ANONYMOUS: Final = 0x20
MFD_CLOEXEC: Final = 0x01
MFD_ALLOW_SEALING: Final = 0x02
MFD_NOEXEC_SEAL: Final = 0x08
MFD_EXEC: Final = 0x10
_PAGE: Final = 4096
_NAME_MAX: Final = 249  # memfd_create(2)


def mmap(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    _, length, prot, flags, fd, offset = args
    if prot & PROT_EXEC:
        return _refuse(process, "mmap", "PROT_EXEC")
    if prot & ~_PROT or not 1 <= flags & MAP_TYPE <= 3 or length <= 0 or offset < 0 or offset % _PAGE:
        return -errno.EINVAL, b""
    if not flags & MAP_ANONYMOUS:
        process.files[fd]
    if length > process.policy.memory_bytes:
        return -errno.ENOMEM, b""
    return 0, b""


def mprotect(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    addr, length, prot = args[:3]
    if prot & PROT_EXEC:
        return _refuse(process, "mprotect", "PROT_EXEC")
    if prot & ~_PROT or addr % _PAGE:
        return -errno.EINVAL, b""
    if not 0 <= length <= process.policy.memory_bytes:
        return -errno.ENOMEM, b""
    return 0, b""


def memfd_create(process: Process, args: Sequence[int], strings: Sequence[bytes], _data: bytes) -> Answer:
    flags = args[1]
    if flags & MFD_EXEC:
        return _refuse(process, "memfd_create", "MFD_EXEC")
    if not flags & MFD_NOEXEC_SEAL:
        return _refuse(process, "memfd_create", "no MFD_NOEXEC_SEAL")
    if flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL):
        return -errno.EINVAL, b""
    fd = process.files.free()
    host = syscall("memfd_create", strings[0], flags | MFD_CLOEXEC)
    if host == -errno.EINVAL and len(strings[0]) <= _NAME_MAX:
        # A kernel before 6.3 does not know MFD_NOEXEC_SEAL; nothing executes from a guest's fd anyway.
        host = syscall("memfd_create", strings[0], flags & ~MFD_NOEXEC_SEAL | MFD_CLOEXEC)
    if host < 0:
        return host, b""
    status = Status(O_RDWR | O_LARGEFILE)
    return process.files.put(fd, OpenFile(host, Kind.MEMORY, status, bool(flags & MFD_CLOEXEC))), b""


def charge(process: Process, file: OpenFile, end: int) -> None:
    """Checks that a memfd may grow to `end` bytes, all together within `memory_bytes`. Raises OSError (ENOSPC)."""
    grown = end - os.fstat(file.host).st_size
    if grown <= 0:
        return
    sizes = {}
    for other in process.files.memory_files():
        found = os.fstat(other.host)
        # By inode, since descriptors may share it; fallocate can take memory beyond the end (FALLOC_FL_KEEP_SIZE).
        sizes[found.st_dev, found.st_ino] = max(found.st_size, found.st_blocks * 512)
    if sum(sizes.values()) + grown > process.policy.memory_bytes:
        raise OSError(errno.ENOSPC, "memory_bytes of the manifest is reached")


def _refuse(process: Process, name: str, reason: str) -> Answer:
    process.policy.deny(name, reason)
    return -errno.EACCES, b""
