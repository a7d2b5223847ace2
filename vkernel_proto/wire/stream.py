"""In: a connected UNIX stream socket. Out: its bytes in one bounded buffer, from one sender only, without stray fds.

The kernel stamps every piece with its sender (SO_PASSCRED, unix(7)). After `expect` a piece from another process than
the one that said hello, or with file descriptors, ends the connection: a socket can be shared, an identity not.
"""

from __future__ import annotations

import array
import os
import socket
import struct
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any, Final

from recompiler.errors import Error

START_SIZE: Final = 1 << 16
WAITING_MAX: Final = 64  # messages; a guest that leaves so many unread loses the oldest
CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: pid, uid, gid
# Room for more fds than anyone may send: what does not fit the kernel closes, and says MSG_CTRUNC.
ANCILLARY_SIZE: Final = socket.CMSG_SPACE(CREDENTIALS.size) + socket.CMSG_SPACE(8 * 4)
SEND_FLAGS: Final = int(socket.MSG_NOSIGNAL)
RECEIVE_FLAGS: Final = int(socket.MSG_CMSG_CLOEXEC)
CUT: Final = int(socket.MSG_CTRUNC)  # an int: & of the enum costs 10 us
LATE: Final = "the peer took too long over its hello"
Ancillary = list[tuple[int, int, bytes]]


class Stream:
    """A receive buffer over a socket (`view[start:end]` is unread), and a send side that several threads may use."""

    def __init__(self, sock: socket.socket, send_timeout: float) -> None:
        self.sock = sock
        self._recvmsg_into = sock.recvmsg_into
        self._sendall = sock.sendall
        self.start = self.end = 0
        self._send_lock = threading.Lock()
        self._waiting: deque[bytes] = deque(maxlen=WAITING_MAX)
        self._expected: Ancillary | None = None
        self._deadline: float | None = None
        self._allocate(START_SIZE)
        # Timeouts are the kernel's (socket(7)): Python's own would poll before each call.
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(send_timeout))

    def need(self, count: int) -> bool:
        """Receives until `count` bytes are unread; False when the peer closed before the first of them.

        Raises Error (E_RPC_CLOSED inside a message, E_SOCK_TIMEOUT, E_RPC_FDS, E_SOCK_PEER).
        """
        while self.end - self.start < count:
            if not self.receive(count):
                if self.start == self.end:
                    return False
                raise Error("E_RPC_CLOSED", "the peer closed the connection inside a message")
        return True

    def receive(self, count: int) -> int:
        """Receives once, with room for `count` unread bytes; returns how many came, 0 at the end.

        Raises Error (E_SOCK_TIMEOUT, E_RPC_FDS, E_SOCK_PEER, E_RPC_CLOSED).
        """
        if self.start == self.end:
            self.start = self.end = 0
        if self.start + count > len(self.view):
            self._make_room(count)
        if self._deadline is not None:
            self._arm(self._deadline)
        try:
            received, ancillary, _, _ = self._recvmsg_into(
                [self.view[self.end :]] if self.end else self._whole, ANCILLARY_SIZE, RECEIVE_FLAGS
            )
        except OSError as error:
            raise _broken(error) from error
        if ancillary != self._expected and received:
            _close_fds(ancillary)
            if any(kind == socket.SCM_RIGHTS for _, kind, _ in ancillary):
                raise Error("E_RPC_FDS", "file descriptors that were not asked for")
            raise Error("E_SOCK_PEER", "bytes from another process than the one that said hello")
        self.end += received
        return received

    def first(self) -> tuple[tuple[int, int, int], list[int]]:
        """Receives the first piece: its sender (pid, uid, gid) and the fds that came with it (the caller owns them).

        Raises Error (E_SOCK_TIMEOUT, E_RPC_CLOSED, E_RPC_FDS).
        """
        if self._deadline is not None:
            self._arm(self._deadline)
        try:
            received, ancillary, flags, _ = self._recvmsg_into(self._whole, ANCILLARY_SIZE, RECEIVE_FLAGS)
        except OSError as error:
            raise _broken(error) from error
        if flags & CUT:  # more than there is room for, or this process has no fds left
            _close_fds(ancillary)
            raise Error("E_RPC_FDS", "more file descriptors came than could be taken")
        if not received:
            raise Error("E_RPC_CLOSED", "the peer closed the connection before hello")
        self.end = received
        sender, fds = (0, 0, 0), array.array("i")
        for _, kind, data in ancillary:
            if kind == socket.SCM_CREDENTIALS:
                sender = CREDENTIALS.unpack(data)
            elif kind == socket.SCM_RIGHTS:
                fds.frombytes(data)
        self._expected = [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, CREDENTIALS.pack(*sender))]
        return sender, fds.tolist()

    def set_deadline(self, seconds: float | None) -> None:
        """All that is received from now on must arrive within so many seconds; None: whenever it likes."""
        self._deadline = None if seconds is None else time.monotonic() + seconds
        if seconds is None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(0))

    def quiet(self) -> bool:
        """Whether nothing unread is here or in the socket."""
        if self.start != self.end:
            return False
        try:
            return not self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return True  # the peer is gone; the next receive says so

    def send(self, data: bytes) -> None:
        """Sends one whole message.

        Raises Error (E_SOCK_TIMEOUT: the peer does not read; E_RPC_CLOSED).
        """
        with self._send_lock:
            try:
                self._sendall(data, SEND_FLAGS)
            except BlockingIOError as error:
                raise Error("E_SOCK_TIMEOUT", "the peer does not read its replies") from error
            except OSError as error:
                raise Error("E_RPC_CLOSED", f"the peer is gone: {error.strerror}") from error
        if self._waiting:
            self._flush()

    def send_soon(self, data: bytes) -> None:
        """Sends one whole short message from another thread without waiting for the peer, who may not read at all.

        While a reply is being sent the message waits, and its sender takes it along.
        """
        self._waiting.append(data)
        self._flush()

    def _flush(self) -> None:
        # Whoever fails to get the lock appended before its holder let go of it, and that one looks here afterwards.
        while self._waiting and self._send_lock.acquire(blocking=False):
            try:
                # Far less than a socket's buffer is sent whole or not at all; a part would break the stream.
                with suppress(OSError, IndexError):
                    self.sock.send(self._waiting.popleft(), SEND_FLAGS | socket.MSG_DONTWAIT)
            finally:
                self._send_lock.release()

    def _arm(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left < 0.000001:  # a zero timeval would mean: wait for ever
            raise Error("E_SOCK_TIMEOUT", LATE)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(left))

    def _make_room(self, count: int) -> None:
        unread = bytes(self.view[self.start : self.end])
        if count > len(self.view):
            self._allocate(max(count, 2 * len(self.view)))
        self.view[: len(unread)] = unread
        self.start, self.end = 0, len(unread)

    def _allocate(self, size: int) -> None:
        self.view: memoryview[int] = memoryview(bytearray(size))
        self._whole = [self.view]


def _broken(error: OSError) -> Error:
    if isinstance(error, BlockingIOError):
        return Error("E_SOCK_TIMEOUT", LATE)
    return Error("E_RPC_CLOSED", f"the connection broke: {error.strerror}")


def _close_fds(ancillary: Ancillary) -> None:
    for _, kind, data in ancillary:
        if kind == socket.SCM_RIGHTS:
            fds: array.array[int] = array.array("i")
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
            for fd in fds:
                os.close(fd)


def _timeval(seconds: float) -> bytes:
    whole = int(seconds)
    return struct.pack("@ll", whole, int((seconds - whole) * 1_000_000))


def prepare(sock: Any) -> None:
    """Makes the kernel stamp what this socket receives with its sender; before the peer can send."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
