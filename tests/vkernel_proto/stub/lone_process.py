"""A Process without a server: its root, its connection, its wake-up and its audit records, for the tests."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recompiler.format.manifest import Manifest, Policy
from vkernel_proto.stub.container import Container
from vkernel_proto.stub.process import Process
from vkernel_proto.stub.syscalls import TABLE
from vkernel_proto.wire.syscalls import BY_NAME

NUMBERS = {row.name: row.nr for row in TABLE}
AT_FDCWD = -100


class Lone:
    """One process. `lone("openat", AT_FDCWD, b"/x", 0, 0)` takes the arguments by place, strings as bytes."""

    def __init__(self, container: Container, policy: Policy, stdio: Sequence[int], pid: int = 1) -> None:
        self.records: list[dict[str, Any]] = []
        self.wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.guest_end, self._server_end = socket.socketpair()
        fds = (stdio[0], stdio[1], stdio[2])
        signed = Manifest("test/guest", {}, policy, {})
        self.process = Process(pid, "test", signed, container, fds, self.wake, self._server_end.fileno(), self._audit)

    def _audit(self, event: str, **fields: Any) -> None:
        self.records.append({"event": event, **fields})

    def __call__(self, name: str, *args: int | bytes, data: bytes = b"") -> tuple[int, bytes]:
        row = BY_NAME[name]
        letters = row.letters.replace("d", "")
        assert [type(arg) is bytes for arg in args] == [letter == "s" for letter in letters], (name, args)
        numbers = [arg if isinstance(arg, int) else 0 for arg in args]
        strings = [arg for arg in args if isinstance(arg, bytes)]
        value, reply = self.process.call(row.nr, numbers + [0] * (6 - len(numbers)), strings, data)
        assert not (reply and row.reply == "-"), f"{name} answered data"
        assert not (reply and value < 0), f"{name} answered data with a failure"
        return value, reply

    def ret(self, name: str, *args: int | bytes, data: bytes = b"") -> int:
        """The value alone."""
        return self(name, *args, data=data)[0]

    def fd(self, name: str, *args: int | bytes) -> int:
        """The value of a call that has to succeed."""
        value = self.ret(name, *args)
        assert value >= 0, f"{name}{args}: {errno.errorcode[-value]}"
        return value

    def interrupt(self) -> None:
        os.eventfd_write(self.wake, 1)

    def close(self) -> None:
        self.process.close()
        self.guest_end.close()
        self._server_end.close()
        os.close(self.wake)


def policy(**changes: Any) -> Policy:
    """A policy that allows every syscall and no address."""
    values: dict[str, Any] = {
        "allow": frozenset(NUMBERS),
        "connect": (),
        "bind": (),
        "memory_bytes": 1 << 20,
        "processes": 4,
        "open_files": 64,
    }
    return Policy(**{**values, **changes})


@contextmanager
def container(root: Path, deliver: Callable[[int, int], object] = lambda pid, sig: None) -> Iterator[Container]:
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        yield Container("test", fd, deliver)
    finally:
        os.close(fd)


@contextmanager
def lone_process(root: Path, stdio: Sequence[int | None] = (None, None, None), **changes: Any) -> Iterator[Lone]:
    """A process over root; stdio fds are given away, None is /dev/null."""
    fds = [os.open("/dev/null", os.O_RDWR) if fd is None else fd for fd in stdio]
    with container(root) as shared:
        lone = Lone(shared, policy(**changes), fds)
        try:
            yield lone
        finally:
            lone.close()


def in_thread(work: Callable[[], Any]) -> Callable[[], Any]:
    """Starts work; the result waits for its end and gives its value, or raises what it raised."""
    answer: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            answer.append(work())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result() -> Any:
        thread.join(30)
        assert not thread.is_alive(), "still blocked"
        if failure:
            raise failure[0]
        return answer[0]

    return result
