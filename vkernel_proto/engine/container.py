"""One container of the engine, from CREATE to its end: guests started, signalled, and told of when they end."""

from __future__ import annotations

import errno
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from recompiler.errors import Error
from recompiler.format.manifest import Manifest
from vkernel_proto.controller import Controller, Denied, Request, Verdict
from vkernel_proto.engine import records
from vkernel_proto.engine.channel import Channel
from vkernel_proto.engine.loop import Loop
from vkernel_proto.engine.records import FORCE, FORCE_NAMES, Message
from vkernel_proto.engine.zygote import failure
from vkernel_proto.hashes import Large

STOP_SECONDS: Final = 1.0
ROOTED: Final = FORCE["root"] | FORCE["chroot"]


class Owner(Protocol):
    """Who started a guest and wants to know how it ends."""

    def tell(self, message: dict[str, object]) -> None: ...
    def drop(self, error: Error) -> None: ...


@dataclass(slots=True)
class Guest:
    """One process in a container; pid as it is numbered there."""

    pid: int
    verdict: Verdict
    owner: Owner
    since: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class End:
    """How a guest ended: an exit status, or a signal."""

    pid: int
    code: int
    signal: int
    hash: str

    def as_dict(self) -> dict[str, object]:
        """The fields of the exit message and of the audit record."""
        return {"pid": self.pid, **({"signal": self.signal} if self.signal else {"code": self.code})}


class Container:
    """A container that runs; `gone` is called once, after the end of every guest has been told.

    root: O_PATH fd of the directory it was made over; the container owns it.
    """

    def __init__(
        self,
        loop: Loop,
        answer: Message,
        parent: int,
        root: int,
        manifest: Manifest,
        ended: Callable[[Guest, End], None],
        denied: Callable[[Guest | None, Message], None],
        gone: Callable[[], None],
    ) -> None:
        """answer: CREATE's, of the zygote `parent`. Raises Error (E_SANDBOX: it ended at once)."""
        self.pid, self.in_force = answer.value[0], answer.value[1]
        self.guests: dict[int, Guest] = {}
        self._ended = ended
        self._denied = denied
        self._gone = gone
        self._loop = loop
        self._lower = root
        with ExitStack() as undo:
            undo.callback(os.close, root)
            sock = undo.enter_context(socket.socket(fileno=answer.fds[0]))
            try:
                self._process = self._open_process(parent)
                undo.callback(os.close, self._process)
                self._root = self._open_root()
            except OSError as error:
                raise Error("E_SANDBOX", f"the container's root: {error.strerror}") from error
            undo.pop_all()
        lower = root if self.in_force & FORCE["overlay"] else None
        self._controller = Controller(manifest, lambda: self._root, lower)
        self._at_once = self._controller.impatient()
        self._deciding = 0  # in the other thread, which uses the fds
        self._channel = Channel(loop, sock, self._notice, self._closed)

    @property
    def names_in_force(self) -> list[str]:
        """What of docs/engine.md's table this container has."""
        return [name for bit, name in enumerate(FORCE_NAMES) if self.in_force >> bit & 1]

    @property
    def open(self) -> bool:
        """Whether it can still be asked for anything."""
        return self._channel.open

    def decide(self, request: Request, then: Callable[[Verdict | Denied], None]) -> None:
        """Gives the verdict on an execve in this container, which must be open; later when it takes milliseconds."""
        try:
            found = _verdict(self._at_once, request)
        except Large:
            self._deciding += 1
            self._loop.aside(lambda: _verdict(self._controller, request), lambda found: self._decided(found, then))
        else:
            then(found)

    def spawn(
        self, verdict: Verdict, data: bytes, counts: tuple[int, int, int], fds: list[int], owner: Owner,
        then: Callable[[Guest | Error], None],
    ) -> None:  # fmt: skip
        """Starts a guest: records.spawn's data, its argc, envc and flags, and stdio, which this takes over."""

        def answered(message: Message | None) -> None:
            if message is None or message.value[0] < 0:
                then(failure(message))
                return
            pid = message.value[0]
            guest = self.guests[pid] = Guest(pid, verdict, owner)
            then(guest)

        self._channel.request(records.SPAWN, (verdict.entry, *counts), data, fds, then=answered)

    def signal(self, pid: int, number: int) -> bool:
        """Sends a signal to a guest; False when there is none of that pid."""
        if pid not in self.guests:
            return False
        self._channel.request(records.SIGNAL, (pid, number), then=lambda _: None)
        return True

    def stop(self) -> None:
        """Ends it and everything in it: asked first, killed when it does not."""
        self._channel.stop()
        self._loop.later(STOP_SECONDS, self.kill)

    def kill(self) -> None:
        """Kills its first process, and so everything in it."""
        if self._channel.open:
            with suppress(OSError):  # ended
                signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def close(self) -> None:
        """The same, without waiting for it to read that."""
        self._channel.close()

    def _decided(self, found: Verdict | Denied, then: Callable[[Verdict | Denied], None]) -> None:
        self._deciding -= 1
        if not self.open:
            self._close_fds()
        then(found)

    def _open_process(self, parent: int) -> int:
        """The first process's directory in /proc, which names it for good; it must be a child of the zygote."""
        process = os.open(f"/proc/{self.pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with open(os.open("stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process), "rb") as file:
                ppid = int(file.read().rpartition(b")")[2].split()[1])
            if ppid != parent:  # the number has gone to another
                raise ProcessLookupError(errno.ESRCH, "its first process has ended")
        except BaseException:
            os.close(process)
            raise
        return process

    def _open_root(self) -> int:
        """The root as its guests see it."""
        if not self.in_force & ROOTED:
            return os.dup(self._lower)
        return os.open("root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._process)

    def _notice(self, message: Message) -> None:
        if message.type == records.EXITED:
            guest = self.guests.pop(message.value[0], None)
            if guest is not None:
                self._end(guest, message.value[1], message.value[2])
        elif message.type == records.DENIED:
            self._denied(self.guests.get(message.value[0]), message)

    def _end(self, guest: Guest, code: int, number: int) -> None:
        self._ended(guest, End(guest.pid, code, number, guest.verdict.hash))

    def _closed(self) -> None:
        for guest in list(self.guests.values()):  # they died with the container's first process
            self._end(guest, -1, 9)
        self.guests.clear()
        self._close_fds()
        self._gone()

    def _close_fds(self) -> None:
        if not self._deciding:
            for fd in (self._process, self._root, self._lower):
                os.close(fd)


def _verdict(controller: Controller, request: Request) -> Verdict | Denied:
    try:
        return controller.decide(request)
    except Denied as denied:
        return denied
