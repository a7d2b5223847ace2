"""In: a guest's socket calls, sockaddrs in Linux's layout. Out: Linux's answers, for TCP and UDP within the rules.

The manifest's network rules decide each address (policy.py). AF_UNIX is refused: a path in a sockaddr is resolved by
the kernel from the vkernel's root, not the container's. All other families and raw sockets are refused too.
"""

from __future__ import annotations

import errno
import os
import select
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from vkernel_proto.linux import syscall
from vkernel_proto.policy import parse_sockaddr
from vkernel_proto.stub.fds import O_NONBLOCK, O_RDWR, Kind, OpenFile, Status

if TYPE_CHECKING:
    from vkernel_proto.stub.process import Process

Answer = tuple[int, bytes]

_DATA_MAX: Final = 1_000_000
_SOCKADDR_MAX: Final = 128  # sockaddr_storage
_INT: Final = struct.Struct("=i")

AF_UNSPEC: Final = 0
AF_INET: Final = 2
AF_INET6: Final = 10
SOCK_STREAM: Final = 1
SOCK_DGRAM: Final = 2
SOCK_RAW: Final = 3
SOCK_NONBLOCK: Final = 0o4000
SOCK_CLOEXEC: Final = 0o2000000
_PROTOCOLS: Final = {SOCK_STREAM: (0, 6), SOCK_DGRAM: (0, 17)}  # TCP, UDP

MSG_PEEK: Final = 0x2
MSG_DONTWAIT: Final = 0x40
MSG_WAITALL: Final = 0x100
MSG_NOSIGNAL: Final = 0x4000
MSG_MORE: Final = 0x8000
_RECEIVE_FLAGS: Final = MSG_PEEK | MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL
_SEND_FLAGS: Final = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE  # MSG_FASTOPEN would be a connect

SOL_SOCKET: Final = 1
SO_TYPE: Final = 3
SO_ERROR: Final = 4
SO_LINGER: Final = 13
SO_RCVTIMEO: Final = 20
SO_SNDTIMEO: Final = 21

# (level, name) -> what it is, and whether it may be set; one that is not here is ENOPROTOOPT. Left out on purpose:
# what changes where packets go (IP_OPTIONS, SO_BINDTODEVICE, SO_MARK, IP_TRANSPARENT, multicast), who else may take
# them (SO_REUSEPORT), and programs for the kernel (SO_ATTACH_FILTER, TCP_ULP).
SOCKET_OPTIONS: Final[dict[tuple[int, int], tuple[str, bool]]] = {
    (SOL_SOCKET, 2): ("SO_REUSEADDR", True),
    (SOL_SOCKET, SO_TYPE): ("SO_TYPE", False),
    (SOL_SOCKET, SO_ERROR): ("SO_ERROR", False),
    (SOL_SOCKET, 6): ("SO_BROADCAST", True),
    (SOL_SOCKET, 7): ("SO_SNDBUF", True),
    (SOL_SOCKET, 8): ("SO_RCVBUF", True),
    (SOL_SOCKET, 9): ("SO_KEEPALIVE", True),
    (SOL_SOCKET, SO_LINGER): ("SO_LINGER", True),
    (SOL_SOCKET, SO_RCVTIMEO): ("SO_RCVTIMEO", True),
    (SOL_SOCKET, SO_SNDTIMEO): ("SO_SNDTIMEO", True),
    (SOL_SOCKET, 30): ("SO_ACCEPTCONN", False),
    (SOL_SOCKET, 38): ("SO_PROTOCOL", False),
    (SOL_SOCKET, 39): ("SO_DOMAIN", False),
    (0, 1): ("IP_TOS", True),
    (0, 2): ("IP_TTL", True),
    (41, 16): ("IPV6_UNICAST_HOPS", True),
    (41, 26): ("IPV6_V6ONLY", True),
    (6, 1): ("TCP_NODELAY", True),
    (6, 3): ("TCP_CORK", True),
    (6, 4): ("TCP_KEEPIDLE", True),
    (6, 5): ("TCP_KEEPINTVL", True),
    (6, 6): ("TCP_KEEPCNT", True),
    (6, 12): ("TCP_QUICKACK", True),
    (6, 18): ("TCP_USER_TIMEOUT", True),
}


def socket(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    domain, kind, protocol = args[:3]
    flags = kind & (SOCK_NONBLOCK | SOCK_CLOEXEC)
    kind &= ~flags
    if domain not in (AF_INET, AF_INET6):
        process.policy.deny("socket", "neither AF_INET nor AF_INET6", domain=domain)
        return -errno.EAFNOSUPPORT, b""
    if kind == SOCK_RAW:
        process.policy.deny("socket", "SOCK_RAW")
        return -errno.EPERM, b""
    if kind not in _PROTOCOLS:
        return -errno.ESOCKTNOSUPPORT if 0 <= kind <= 10 else -errno.EINVAL, b""
    if protocol not in _PROTOCOLS[kind]:
        return -errno.EPROTONOSUPPORT, b""
    fd = process.files.free()
    host = syscall("socket", domain, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol)
    return _put(process, fd, host, flags), b""


def connect(process: Process, args: Sequence[int], _strings: Sequence[bytes], data: bytes) -> Answer:
    file = _own_socket(process, args[0])
    if not _is_disconnect(data) and (refused := _check_peer(process, "connect", data)):
        return refused, b""
    ret = syscall("connect", file.host, data, len(data))
    if ret != -errno.EINPROGRESS or file.status.nonblock:
        return ret, b""
    if not process.wait(file.host, select.POLLOUT, file.status.send_timeout):
        return -errno.EINPROGRESS, b""
    return -_option(file.host, SO_ERROR), b""


def bind(process: Process, args: Sequence[int], _strings: Sequence[bytes], data: bytes) -> Answer:
    file = _own_socket(process, args[0])
    local = parse_sockaddr(data)
    if local is None:
        return _bad_sockaddr(data), b""
    if not process.policy.may_bind("bind", *local):
        return -errno.EACCES, b""
    return syscall("bind", file.host, data, len(data)), b""


def listen(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    """Decided like bind: listen(2) binds a socket that is not bound, to any address and a port of its choice."""
    file = _own_socket(process, args[0])
    local = parse_sockaddr(_own_address(file.host))
    if local is None:
        return -errno.EOPNOTSUPP, b""
    if not process.policy.may_bind("listen", *local):
        return -errno.EACCES, b""
    return syscall("listen", file.host, args[1]), b""


def accept4(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    listener, flags, capacity = args[:3]
    file = _own_socket(process, listener)
    if flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC) or capacity < 0:
        return -errno.EINVAL, b""
    fd = process.files.free()
    address, length = bytearray(_SOCKADDR_MAX), bytearray(_INT.pack(_SOCKADDR_MAX))

    def attempt() -> int:
        return syscall("accept4", file.host, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC)

    host = _repeat(process, file, select.POLLIN, attempt, file.status.receive_timeout)
    return _put(process, fd, host, flags), bytes(address[: min(*_INT.unpack(length), capacity)]) if host >= 0 else b""


def sendto(process: Process, args: Sequence[int], _strings: Sequence[bytes], data: bytes) -> Answer:
    fd, flags, addrlen = args[:3]
    file = _socket(process, fd)
    if not 0 <= addrlen <= min(len(data), _SOCKADDR_MAX) or flags & ~_SEND_FLAGS:
        return -errno.EINVAL, b""
    address, payload = data[:addrlen], data[addrlen : addrlen + _DATA_MAX]
    if address and (refused := _check_peer(process, "sendto", address)):
        return refused, b""
    host_flags = flags | MSG_DONTWAIT | MSG_NOSIGNAL
    done = 0
    while True:
        rest = payload[done:] if done else payload

        def attempt(rest: bytes = rest) -> int:
            return syscall("sendto", file.host, rest, len(rest), host_flags, address or 0, addrlen)

        try:
            ret = _repeat(process, file, select.POLLOUT, attempt, file.status.send_timeout, flags)
        except OSError as error:
            ret = -(error.errno or errno.EIO)
        if ret < 0:
            return done or ret, b""
        done += ret
        # A datagram goes whole; a blocking stream sends all (send(2)).
        if done >= len(payload) or file.status.nonblock or flags & MSG_DONTWAIT:
            return done, b""


def recvfrom(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    fd, count, flags, capacity = args[:4]
    file = _socket(process, fd)
    if count < 0 or capacity < 0 or flags & ~_RECEIVE_FLAGS:
        return -errno.EINVAL, b""
    count = min(count, _DATA_MAX)
    buffer, address, length = bytearray(count), bytearray(_SOCKADDR_MAX), bytearray(_INT.pack(_SOCKADDR_MAX))
    host_flags = (flags & MSG_PEEK) | MSG_DONTWAIT

    def attempt() -> int:
        return syscall("recvfrom", file.host, buffer, count, host_flags, address, length)

    ret = _repeat(process, file, select.POLLIN, attempt, file.status.receive_timeout, flags)
    data = bytes(buffer[: max(0, ret)])
    if 0 < ret < count and flags & MSG_WAITALL and not flags & MSG_PEEK and _option(file.host, SO_TYPE) == SOCK_STREAM:
        data += _receive_rest(process, file, count - ret, flags)
    if ret < 0:
        return ret, b""
    return len(data), data + bytes(address[: min(*_INT.unpack(length), capacity)])


def shutdown(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    return syscall("shutdown", _socket(process, args[0]).host, args[1]), b""


def setsockopt(process: Process, args: Sequence[int], _strings: Sequence[bytes], data: bytes) -> Answer:
    fd, level, name = args[:3]
    file = _own_socket(process, fd)
    option, settable = SOCKET_OPTIONS.get((level, name), ("", False))
    if not settable:
        process.policy.deny("setsockopt", "an option that is not in the list", level=level, option=option or name)
        return -errno.ENOPROTOOPT, b""
    if len(data) > _SOCKADDR_MAX:
        return -errno.EINVAL, b""
    # close(2) would wait for so long, and nothing could interrupt it
    if option == "SO_LINGER" and len(data) >= 8 and _INT.unpack_from(data, 0)[0] and _INT.unpack_from(data, 4)[0]:
        process.policy.deny("setsockopt", "SO_LINGER with a time")
        return -errno.ENOPROTOOPT, b""
    ret = syscall("setsockopt", file.host, level, name, data, len(data))
    if ret == 0 and option in ("SO_RCVTIMEO", "SO_SNDTIMEO"):
        _keep_timeout(file.status, option, data)
    return ret, b""


def getsockopt(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    fd, level, name, capacity = args[:4]
    file = _socket(process, fd)
    if (level, name) not in SOCKET_OPTIONS:
        return -errno.ENOPROTOOPT, b""
    if capacity < 0:
        return -errno.EINVAL, b""
    value, length = bytearray(_SOCKADDR_MAX), bytearray(_INT.pack(min(capacity, _SOCKADDR_MAX)))
    ret = syscall("getsockopt", file.host, level, name, value, length)
    return ret, bytes(value[: _INT.unpack(length)[0]]) if ret == 0 else b""


def _socket(process: Process, fd: int) -> OpenFile:
    """Raises OSError (EBADF, ENOTSOCK)."""
    file = process.files[fd]
    if file.kind is not Kind.SOCKET:
        raise OSError(errno.ENOTSOCK, "not a socket")
    return file


def _own_socket(process: Process, fd: int) -> OpenFile:
    """A socket that this process made. Raises OSError (EBADF, ENOTSOCK; EPERM: whoever passed it has set it up)."""
    file = _socket(process, fd)
    if file.status.borrowed:
        raise OSError(errno.EPERM, "a socket of the operator")
    return file


def _put(process: Process, fd: int, host: int, flags: int) -> int:
    """Gives a new host socket the free number fd; hands an errno on."""
    if host < 0:
        return host
    status = Status(O_RDWR | (O_NONBLOCK if flags & SOCK_NONBLOCK else 0))
    return process.files.put(fd, OpenFile(host, Kind.SOCKET, status, bool(flags & SOCK_CLOEXEC)))


def _repeat(
    process: Process, file: OpenFile, events: int, attempt: Callable[[], int], timeout_ns: int, flags: int = 0
) -> int:
    """Makes the attempt, again when the socket is ready, until it says something else than EAGAIN."""
    while True:
        ret = attempt()
        if ret != -errno.EAGAIN or file.status.nonblock or flags & MSG_DONTWAIT:
            return ret
        if not process.wait(file.host, events, timeout_ns):
            return -errno.EAGAIN


def _receive_rest(process: Process, file: OpenFile, count: int, flags: int) -> bytes:
    """The rest of a MSG_WAITALL: what came before an end, an error or an interruption."""
    received = bytearray()
    while len(received) < count:
        buffer = bytearray(count - len(received))

        def attempt(buffer: bytearray = buffer) -> int:
            return syscall("recvfrom", file.host, buffer, len(buffer), MSG_DONTWAIT, 0, 0)

        try:
            ret = _repeat(process, file, select.POLLIN, attempt, file.status.receive_timeout, flags)
        except OSError:
            break
        if ret <= 0:
            break
        received += buffer[:ret]
    return bytes(received)


def _check_peer(process: Process, name: str, data: bytes) -> int:
    """0 when the rules allow the address in this sockaddr, else -errno."""
    peer = parse_sockaddr(data)
    if peer is None:
        return _bad_sockaddr(data)
    return 0 if process.policy.may_reach(name, *peer) else -errno.EACCES


def _bad_sockaddr(data: bytes) -> int:
    known = len(data) < 2 or int.from_bytes(data[:2], "little") in (AF_INET, AF_INET6)
    return -errno.EINVAL if known else -errno.EAFNOSUPPORT


def _is_disconnect(data: bytes) -> bool:
    """AF_UNSPEC dissolves an association (connect(2)): there is no address to decide."""
    return 2 <= len(data) <= _SOCKADDR_MAX and int.from_bytes(data[:2], "little") == AF_UNSPEC


def _own_address(host: int) -> bytes:
    address, length = bytearray(_SOCKADDR_MAX), bytearray(_INT.pack(_SOCKADDR_MAX))
    ret = syscall("getsockname", host, address, length)
    if ret < 0:
        raise OSError(-ret, os.strerror(-ret))
    return bytes(address[: _INT.unpack(length)[0]])


def _option(host: int, name: int) -> int:
    """An option of SOL_SOCKET that is a number. Raises OSError."""
    value, length = bytearray(_INT.size), bytearray(_INT.pack(_INT.size))
    ret = syscall("getsockopt", host, SOL_SOCKET, name, value, length)
    if ret < 0:
        raise OSError(-ret, os.strerror(-ret))
    return int(_INT.unpack(value)[0])


def _keep_timeout(status: Status, option: str, data: bytes) -> None:
    """The host's socket does not block, so its timeout has no effect there: Process.wait takes it. Zero is none."""
    seconds, microseconds = struct.unpack_from("=qq", data)
    nanoseconds = (seconds * 1_000_000 + microseconds) * 1000 or -1
    if option == "SO_RCVTIMEO":
        status.receive_timeout = nanoseconds
    else:
        status.send_timeout = nanoseconds
