"""In: a bundle and an argv. Out: one guest in a container of its own, with this process's stdio, and how it ended."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from recompiler.errors import Error
from vkernel_proto.controller import Denied, Request
from vkernel_proto.engine.container import Guest
from vkernel_proto.engine.kernel import BundleConfig, Kernel
from vkernel_proto.engine.loop import READ, Loop
from vkernel_proto.engine.start import Asked, start
from vkernel_proto.engine.supervisor import Supervisor
from vkernel_proto.engine.terminal import Terminal

PASSED_ON: Final = tuple(
    getattr(signal, f"SIG{name}") for name in ("HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "TERM", "CONT")
)


def run(
    config: BundleConfig, argv: Sequence[str], env: Mapping[str, str], cwd: str, empty: Path, cid: str = "run"
) -> int:
    """Runs a program of the bundle to its end: its exit status, or minus the signal that it died of.

    Signals that this process gets are the guest's; when fd 0 is a terminal, the guest has a pty of its own.
    To be called in the main thread. Raises Denied; Error, as Kernel and ControlPlane.open.
    """
    with Kernel(config, empty) as kernel:
        supervisor = kernel.plane.open(cid)
        with _signals(kernel.loop) as signals:
            run_ = _Run(kernel, supervisor)
            return run_.until_it_ends(Request(argv[0], list(argv), dict(env), cwd), signals)


class _Run:
    """The owner of the one guest."""

    def __init__(self, kernel: Kernel, supervisor: Supervisor) -> None:
        self._kernel = kernel
        self._supervisor = supervisor
        self._made: Guest | Denied | Error | None = None
        self._end: int | None = None
        self._broken: Error | None = None
        self._terminal: Terminal | None = None

    def tell(self, message: dict[str, Any]) -> None:
        """The guest's end."""
        self._end = -message["signal"] if "signal" in message else message["code"]

    def drop(self, error: Error) -> None:
        """What happened could not be recorded."""
        self._broken = error

    def until_it_ends(self, request: Request, signals: socket.socket) -> int:
        loop, plane = self._kernel.loop, self._kernel.plane
        self._terminal = Terminal(loop) if os.isatty(0) else None
        try:
            fds = self._terminal.stdio() if self._terminal else [os.dup(fd) for fd in range(3)]
            asked = Asked(request, self._terminal is not None, self, {"cid": self._supervisor.cid})
            loop.watch(signals.fileno(), READ, lambda _: self._pass_on(signals))
            start(plane, self._supervisor, asked, fds, self._started)
            loop.run(lambda: self._end is not None or self._broken is not None)
        finally:
            loop.forget(signals.fileno())
            if self._terminal is not None:
                self._terminal.close()
        if self._broken is not None:
            raise self._broken
        if isinstance(self._made, (Denied, Error)):
            raise self._made
        assert self._end is not None
        return self._end

    def _started(self, made: Guest | Denied | Error) -> None:
        self._made = made
        if self._terminal is not None:
            self._terminal.started()
        if not isinstance(made, Guest):
            self._end = -1

    def _pass_on(self, signals: socket.socket) -> None:
        for number in signals.recv(64):
            if number == signal.SIGWINCH:
                if self._terminal is not None:
                    self._terminal.resize()
            elif isinstance(self._made, Guest) and self._supervisor.container is not None:
                self._supervisor.container.signal(self._made.pid, number)


@contextmanager
def _signals(loop: Loop) -> Iterator[socket.socket]:
    """The numbers of the signals that come, as bytes (signal.set_wakeup_fd): a handler must not touch the loop."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        before = {number: signal.signal(number, _nothing) for number in (*PASSED_ON, signal.SIGWINCH)}
        fd = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield ours
        finally:
            signal.set_wakeup_fd(fd)
            for number, handler in before.items():
                signal.signal(number, handler)


def _nothing(number: int, frame: object) -> None:
    """The wakeup fd has the number."""
