"""In: a guest's waits: poll, epoll, pipes, futexes. Out: Linux's answers; every wait can be interrupted."""

from __future__ import annotations

import errno
import os
import select
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from vkernel_proto.linux import X86_64, syscall
from vkernel_proto.stub.fds import O_CLOEXEC, O_NONBLOCK, O_WRONLY, Kind, OpenFile, Status

if TYPE_CHECKING:
    from vkernel_proto.stub.process import Process

Answer = tuple[int, bytes]

_POLLFD: Final = struct.Struct("<ihH")
_EVENT: Final = struct.Struct("<IQ")  # struct epoll_event of x86-64 is packed
_HOST_EVENT: Final = struct.Struct("=IQ" if X86_64 else "=I4xQ")
_INT32X2: Final = struct.Struct("<ii")
_MILLISECOND: Final = 1_000_000
_EVENTS_MAX: Final = 1024  # of one epoll_wait; more come with the next

EPOLL_CTL_ADD: Final = 1
EPOLL_CTL_DEL: Final = 2
EPOLL_CTL_MOD: Final = 3
_EPOLLWAKEUP: Final = 1 << 29  # would keep the host from suspending
_O_DIRECT: Final = 0o40000  # pipe2: packets
FUTEX_WAIT: Final = 0
FUTEX_WAKE: Final = 1


def poll(process: Process, args: Sequence[int], _strings: Sequence[bytes], data: bytes) -> Answer:
    if len(data) % _POLLFD.size or len(data) // _POLLFD.size > process.files.limit:
        return -errno.EINVAL, b""
    asked = list(_POLLFD.iter_unpack(data))
    wanted = []
    missing = False
    for fd, events, _ in asked:
        file = process.files.get(fd) if fd >= 0 else None
        missing |= fd >= 0 and file is None
        wanted.append((file.host if file is not None else -1, events))  # the kernel skips -1
    revents = process.wait_many(wanted, 0 if missing else _timeout(args[0]))
    answers = [
        (fd, events, select.POLLNVAL if fd >= 0 and host < 0 else found & 0xFFFF)
        for (fd, events, _), (host, _), found in zip(asked, wanted, revents, strict=True)
    ]
    return sum(1 for answer in answers if answer[2]), b"".join(_POLLFD.pack(*answer) for answer in answers)


def epoll_create1(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    if args[0] & ~O_CLOEXEC:
        return -errno.EINVAL, b""
    fd = process.files.free()
    host = syscall("epoll_create1", os.O_CLOEXEC)
    if host < 0:
        return host, b""
    return process.files.put(fd, OpenFile(host, Kind.EPOLL, Status(2), bool(args[0]))), b""


def epoll_ctl(process: Process, args: Sequence[int], _strings: Sequence[bytes], data: bytes) -> Answer:
    epfd, op, fd = args[:3]
    epoll, file = process.files[epfd], process.files[fd]
    if op == EPOLL_CTL_DEL:
        event = b""
    elif op in (EPOLL_CTL_ADD, EPOLL_CTL_MOD) and len(data) == _EVENT.size:
        events, value = _EVENT.unpack(data)
        event = _HOST_EVENT.pack(events & ~_EPOLLWAKEUP, value)
    else:
        return -errno.EINVAL, b""
    return syscall("epoll_ctl", epoll.host, op, file.host, event), b""


def epoll_wait(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    epfd, maxevents, timeout = args[:3]
    epoll = process.files[epfd]
    if maxevents <= 0:
        return -errno.EINVAL, b""
    events = bytearray(min(maxevents, _EVENTS_MAX) * _HOST_EVENT.size)
    while True:
        count = syscall("epoll_pwait", epoll.host, events, len(events) // _HOST_EVENT.size, 0, 0, 8)
        if count != 0 or timeout == 0:
            break
        if not process.wait(epoll.host, select.POLLIN, _timeout(timeout)):
            return 0, b""
        # Ready, and yet the next turn may find nothing: another process took it. Then the wait begins again.
    found = _HOST_EVENT.iter_unpack(events[: max(0, count) * _HOST_EVENT.size])
    return count, b"".join(_EVENT.pack(*event) for event in found)


def pipe2(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    flags = args[0]
    if flags & ~(O_CLOEXEC | O_NONBLOCK | _O_DIRECT):
        return -errno.EINVAL, b""
    reader = process.files.free()
    writer = process.files.free(skip=reader)
    packets = os.O_DIRECT if flags & _O_DIRECT else 0
    host_reader, host_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK | packets)
    kept = flags & (O_NONBLOCK | _O_DIRECT)
    cloexec = bool(flags & O_CLOEXEC)
    process.files.put(reader, OpenFile(host_reader, Kind.STREAM, Status(kept), cloexec))
    process.files.put(writer, OpenFile(host_writer, Kind.STREAM, Status(kept | O_WRONLY), cloexec))
    return 0, _INT32X2.pack(reader, writer)


def futex(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    """futex(2) on keys of the container. The guest's side has read the word: `observed` is what it saw."""
    key, op, value, observed, timeout = args[:5]
    container = process.container
    if op == FUTEX_WAKE:
        return container.futex_wake(key, max(0, value)), b""
    if op != FUTEX_WAIT or timeout < -1:
        return -errno.EINVAL, b""
    if (observed ^ value) & 0xFFFFFFFF:
        return -errno.EAGAIN, b""
    event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    container.futex_enqueue(key, event)
    failed = errno.ETIMEDOUT
    try:
        process.wait(event, select.POLLIN, timeout)
    except OSError as error:
        failed = error.errno or errno.EINTR
    finally:
        waited_in_vain = container.futex_withdraw(key, event)
        os.close(event)
    return (-failed if waited_in_vain else 0), b""


def _timeout(milliseconds: int) -> int:
    """A timeout of poll(2) in ns: negative is -1, for ever."""
    return min(milliseconds, 0x7FFFFFFF) * _MILLISECOND if milliseconds >= 0 else -1
