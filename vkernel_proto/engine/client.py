"""In: one control connection. Out: its messages, checked and in order, and what it is told, without waiting for it.

A client is root or the vkernel's own user, and nobody the loop waits for: it may send garbage, leave at any time, or
not read. Its fds travel on the first byte of a spawn line: the kernel keeps their order, so the oldest three belong to
the oldest spawn, and three that no line asked for end the connection.
"""

from __future__ import annotations

import array
import os
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from recompiler.errors import Error
from recompiler.format import strictjson
from vkernel_proto.engine.loop import READ, WRITE, Loop
from vkernel_proto.wire import stream
from vkernel_proto.wire.json_codec import LINE_MAX, check_fields, decode

HELLO: Final = {"type": str, "version": int, "cid": str, "role": str}
HELLO_MAX: Final = 4096
UNREAD_MAX: Final = 1 << 20  # bytes that a client leaves unread before it is dropped
PIECE: Final = 1 << 16
BUSY_MAX: Final = 64  # requests without an answer; then it is not read until some have theirs
LINGER_SECONDS: Final = 2.0
CARRIER: Final = "spawn"  # the one message that fds come with
UNASKED: Final = "file descriptors that were not asked for"

Handle = Callable[["Client", dict[str, Any]], None]


class Client:
    """One connection; `handle` gets each message, `left` is called once when it ends, with why, or None."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        cid: str,
        greeting: dict[str, object],
        handle: Handle,
        left: Callable[[Client, Error | None], None],
        timeout: float,
    ) -> None:
        """sock must be prepared (stream.prepare) and its peer checked; greeting answers its hello."""
        sock.setblocking(False)
        self.cid = cid
        self.settled = False  # past the hello
        self.open = True
        self.busy = 0
        self._loop = loop
        self._sock = sock
        self._greeting = greeting
        self._handle = handle
        self._left = left
        self._input = bytearray()
        self._output = bytearray()
        self._fds: deque[list[int]] = deque()
        self._sender: bytes | None = None
        self._last = 0
        self._paused = self._lingering = False
        loop.watch(sock.fileno(), READ, self._ready)
        loop.later(timeout, self._too_late)

    def answer(self, message: dict[str, object]) -> None:
        """Answers a request that was counted in `busy`."""
        self.busy -= 1
        self.tell(message)
        if self._paused and self.open:
            self._paused = False
            self._watch()
            self._guarded(self._lines)

    def tell(self, message: dict[str, object]) -> None:
        """Sends a message; one that is gone does not hear it."""
        if self.open and not self._lingering:
            self._send(strictjson.dumps(message))

    def take_fds(self) -> list[int]:
        """The three fds of the spawn that is being handled; the caller owns them. Raises Error (E_RPC_FDS)."""
        if not self._fds:
            raise Error("E_RPC_FDS", "a spawn carries the fds 0, 1 and 2 on its first byte")
        return self._fds.popleft()

    def drop(self, error: Error | None) -> None:
        """Ends the connection; one that has not said hello reads why."""
        if not self.open or self._lingering:
            return
        self._left(self, error)
        if error is None or self.settled:
            self.close()
            return
        self._send(strictjson.dumps({"status": "denied", "error": error.code, "message": error.message}))
        # Closed with unread input, the socket would be reset and the answer lost.
        self._lingering = True
        self._discard_fds()
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        self._loop.later(LINGER_SECONDS, self.close)

    def close(self) -> None:
        """Closes the socket without another word."""
        if self.open:
            self.open = False
            self._loop.forget(self._sock.fileno())
            self._sock.close()
            self._discard_fds()

    def _ready(self, events: int) -> None:
        if events & WRITE and self._output:
            self._flush()
        if self.open and events & ~WRITE:
            self._guarded(self._receive)

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Error as error:
            self.drop(error)
        except Exception as error:  # a defect of ours costs this client its connection, and nobody else
            self.drop(Error("E_INTERNAL", f"{type(error).__name__}: {error}"))

    def _receive(self) -> None:
        try:
            data, ancillary, flags, _ = self._sock.recvmsg(PIECE, stream.ANCILLARY_SIZE, stream.RECEIVE_FLAGS)
        except BlockingIOError:
            return
        except OSError:
            data, ancillary, flags = b"", [], 0
        if self._lingering:
            _close_all(ancillary)
            if not data:
                self.close()
            return
        if not data:
            inside = bool(self._input)
            self.drop(Error("E_RPC_CLOSED", "the peer closed the connection inside a line") if inside else None)
            return
        self._take_ancillary(ancillary, flags)
        self._input += data
        self._lines()

    def _take_ancillary(self, ancillary: list[tuple[int, int, bytes]], flags: int) -> None:
        sender = None
        for _, kind, value in ancillary:
            if kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(value[: len(value) - len(value) % fds.itemsize])
                self._fds.append(fds.tolist())
            elif kind == socket.SCM_CREDENTIALS:
                sender = value
        if flags & stream.CUT or (self._fds and (not self.settled or len(self._fds[-1]) != 3)):
            raise Error("E_RPC_FDS", "file descriptors that were not asked for, or not three")
        if self._sender is None:
            self._sender = sender
        elif sender != self._sender:
            raise Error("E_SOCK_PEER", "bytes from another process than the one that said hello")

    def _lines(self) -> None:
        """Handles the lines that are complete, until there are too many without an answer."""
        while self.open and not self._lingering:
            if self.busy >= BUSY_MAX:
                self._paused = True
                self._watch()
                return
            end = self._input.find(b"\n")
            if end < 0:
                break
            line = bytes(self._input[:end])
            del self._input[: end + 1]
            if len(line) >= (LINE_MAX if self.settled else HELLO_MAX):
                raise Error("E_RPC_FRAME", "a line that is too long")
            message = decode(line)
            if self._fds and not self._input and message.get("type") != CARRIER:
                raise Error("E_RPC_FDS", UNASKED)  # before it is answered: nothing follows that they could belong to
            (self._message if self.settled else self._hello)(message)
        if len(self._input) >= (LINE_MAX if self.settled else HELLO_MAX):
            raise Error("E_RPC_FRAME", "a line that is too long")
        if len(self._fds) > (1 if self._input else 0):
            raise Error("E_RPC_FDS", UNASKED)

    def _hello(self, hello: dict[str, Any]) -> None:
        check_fields(hello, HELLO)
        if hello["type"] != "hello" or hello["version"] != 1 or hello["role"] != "control":
            raise Error("E_RPC_JSON", "the first line is not a control client's hello of version 1")
        if hello["cid"] != self.cid:
            raise Error("E_SOCK_ID", f"this is the vkernel of {self.cid}, not of {hello['cid'][:64]}")
        self.settled = True
        self.tell(self._greeting)

    def _message(self, message: dict[str, Any]) -> None:
        if "id" in message:
            number = message["id"]
            if type(number) is not int:
                raise Error("E_RPC_JSON", "id is not a number")
            if not self._last < number < 1 << 53:
                raise Error("E_RPC_FRAME", f"id {number} after id {self._last}")
            self._last = number
        self._handle(self, message)

    def _send(self, data: bytes) -> None:
        sent = 0
        if not self._output:
            try:
                sent = self._sock.send(data, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                pass
            except OSError:
                return  # gone: the loop reads that next
            if sent == len(data):
                return
        self._output += data[sent:]
        if len(self._output) > UNREAD_MAX:
            self.settled = True  # it does not read: no word to it
            self.drop(Error("E_SOCK_TIMEOUT", "the peer does not read its replies"))
        else:
            self._watch()

    def _flush(self) -> None:
        with suppress(OSError):  # full again, or gone: the loop reads that next
            del self._output[: self._sock.send(self._output[:PIECE], socket.MSG_NOSIGNAL)]
        self._watch()

    def _watch(self) -> None:
        if self.open:
            self._loop.change(self._sock.fileno(), (0 if self._paused else READ) | (WRITE if self._output else 0))

    def _too_late(self) -> None:
        if not self.settled:
            self.drop(Error("E_SOCK_TIMEOUT", stream.LATE))

    def _discard_fds(self) -> None:
        for fds in self._fds:
            for fd in fds:
                os.close(fd)
        self._fds.clear()


def _close_all(ancillary: list[tuple[int, int, bytes]]) -> None:
    for _, kind, value in ancillary:
        if kind == socket.SCM_RIGHTS:
            fds = array.array("i")
            fds.frombytes(value[: len(value) - len(value) % fds.itemsize])
            for fd in fds:
                os.close(fd)
