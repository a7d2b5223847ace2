"""In: the syscalls of a guest on an fd it has. Out: Linux's answers; what blocks can be interrupted.

The host's fds do not block (fds.py): an attempt that says EAGAIN is followed by Process.wait, and made again. Only a
borrowed fd (0, 1, 2) may be a blocking one. There RWF_NOWAIT asks for the same; a terminal does not know it and gets
poll(2) first and then no more than its driver has room for.
"""

from __future__ import annotations

import errno
import fcntl as host_fcntl
import os
import select
import stat
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from vkernel_proto.linux import syscall
from vkernel_proto.stub import flags as fl
from vkernel_proto.stub import memory
from vkernel_proto.stub.fds import O_APPEND, O_NONBLOCK, Kind, OpenFile, Status
from vkernel_proto.stub.files import pack_stat

if TYPE_CHECKING:
    from vkernel_proto.stub.process import Process

Answer = tuple[int, bytes]

DATA_MAX: Final = 1_000_000  # bytes of data in one record; a longer read or write is short
_DIRENTS_MAX: Final = 1 << 16
_TERMINAL_WRITE: Final = 256  # POLLOUT promises this much: WAKEUP_CHARS in drivers/tty/n_tty.c

_PUNCH_HOLE: Final = 2  # fallocate(2)

F_DUPFD: Final = 0
F_GETFD: Final = 1
F_SETFD: Final = 2
F_GETFL: Final = 3
F_SETFL: Final = 4
F_DUPFD_CLOEXEC: Final = 1030
_SETFL: Final = O_APPEND | O_NONBLOCK | fl.O_NOATIME


def borrow(host: int) -> OpenFile:
    """The OpenFile of an fd that came with hello. Its description is shared with whoever passed it."""
    found = os.fstat(host)
    os.set_inheritable(host, False)
    if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
        kind = Kind.PLAIN
    else:
        kind = Kind.SOCKET if stat.S_ISSOCK(found.st_mode) else Kind.STREAM
    guest_flags = fl.to_guest(host_fcntl.fcntl(host, host_fcntl.F_GETFL))
    return OpenFile(host, kind, Status(guest_flags, borrowed=True, wait_first=stat.S_ISFIFO(found.st_mode)))


def read(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    file = process.files[args[0]]
    count = args[1]
    if file.kind is Kind.PLAIN:
        data = os.read(file.host, count if count < DATA_MAX else DATA_MAX)
    else:
        data = _read_stream(process, file, min(count, DATA_MAX))
    return len(data), data


def write(process: Process, args: Sequence[int], _strings: Sequence[bytes], data: bytes) -> Answer:
    file = process.files[args[0]]
    if len(data) > DATA_MAX:
        data = data[:DATA_MAX]
    if file.kind is Kind.PLAIN:
        return os.write(file.host, data), b""
    if file.kind is Kind.MEMORY:
        memory.charge(process, file, _start(file, os.lseek(file.host, 0, os.SEEK_CUR)) + len(data))
        return os.write(file.host, data), b""
    return _write_stream(process, file, data), b""


def pread64(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    data = os.pread(process.files[args[0]].host, min(args[1], DATA_MAX), args[2])
    return len(data), data


def pwrite64(process: Process, args: Sequence[int], _strings: Sequence[bytes], data: bytes) -> Answer:
    file = process.files[args[0]]
    data = data[:DATA_MAX]
    if file.kind is Kind.MEMORY:
        memory.charge(process, file, _start(file, args[1]) + len(data))
    return os.pwrite(file.host, data, args[1]), b""


def lseek(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    return syscall("lseek", process.files[args[0]].host, args[1], args[2]), b""


def close(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    process.files.close(args[0])
    return 0, b""


def fstat(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    return 0, pack_stat(os.fstat(process.files[args[0]].host))


def fsync(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    return syscall("fsync", process.files[args[0]].host), b""


def fdatasync(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    return syscall("fdatasync", process.files[args[0]].host), b""


def ftruncate(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    file = process.files[args[0]]
    if file.kind is Kind.MEMORY:
        memory.charge(process, file, args[1])
    return syscall("ftruncate", file.host, args[1]), b""


def fallocate(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    fd, mode, offset, length = args[:4]
    file = process.files[fd]
    if file.kind is Kind.MEMORY and not mode & _PUNCH_HOLE:
        memory.charge(process, file, offset + length)
    return syscall("fallocate", file.host, mode, offset, length), b""


def getdents64(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    host = process.files[args[0]].host
    entries = bytearray(max(0, min(args[1], _DIRENTS_MAX)))  # the layout is the same on every machine
    length = syscall("getdents64", host, entries, len(entries))
    return length, bytes(entries[: max(0, length)])


def dup(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    return _dup(process, process.files[args[0]], 0, cloexec=False), b""


def fcntl(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    fd, command, value = args[:3]
    file = process.files[fd]
    if command in (F_DUPFD, F_DUPFD_CLOEXEC):
        if not 0 <= value < process.files.limit:
            return -errno.EINVAL, b""
        return _dup(process, file, value, cloexec=command == F_DUPFD_CLOEXEC), b""
    if file.status.flags & fl.O_PATH and command == F_SETFL:
        return -errno.EBADF, b""
    if command == F_GETFD:
        return int(file.cloexec), b""
    if command == F_SETFD:
        file.cloexec = bool(value & 1)
        return 0, b""
    if command == F_GETFL:
        return file.status.flags, b""
    if command == F_SETFL:
        return _set_flags(file, value), b""
    return -errno.EINVAL, b""


def _start(file: OpenFile, offset: int) -> int:
    """Where a write begins; O_APPEND goes before any offset, even pwrite's (pwrite(2), BUGS)."""
    return os.fstat(file.host).st_size if file.status.flags & O_APPEND else offset


def _set_flags(file: OpenFile, value: int) -> int:
    """F_SETFL. O_NONBLOCK is the guest's alone; the rest of a borrowed description is the operator's."""
    status = file.status
    wanted = (status.flags & ~_SETFL) | (value & _SETFL)
    if (wanted ^ status.flags) & ~O_NONBLOCK:
        if status.borrowed:
            return -errno.EPERM
        host = host_fcntl.fcntl(file.host, host_fcntl.F_GETFL) & ~(os.O_APPEND | os.O_NOATIME)
        host_fcntl.fcntl(file.host, host_fcntl.F_SETFL, host | fl.to_host(wanted & _SETFL))
    status.flags = wanted
    return 0


def _dup(process: Process, file: OpenFile, lowest: int, *, cloexec: bool) -> int:
    # A host fd of its own, so that epoll(7) sees the descriptors that Linux would see.
    fd = process.files.free(lowest)
    host = host_fcntl.fcntl(file.host, host_fcntl.F_DUPFD_CLOEXEC, 0)
    return process.files.put(fd, OpenFile(host, file.kind, file.status, cloexec))


def _read_stream(process: Process, file: OpenFile, count: int) -> bytes:
    status = file.status
    if file.kind is Kind.MEMORY or count <= 0:
        return os.read(file.host, count)
    wait = status.wait_first and not status.nonblock
    while True:
        if wait and not process.wait(file.host, select.POLLIN, status.receive_timeout):
            raise OSError(errno.EAGAIN, "SO_RCVTIMEO")
        data = _read_now(process, file, count)
        if data is not None:
            return data
        if status.nonblock:
            raise OSError(errno.EAGAIN, "O_NONBLOCK")
        wait = True


def _read_now(process: Process, file: OpenFile, count: int) -> bytes | None:
    """What read(2) gives without waiting; None when there is nothing yet."""
    try:
        if not file.status.borrowed:
            return os.read(file.host, count)
        try:
            buffer = bytearray(count)
            length = os.preadv(file.host, [buffer], -1, os.RWF_NOWAIT)
            return bytes(memoryview(buffer)[:length])
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
        ready = process.wait(file.host, select.POLLIN, 0 if file.status.nonblock else -1)
        return os.read(file.host, count) if ready else None
    except BlockingIOError:
        return None


def _write_stream(process: Process, file: OpenFile, data: bytes) -> int:
    """write(2): all of it unless O_NONBLOCK; fewer bytes when something came in between after the first ones."""
    status = file.status
    done = 0
    while True:
        try:
            ret = _write_now(process, file, data[done:] if done else data)
            if ret is not None:
                done += ret
                if done == len(data) or (status.nonblock and ret < len(data)):
                    return done
            elif status.nonblock:
                raise OSError(errno.EAGAIN, "O_NONBLOCK")
            elif not process.wait(file.host, select.POLLOUT, status.send_timeout):
                raise OSError(errno.EAGAIN, "SO_SNDTIMEO")
        except OSError:
            if done:
                return done
            raise


def _write_now(process: Process, file: OpenFile, data: bytes) -> int | None:
    """What write(2) does without waiting; None when there is no room yet."""
    try:
        if not file.status.borrowed:
            return os.write(file.host, data)
        try:
            return os.pwritev(file.host, [data], -1, os.RWF_NOWAIT)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
        ready = process.wait(file.host, select.POLLOUT, 0 if file.status.nonblock else -1)
        return os.write(file.host, data[:_TERMINAL_WRITE]) if ready else None
    except BlockingIOError:
        return None
