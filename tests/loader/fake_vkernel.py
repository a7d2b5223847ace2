"""In: one end of a socket and a script. Out: a vkernel that does only what the script says, wrongly where it says so.

The real vkernel never misbehaves; the stub must hold against one that does.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

HEADER: Final = struct.Struct("<4sIHHIQQ")
CALL: Final = struct.Struct("<II6qQ")
SYSCALLS, REPLIES, MESSAGE = 1, 2, 3
NAMES: Final = {1: "write", 60: "exit", 231: "exit_group", 0: "read", 228: "clock_gettime", 39: "getpid", 62: "kill"}
OK: Final = {"status": "ok", "vkernel": "fake", "pid": 1}


@dataclass
class Call:
    """One syscall as either encoding brought it."""

    id: int
    name: str
    args: list[Any]
    data: bytes


def reply_frame(id: int, ret: int, data: bytes = b"") -> bytes:
    body = struct.pack("<qII", ret, len(data), 0) + data
    return HEADER.pack(b"RCW1", len(body), REPLIES, 0, 1, id, 0) + body


def message_frame(message: dict[str, Any]) -> bytes:
    body = json.dumps(message).encode()
    return HEADER.pack(b"RCW1", len(body), MESSAGE, 0, 0, 0, 0) + body


def reply_line(id: int, ret: int, data: bytes = b"") -> bytes:
    fields: dict[str, Any] = {"id": id, "ret": ret}
    if data:
        fields["data"] = base64.b64encode(data).decode()
    return json.dumps(fields).encode() + b"\n"


@dataclass
class FakeVkernel:
    """Answers hello with `answer` (None: never; bytes: as they are), then each call with what `serve` says."""

    sock: socket.socket
    answer: dict[str, Any] | bytes | None = field(default_factory=lambda: dict(OK))
    serve: Callable[[FakeVkernel, Call], bytes] | None = None
    hello: dict[str, Any] = field(default_factory=dict)
    hello_size: int = 0
    fds: list[int] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)  # what the guest told: signals

    def start(self) -> FakeVkernel:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.sock.close()

    @property
    def binary(self) -> bool:
        return bool(self.hello.get("encoding") == "binary")

    def reply(self, call: Call, ret: int, data: bytes = b"") -> bytes:
        return (reply_frame if self.binary else reply_line)(call.id, ret, data)

    def signal(self, sig: int) -> bytes:
        message = {"type": "signal", "sig": sig}
        return message_frame(message) if self.binary else json.dumps(message).encode() + b"\n"

    def usual(self, call: Call) -> bytes:
        """write goes to the passed fds; exit is fine; nothing else is known."""
        if call.name == "write" and 0 <= call.args[0] < len(self.fds):
            try:
                return self.reply(call, os.write(self.fds[call.args[0]], call.data))
            except OSError as error:
                return self.reply(call, -(error.errno or 0))
        return self.reply(call, 0 if call.name == "exit_group" else -38)

    def _run(self) -> None:
        try:
            self._serve()
        except (OSError, EOFError):
            pass
        finally:  # a parent waits for the end of the pipes that were passed
            for fd in self.fds:
                os.close(fd)

    def _serve(self) -> None:
        self._receive_hello()
        if self.answer is None:
            self.sock.recv(1)
            return
        self.sock.sendall(self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode() + b"\n")
        while True:
            call = self._receive_frame() if self.binary else self._receive_line()
            if call is not None:
                self.calls.append(call)
                self.sock.sendall(self.serve(self, call) if self.serve else self.usual(call))

    def _receive_hello(self) -> None:
        line, fds, _, _ = socket.recv_fds(self.sock, 1 << 16, 8)
        self.fds = list(fds)
        while not line.endswith(b"\n"):
            more = self.sock.recv(1 << 16)
            if not more:
                raise EOFError
            line += more
        self.hello = json.loads(line)
        self.hello_size = len(line)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def _receive_frame(self) -> Call | None:
        _, length, kind, _, count, id, _ = HEADER.unpack(self._exactly(HEADER.size))
        body = self._exactly(length)
        if kind == MESSAGE:
            self.said.append(json.loads(body))
            return None
        assert (kind, count) == (SYSCALLS, 1)
        nr, payload, *args, reserved = CALL.unpack_from(body)
        assert (len(body), reserved) == (CALL.size + payload, 0)
        return Call(id, NAMES.get(nr, str(nr)), args, body[CALL.size :])

    def _receive_line(self) -> Call | None:
        line = self._exactly(1)
        while not line.endswith(b"\n"):  # one line is under way at a time
            more = self.sock.recv(1 << 20)
            if not more:
                raise EOFError
            line += more
        fields = json.loads(line)
        if fields["type"] != "syscall":
            self.said.append(fields)
            return None
        return Call(fields["id"], fields["name"], fields["args"], base64.b64decode(fields.get("data", "")))
