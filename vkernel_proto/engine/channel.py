"""In: requests to one control socket of the engine. Out: their answers and its notices, as calls from the loop."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from recompiler.errors import Error
from vkernel_proto.engine import records
from vkernel_proto.engine.loop import READ, WRITE, Loop
from vkernel_proto.engine.records import Message

Then = Callable[[Message | None], None]  # None: the engine's side is gone, and with it whatever was asked
_Waiting = tuple[int, int, tuple[int, ...], bytes, list[int]]


class Channel:
    """One socket. Answers come in the order of the requests; the fds of a request are closed when it is sent."""

    def __init__(
        self, loop: Loop, sock: socket.socket, notice: Callable[[Message], None], gone: Callable[[], None]
    ) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._sock = sock
        self._notice = notice
        self._gone = gone
        self._last = 0
        self._asked: deque[tuple[int, Then]] = deque()
        self._waiting: deque[_Waiting] = deque()
        self.open = True
        loop.watch(sock.fileno(), READ, self._ready)

    def request(
        self, kind: int, values: Sequence[int] = (), data: bytes = b"", fds: Sequence[int] = (), *, then: Then
    ) -> None:
        """Sends a record, now or when there is room; `then` gets its answer."""
        if not self.open:
            _close(fds)
            then(None)
            return
        self._last += 1
        self._asked.append((self._last, then))
        if self._waiting:
            self._waiting.append((kind, self._last, tuple(values), data, list(fds)))
            return
        try:
            records.send(self._sock, kind, self._last, values, data, fds)
        except BlockingIOError:
            self._waiting.append((kind, self._last, tuple(values), data, list(fds)))
            self._loop.change(self._sock.fileno(), READ | WRITE)
            return
        except OSError:
            pass  # gone: the loop reads that next, and every `then` hears of it
        _close(fds)

    def stop(self) -> None:
        """Asks the process at the other end, and all that depends on it, to end; there is no answer."""
        with suppress(OSError):
            records.send(self._sock, records.STOP, 0)

    def close(self) -> None:
        """Ends the connection; who waits hears None, `gone` is called."""
        if not self.open:
            return
        self.open = False
        self._loop.forget(self._sock.fileno())
        self._sock.close()
        for *_, fds in self._waiting:
            _close(fds)
        self._waiting.clear()
        while self._asked:
            self._asked.popleft()[1](None)
        self._gone()

    def _ready(self, events: int) -> None:
        if events & WRITE and self._waiting:
            self._flush()
        try:
            message = records.receive(self._sock)  # one a turn: others have theirs in between
        except BlockingIOError:
            return
        except (OSError, Error):
            message = None
        if message is None:
            self.close()
        else:
            self._take(message)

    def _take(self, message: Message) -> None:
        if not message.type & records.REPLY:
            self._notice(message)
        elif self._asked and self._asked[0][0] == message.id:
            self._asked.popleft()[1](message)
        else:  # never from an engine of ours: whatever it is, nothing of it is believed
            _close(message.fds)
            self.close()

    def _flush(self) -> None:
        while self._waiting:
            kind, ident, values, data, fds = self._waiting[0]
            try:
                records.send(self._sock, kind, ident, values, data, fds)
            except BlockingIOError:
                return
            except OSError:
                pass
            self._waiting.popleft()
            _close(fds)
        self._loop.change(self._sock.fileno(), READ)


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
