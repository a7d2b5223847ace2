"""A client of the engine's control sockets (docs/engine.md), for the tests: records out, records in."""

from __future__ import annotations

import os
import platform
import socket
import struct
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import blake3

from recompiler import aot
from tests.csrc.engine.served import guests, until_a_guest
from tests.testbed import ROOT
from vkernel_proto.engine import records, zygote
from vkernel_proto.engine.records import (
    CONTAINER,
    CREATE,
    EXITED,
    FORCE,
    LOAD,
    MAGIC,
    RECORD,
    REPLY,
    RULE,
    SIGNAL,
    SPAWN,
    STOP,
    STOPPED,
    TTY,
    Message,
    bitmap,
)
from vkernel_proto.engine.zygote import ENGINE

TARGET = f"{platform.machine()}-linux"
TIMEOUT = 20

__all__ = [
    "CREATE",
    "ENGINE",
    "EXITED",
    "FORCE",
    "LOAD",
    "MAGIC",
    "RECORD",
    "ROOT",
    "RULE",
    "SIGNAL",
    "SPAWN",
    "STOP",
    "STOPPED",
    "TARGET",
    "TTY",
    "Container",
    "Control",
    "Limits",
    "Message",
    "Refused",
    "Result",
    "Zygote",
    "numbers",
]


def numbers() -> dict[str, int]:
    from vkernel_proto.stub.syscalls import TABLE

    return {row.name: row.nr for row in TABLE}


class Refused(Exception):
    """The engine answered with -errno; the text names the code."""

    def __init__(self, value: int, text: str) -> None:
        super().__init__(f"{value}: {text}")
        self.value = value
        self.text = text


class Control:
    """One control socket: requests wait for their answer, notices are kept."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        # Not settimeout: that makes the socket non-blocking, for a C client that inherits it too.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", TIMEOUT, 0))
        self.notices: list[Message] = []
        self._id = 0

    def send(self, kind: int, values: Sequence[int] = (), data: bytes = b"", fds: Sequence[int] = ()) -> int:
        self._id += 1
        records.send(self.sock, kind, self._id, values, data, fds)
        return self._id

    def receive(self) -> Message | None:
        return records.receive(self.sock)

    def request(self, kind: int, values: Sequence[int] = (), data: bytes = b"", fds: Sequence[int] = ()) -> Message:
        ident = self.send(kind, values, data, fds)
        while True:
            message = self.receive()
            if message is None:
                raise EOFError("the engine closed the socket")
            if message.type & REPLY:
                assert message.id == ident
                if message.value[0] < 0:
                    raise Refused(message.value[0], message.data.decode())
                return message
            self.notices.append(message)

    def notice(self, kind: int, pid: int) -> Message:
        """The notice of this kind about this pid, waited for."""
        while True:
            for message in self.notices:
                if message.type == kind and message.value[0] == pid:
                    self.notices.remove(message)
                    return message
            message = self.receive()
            if message is None:
                raise EOFError("the engine closed the socket")
            self.notices.append(message)

    def close(self) -> None:
        self.sock.close()


@dataclass
class Result:
    status: int  # exit status, or -signal
    out: bytes
    err: bytes


@dataclass
class Limits:
    memory_bytes: int = 64 << 20
    disk_bytes: int = 16 << 20
    processes: int = 64
    open_files: int = 64


class Container:
    def __init__(self, control: Control, pid: int, in_force: int) -> None:
        self.control = control
        self.pid = pid  # on the host
        self.bits = in_force
        self.in_force = {name for name, bit in FORCE.items() if in_force & bit}

    def spawn(
        self,
        *argv: str | bytes,
        entry: int = 0,
        env: Sequence[str] = (),
        cwd: str = "/",
        fds: tuple[int, int, int],
        flags: int = 0,
    ) -> int:
        """Starts a guest; its pid in the container."""
        strings = [item if isinstance(item, bytes) else item.encode() for item in (*argv, *env, cwd)]
        data = b"".join(item + b"\0" for item in strings)
        pid = self.control.request(SPAWN, (entry, len(argv), len(env), flags), data, fds).value[0]
        until_a_guest(self.pid, pid)
        return pid

    def wait(self, pid: int) -> int:
        """The exit status, or -signal."""
        _, status, sig, *_ = self.control.notice(EXITED, pid).value
        return -sig if sig else status

    def run(
        self, *argv: str | bytes, entry: int = 0, stdin: bytes = b"", env: Sequence[str] = (), cwd: str = "/"
    ) -> Result:
        """Runs a guest to its end with pipes; its output must fit into them."""
        in_r, in_w = os.pipe()
        out_r, out_w = os.pipe()
        err_r, err_w = os.pipe()
        os.write(in_w, stdin)
        os.close(in_w)
        try:
            pid = self.spawn(*argv, entry=entry, env=env, cwd=cwd, fds=(in_r, out_w, err_w))
        finally:
            for fd in (in_r, out_w, err_w):
                os.close(fd)
        with open(out_r, "rb") as out, open(err_r, "rb") as err:
            return Result(self.wait(pid), out.read(), err.read())

    def host_pids(self) -> list[int]:
        """The guests of this container, as the host numbers them."""
        return guests(self.pid)

    def signal(self, pid: int, sig: int) -> None:
        self.control.request(SIGNAL, (pid, sig))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the container."""
        self.control.close()


@dataclass
class Zygote:
    """An engine process of our own; leaving the context ends it and all in it."""

    uid: int | None = None
    prefix: tuple[str, ...] = ()
    containers: list[Container] = field(default_factory=list)  # closed with the zygote at the latest

    def __enter__(self) -> Self:
        self.process, ours = zygote.start(self.prefix, self.uid)
        self.control = Control(ours)
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.control.close()
        for container in self.containers:
            container.close()
        try:
            self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def load(self, cwasm: Path, digest: bytes | None = None, settings: str | None = None, size: int = -1) -> None:
        data = cwasm.read_bytes()
        text = f"{aot.engine()} {aot.settings(TARGET)}" if settings is None else settings
        with cwasm.open("rb") as file:
            payload = (digest or blake3.blake3(data).digest()) + text.encode()
            self.control.request(LOAD, (len(data) if size < 0 else size,), payload, [file.fileno()])

    def create(
        self,
        root: Path,
        allow: Iterable[str],
        limits: Limits | None = None,
        rules: Sequence[bytes] = (),
        name: str = "test",
        required: int = 0,
        unwanted: int = 0,
        cgroups: Sequence[int] = (),
    ) -> Container:
        limits = limits or Limits()
        spec = CONTAINER.pack(
            bitmap(allow),
            *(limits.memory_bytes, limits.disk_bytes, limits.processes, limits.open_files),
            *(required, unwanted, len(rules), 0),
        )
        fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
        try:
            reply = self.control.request(CREATE, (), spec + b"".join(rules) + name.encode(), [fd, *cgroups])
        finally:
            os.close(fd)
        control = Control(socket.socket(fileno=reply.fds[0]))
        container = Container(control, reply.value[0], reply.value[1])
        self.containers.append(container)
        return container
