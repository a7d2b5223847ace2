"""In: what a guest asks about processes: its pid, signals to others, its end."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vkernel_proto.stub.process import Process

Answer = tuple[int, bytes]

SIGNAL_MAX: Final = 64


class Exited(Exception):
    """The guest called exit or exit_group; code is 0..255."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def getpid(process: Process, _args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    return process.pid, b""


def exit_(_process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    raise Exited(args[0] & 0xFF)


def kill(process: Process, args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    """kill(2) within the container, which is one process group: pid 0 is all of it, -1 all but the caller."""
    pid, sig = args[:2]
    if not 0 <= sig <= SIGNAL_MAX:
        return -errno.EINVAL, b""
    container = process.container
    if pid > 0:
        pids = [pid]
    else:
        pids = {0: container.pids(), -1: [other for other in container.pids() if other != process.pid]}.get(pid, [])
    return (0 if container.kill(pids, sig) else -errno.ESRCH), b""


def sched_yield(_process: Process, _args: Sequence[int], _strings: Sequence[bytes], _data: bytes) -> Answer:
    os.sched_yield()
    return 0, b""
