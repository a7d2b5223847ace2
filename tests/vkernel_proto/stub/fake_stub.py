"""A client that says what it is told to: honest hello and calls in both encodings, or any bytes at all."""

from __future__ import annotations

import base64
import gc
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recompiler.format import manifest, strictjson, trailer
from recompiler.format.verify import Verified
from vkernel_proto import Config, VKernel
from vkernel_proto.stub.syscalls import TABLE
from vkernel_proto.wire.frames import FRAME, MAGIC, MESSAGE, RECORD, REPLY, SYSCALLS

NUMBERS = {row.name: row.nr for row in TABLE}
STATUS_MAX = 1 << 16
TIMEOUT = 30.0


def signed(name: str = "test/guest", allow: Sequence[str] = tuple(NUMBERS), **limits: int) -> Verified:
    """What a verifier says of an executable of this name: consistent, and signed by nobody."""
    wasm = b"\0asm\1\0\0\0"
    data = manifest.build(wasm, name=name, allow=allow, **limits)
    slots = trailer.lay_out(1, [(1, 64, bytes(32)), (2, len(wasm), bytes(32)), (3, len(data), bytes(32))])
    statement = trailer.build_statement(kind=1, subject=name, sections=slots, signed_at=1_800_000_000)
    return Verified(statement, manifest.parse(data), data, None, 0, ())


def frame(kind: int, count: int, first: int, body: bytes, magic: bytes = MAGIC) -> bytes:
    return FRAME.pack(magic, len(body), kind, 0, count, first, 0) + body


def record(name: str, *args: int, payload: bytes = b"") -> bytes:
    return RECORD.pack(NUMBERS[name], len(payload), *args, *[0] * (6 - len(args)), 0)


class FakeStub:
    """One connection to a vkernel; `path` is a socket's, or an end of vkernel_proto.socketpair()."""

    def __init__(self, to: Path | socket.socket, guest: Verified | None = None, cid: str = "test") -> None:
        self.guest = guest or signed()
        self.cid = cid
        self.encoding = "json"
        self.last = 0
        if isinstance(to, socket.socket):
            self.sock = to
        else:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.connect(str(to))
        self.sock.settimeout(TIMEOUT)
        self.file = self.sock.makefile("rb")

    def hello_line(self, encoding: str = "json", **changes: Any) -> bytes:
        message = {
            "type": "hello",
            "version": 1,
            "cid": self.cid,
            "encoding": encoding,
            "statement": base64.b64encode(self.guest.statement.raw).decode(),
            "manifest": base64.b64encode(self.guest.manifest_bytes).decode(),
        }
        message.update(changes)
        return strictjson.dumps({name: value for name, value in message.items() if value is not None})

    def send_hello(self, line: bytes, fds: Sequence[int] = (0, 1, 2)) -> dict[str, Any]:
        """Sends the line with the fds on its first byte; the answer, {} when there is none."""
        try:
            sent = socket.send_fds(self.sock, [line], list(fds)) if fds else 0
            self.sock.sendall(line[sent:])
        except (BrokenPipeError, ConnectionResetError):
            pass  # an answer may have come before
        return self.answer()

    def hello(self, encoding: str = "json", fds: Sequence[int] | None = None, **changes: Any) -> dict[str, Any]:
        self.encoding = encoding
        null = os.open(os.devnull, os.O_RDWR)
        try:
            return self.send_hello(self.hello_line(encoding, **changes), [null] * 3 if fds is None else fds)
        finally:
            os.close(null)

    def answer(self) -> dict[str, Any]:
        """The next line as an object; {} when the vkernel has closed the connection."""
        try:
            line = self.file.readline()
        except ConnectionResetError:
            return {}
        return dict(json.loads(line)) if line else {}

    def closed(self) -> bool:
        """Whether the vkernel closes the connection without another byte."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True

    def call(self, name: str, *args: int | str, data: bytes = b"") -> tuple[int, bytes]:
        """One syscall and its answer."""
        self.last += 1
        if self.encoding == "json":
            return self._call_json(name, args, data)
        strings = b"".join(arg.encode() + b"\0" for arg in args if isinstance(arg, str))
        numbers = [arg if isinstance(arg, int) else 0 for arg in args]
        payload = strings + data
        self.sock.sendall(frame(SYSCALLS, 1, self.last, record(name, *numbers, payload=payload) + payload))
        [(number, value, reply)] = self.replies()
        assert number == self.last
        return value, reply

    def _call_json(self, name: str, args: Sequence[int | str], data: bytes) -> tuple[int, bytes]:
        message: dict[str, Any] = {"type": "syscall", "id": self.last, "name": name, "args": list(args)}
        if data:
            message["data"] = base64.b64encode(data).decode()
        self.sock.sendall(strictjson.dumps(message))
        answer = self.answer()
        assert answer["id"] == self.last, answer
        return answer["ret"], base64.b64decode(answer.get("data", ""))

    def replies(self) -> list[tuple[int, int, bytes]]:
        """The next frame of replies: (id, value, data) of each."""
        kind, count, first, body = self.read_frame()
        assert kind == 2
        rows = [REPLY.unpack_from(body, 16 * k) for k in range(count)]
        at, found = 16 * count, []
        for number, (value, size, reserved) in enumerate(rows, first):
            assert reserved == 0
            found.append((number, value, body[at : at + size]))
            at += size
        assert at == len(body)
        return found

    def read_frame(self) -> tuple[int, int, int, bytes]:
        """The next frame: type, count, id, body."""
        magic, length, kind, flags, count, first, reserved = FRAME.unpack(self.file.read(32))
        assert (magic, flags, reserved) == (MAGIC, 0, 0)
        assert length <= 1 << 20
        return kind, count, first, self.file.read(length)

    def send_message(self, message: dict[str, Any]) -> None:
        text = strictjson.dumps(message)
        self.sock.sendall(text if self.encoding == "json" else frame(MESSAGE, 0, 0, text))

    def read_message(self) -> dict[str, Any]:
        if self.encoding == "json":
            return self.answer()
        kind, count, first, body = self.read_frame()
        assert (kind, count, first) == (MESSAGE, 0, 0)
        return dict(json.loads(body))

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def __enter__(self) -> FakeStub:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Served:
    """A vkernel that serves container `test` in this process, and its audit log."""

    def __init__(self, folder: Path, **config: Any) -> None:
        folder.chmod(0o700)
        self.root = folder / "root"
        self.root.mkdir(exist_ok=True)
        self.log = folder / "audit.jsonl"
        self.guest = config.pop("guest", None) or signed()
        config.setdefault("peer_verifier", lambda peer: self.guest)
        self.vkernel = VKernel(Config(root=self.root, run_dir=folder, audit=self.log, **config))
        self.path = self.vkernel.listen("test")
        self.thread = threading.Thread(target=self.vkernel.run)
        self.thread.start()

    def connect(self) -> FakeStub:
        return FakeStub(self.path, self.guest)

    def guest_in(self, encoding: str = "json", fds: Sequence[int] | None = None) -> FakeStub:
        """A connection that has been let in."""
        stub = self.connect()
        answer = stub.hello(encoding, fds)
        assert answer["status"] == "ok", answer
        return stub

    def records(self, *events: str) -> list[dict[str, Any]]:
        rows = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [row for row in rows if not events or row["event"] in events]

    def wait_for(self, count: int, *events: str) -> list[dict[str, Any]]:
        """The records of these events once there are `count`: a drop is recorded before the socket is closed."""
        deadline = time.monotonic() + TIMEOUT
        while len(rows := self.records(*events)) < count:
            assert time.monotonic() < deadline, f"{len(rows)} records of {events}, not {count}: {rows[-3:]}"
            time.sleep(0.005)
        return rows

    def fds_at_rest(self) -> int:
        """How many fds this process has while the vkernel runs and serves nobody."""
        deadline = time.monotonic() + TIMEOUT
        self.guest_in().close()  # its thread has started, and so has the vkernel's
        while self.vkernel._connections:
            assert time.monotonic() < deadline, "a connection is never closed"
            time.sleep(0.005)
        gc.collect()  # what earlier tests left
        return len(os.listdir("/proc/self/fd"))

    def stop(self) -> None:
        self.vkernel.stop()
        self.thread.join(TIMEOUT)
        assert not self.thread.is_alive()


@contextmanager
def serving(folder: Path, **config: Any) -> Iterator[Served]:
    served = Served(folder, **config)
    try:
        yield served
    finally:
        served.stop()


def drop_of(served: Served, before: int) -> str:
    """The code of the one drop that was recorded since there were `before`."""
    rows = served.wait_for(before + 1, "drop")[before:]
    assert len(rows) == 1
    return str(rows[0]["error"])
