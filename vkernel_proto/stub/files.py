"""In: a guest's file syscalls that name a path. Out: Linux's answers, from under the container's root (paths.py)."""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from vkernel_proto.linux import AT_FDCWD, syscall
from vkernel_proto.paths import PATH_MAX, admit, parent_of, place, resolve
from vkernel_proto.stub import flags as fl
from vkernel_proto.stub.fds import O_ACCMODE, O_APPEND, O_CLOEXEC, O_NONBLOCK, Kind, OpenFile, Status

if TYPE_CHECKING:
    from vkernel_proto.stub.process import Process

Answer = tuple[int, bytes]

AT_SYMLINK_NOFOLLOW: Final = 0x100
AT_REMOVEDIR: Final = 0x200
AT_SYMLINK_FOLLOW: Final = 0x400
AT_NO_AUTOMOUNT: Final = 0x800
AT_EMPTY_PATH: Final = 0x1000
RENAME_NOREPLACE: Final = 1
RENAME_EXCHANGE: Final = 2  # RENAME_WHITEOUT makes a device node: refused

# Without set-user-ID and set-group-ID: such a file would carry the vkernel's identity to whoever on the host runs it.
_MODE: Final = 0o1777
_FIFO_RETRY_NS: Final = 20_000_000
_KEPT: Final = O_ACCMODE | O_APPEND | O_NONBLOCK | 0o10000 | 0o4000000 | fl.O_LARGEFILE | fl.O_NOATIME
_KEPT_WITH_PATH: Final = fl.O_PATH | fl.O_DIRECTORY | fl.O_NOFOLLOW
_STAT: Final = struct.Struct("<QQQIIIIQqqqqqqqqq24x")


def openat(process: Process, args: Sequence[int], strings: Sequence[bytes], _data: bytes) -> Answer:
    fd = process.files.free()  # EMFILE comes before a file is made, as on Linux
    return process.files.put(fd, _open(process, args[0], strings[0], args[2], args[3])), b""


def open_(process: Process, args: Sequence[int], strings: Sequence[bytes], _data: bytes) -> Answer:
    fd = process.files.free()
    return process.files.put(fd, _open(process, AT_FDCWD, strings[0], args[1], args[2])), b""


def newfstatat(process: Process, args: Sequence[int], strings: Sequence[bytes], _data: bytes) -> Answer:
    dirfd, path, flags = args[0], strings[0], args[2]
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH):
        return -errno.EINVAL, b""
    if not path and flags & AT_EMPTY_PATH:
        host = process.container.root_fd if dirfd == AT_FDCWD else process.files[dirfd].host
        return 0, pack_stat(os.fstat(host))
    with place(process, dirfd, path, follow=not flags & AT_SYMLINK_NOFOLLOW) as (_, found):
        return 0, pack_stat(found)


def mkdirat(process: Process, args: Sequence[int], strings: Sequence[bytes], _data: bytes) -> Answer:
    with parent_of(process, args[0], strings[0]) as (parent, last):
        return syscall("mkdirat", parent, last, args[2]), b""


def unlinkat(process: Process, args: Sequence[int], strings: Sequence[bytes], _data: bytes) -> Answer:
    if args[2] & ~AT_REMOVEDIR:
        return -errno.EINVAL, b""
    with parent_of(process, args[0], strings[0]) as (parent, last):
        return syscall("unlinkat", parent, last, args[2]), b""


def renameat2(process: Process, args: Sequence[int], strings: Sequence[bytes], _data: bytes) -> Answer:
    if args[4] not in (0, RENAME_NOREPLACE, RENAME_EXCHANGE):
        return -errno.EINVAL, b""
    with (
        parent_of(process, args[0], strings[0]) as (old_parent, old),
        parent_of(process, args[2], strings[1]) as (new_parent, new),
    ):
        return syscall("renameat2", old_parent, old, new_parent, new, args[4]), b""


def linkat(process: Process, args: Sequence[int], strings: Sequence[bytes], _data: bytes) -> Answer:
    olddirfd, flags = args[0], args[4]
    if flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH):
        return -errno.EINVAL, b""
    if not strings[0] and flags & AT_EMPTY_PATH and olddirfd != AT_FDCWD:
        file = process.files[olddirfd]
        if file.status.borrowed:  # a name would let the guest open the operator's file with other rights
            return -errno.EPERM, b""
        return _link(process, file.host, args[2], strings[1])
    with place(process, olddirfd, strings[0], follow=bool(flags & AT_SYMLINK_FOLLOW)) as (source, _):
        return _link(process, source, args[2], strings[1])


def symlinkat(process: Process, args: Sequence[int], strings: Sequence[bytes], _data: bytes) -> Answer:
    with parent_of(process, args[1], strings[1]) as (parent, last):
        return syscall("symlinkat", strings[0], parent, last), b""


def readlinkat(process: Process, args: Sequence[int], strings: Sequence[bytes], _data: bytes) -> Answer:
    count = args[2]
    if count <= 0:
        return -errno.EINVAL, b""
    target = bytearray(min(count, PATH_MAX))
    if not strings[0]:  # an fd of O_PATH | O_NOFOLLOW (readlink(2), "Since Linux 2.6.39")
        if args[0] == AT_FDCWD:
            return -errno.ENOENT, b""
        length = syscall("readlinkat", process.files[args[0]].host, b"", target, len(target))
        return length, bytes(target[: max(0, length)])
    with place(process, args[0], strings[0], follow=False) as (host, found):
        if not stat.S_ISLNK(found.st_mode):
            return -errno.EINVAL, b""
        length = syscall("readlinkat", host, b"", target, len(target))
        return length, bytes(target[: max(0, length)])


def utimensat(process: Process, args: Sequence[int], strings: Sequence[bytes], data: bytes) -> Answer:
    dirfd, path, flags = args[0], strings[0], args[2]
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) or len(data) not in (0, 32):
        return -errno.EINVAL, b""
    times = data or 0  # none: both are now
    if not path:
        if dirfd == AT_FDCWD:
            return -errno.EFAULT, b""
        return syscall("utimensat", process.files[dirfd].host, b"", times, AT_EMPTY_PATH), b""
    with place(process, dirfd, path, follow=not flags & AT_SYMLINK_NOFOLLOW) as (host, _):
        return syscall("utimensat", host, b"", times, AT_EMPTY_PATH), b""


def pack_stat(found: os.stat_result) -> bytes:
    """struct stat of x86-64: 144 bytes."""
    return _STAT.pack(
        *(found.st_dev, found.st_ino, found.st_nlink, found.st_mode, found.st_uid, found.st_gid, 0, found.st_rdev),
        *(found.st_size, found.st_blksize, found.st_blocks),
        *divmod(found.st_atime_ns, 1_000_000_000),
        *divmod(found.st_mtime_ns, 1_000_000_000),
        *divmod(found.st_ctime_ns, 1_000_000_000),
    )


def _open(process: Process, dirfd: int, path: bytes, flags: int, mode: int) -> OpenFile:
    """openat(2). Raises OSError."""
    if flags & fl.O_PATH:
        return _open_path(process, dirfd, path, flags)
    access = flags & O_ACCMODE
    if access == O_ACCMODE or (flags & fl.O_CREAT and flags & fl.O_DIRECTORY):
        raise OSError(errno.EINVAL, "flags that contradict each other")
    if flags & fl.O_TMPFILE and not (flags & fl.O_DIRECTORY and access):
        raise OSError(errno.EINVAL, "O_TMPFILE without O_DIRECTORY or without write access")
    host = _open_host(process, dirfd, path, flags, mode)
    try:
        found = admit(process, host)
        if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):  # renamed into place after the look
            _refuse_device(process, path)
    except BaseException:
        os.close(host)
        raise
    fifo = stat.S_ISFIFO(found.st_mode)
    status = Status((flags & _KEPT) | fl.O_LARGEFILE | (flags & (fl.O_DIRECTORY | fl.O_NOFOLLOW)), wait_first=fifo)
    return OpenFile(host, Kind.STREAM if fifo else Kind.PLAIN, status, bool(flags & O_CLOEXEC))


def _open_path(process: Process, dirfd: int, path: bytes, flags: int) -> OpenFile:
    host = resolve(process, dirfd, path, fl.to_host(flags & _KEPT_WITH_PATH))
    try:
        admit(process, host)
    except BaseException:
        os.close(host)
        raise
    return OpenFile(host, Kind.PLAIN, Status(flags & _KEPT_WITH_PATH), bool(flags & O_CLOEXEC))


def _open_host(process: Process, dirfd: int, path: bytes, flags: int, mode: int) -> int:
    """A host fd of the named file, which is made if the flags say so. Always O_NONBLOCK. Raises OSError."""
    host_flags = fl.to_host(flags) | fl.HOST_LARGEFILE | os.O_NONBLOCK | os.O_NOCTTY
    mode = mode & _MODE if flags & (fl.O_CREAT | fl.O_TMPFILE) else 0
    exclusive = flags & fl.O_CREAT and flags & fl.O_EXCL
    # These cannot open something that was there before: a look first would only blur the error.
    if exclusive or flags & fl.O_TMPFILE or (flags & fl.O_CREAT and path.endswith(b"/")):
        return resolve(process, dirfd, path, host_flags, mode)
    try:
        with place(process, dirfd, path, follow=not flags & fl.O_NOFOLLOW) as (looked, found):
            if stat.S_ISLNK(found.st_mode):
                raise OSError(errno.ENOTDIR if flags & fl.O_DIRECTORY else errno.ELOOP, "a symlink")
            if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
                _refuse_device(process, path)
            if stat.S_ISDIR(found.st_mode) and flags & fl.O_CREAT:
                raise OSError(errno.EISDIR, "a directory")
            again = host_flags & ~(os.O_CREAT | os.O_NOFOLLOW)
            return _reopen(process, looked, again, bool(flags & O_NONBLOCK))
    except FileNotFoundError:
        if not flags & fl.O_CREAT:
            raise
    return resolve(process, dirfd, path, host_flags, mode)


def _reopen(process: Process, looked: int, host_flags: int, nonblock: bool) -> int:
    """Opens what an O_PATH fd stands for. A FIFO without a reader is waited for, as open(2) does (fifo(7))."""
    while True:
        try:
            return os.open(f"/proc/self/fd/{looked}", host_flags | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO or nonblock or not stat.S_ISFIFO(os.fstat(looked).st_mode):
                raise
        process.wait_many((), _FIFO_RETRY_NS)


def _link(process: Process, source: int, newdirfd: int, newpath: bytes) -> Answer:
    # Through /proc because AT_EMPTY_PATH asks for CAP_DAC_READ_SEARCH (linkat(2)).
    with parent_of(process, newdirfd, newpath) as (parent, last):
        name = f"/proc/self/fd/{source}".encode()
        return syscall("linkat", AT_FDCWD, name, parent, last, AT_SYMLINK_FOLLOW), b""


def _refuse_device(process: Process, path: bytes) -> None:
    process.policy.deny("openat", "a device node", path=path.decode("utf-8", "backslashreplace"))
    raise OSError(errno.EACCES, "a device node")
