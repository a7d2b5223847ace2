"""In: an execve that a client asks for. Out: a guest, or why there is none, recorded before anybody hears of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recompiler.errors import Error
from vkernel_proto.controller import Denied, Request, Verdict
from vkernel_proto.engine import records
from vkernel_proto.engine.container import Container, Guest, Owner

if TYPE_CHECKING:
    from vkernel_proto.engine.control_plane import ControlPlane
    from vkernel_proto.engine.supervisor import Supervisor

Started = Callable[[Guest | Denied | Error], None]  # Error: the engine or the log could not; that is no verdict


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be started, and by whom (fields of the audit records)."""

    request: Request
    tty: bool
    owner: Owner
    by: Mapping[str, Any]


def decide(
    plane: ControlPlane, container: Container, request: Request, what: str, by: Mapping[str, Any],
    then: Callable[[Verdict | Denied | Error], None],
) -> None:  # fmt: skip
    """Gives the controller's verdict; a denial is in the log by then, or Error (E_AUDIT) says that it is not."""

    def found(verdict: Verdict | Denied) -> None:
        if isinstance(verdict, Denied):
            then(note_denied(plane, verdict, request, what, by) or verdict)
        else:
            then(verdict)

    container.decide(request, found)


def note_denied(
    plane: ControlPlane, denied: Denied, request: Request, what: str, by: Mapping[str, Any]
) -> Error | None:
    """Records a denial; an Error when it could not be."""
    chain = {"chain": " ".join(denied.chain)} if denied.chain else {}
    argv0 = request.argv[0] if request.argv else ""
    return plane.note(
        "deny", **by, message=what, reason=denied.reason, hash=denied.hash, path=denied.path, **chain, argv0=argv0
    )


def start(plane: ControlPlane, supervisor: Supervisor, asked: Asked, fds: list[int], then: Started) -> None:
    """Starts a guest with the fds 0, 1 and 2, which this takes over, in a container that may have to be made first."""
    request = asked.request

    def failed(error: Error) -> None:
        noted = plane.note("fail", **asked.by, message="spawn", error=error.code, reason=error.message)
        then(noted or error)

    def ready(container: Container | Error) -> None:
        if isinstance(container, Error):
            _close(fds)
            failed(container)
            return
        decide(plane, container, request, "spawn", asked.by, lambda verdict: decided(container, verdict))

    def decided(container: Container, verdict: Verdict | Denied | Error) -> None:
        if isinstance(verdict, (Denied, Error)):
            _close(fds)
            then(verdict)
            return
        env = [f"{name}={value}" for name, value in request.env.items()]
        data = records.spawn(verdict.argv, env, request.cwd)
        if len(data) > records.DATA_MAX:
            _close(fds)
            too_long = Denied("arguments too long", request.path)
            then(note_denied(plane, too_long, request, "spawn", asked.by) or too_long)
            return
        counts = (len(verdict.argv), len(env), records.TTY if asked.tty else 0)
        container.spawn(verdict, data, counts, fds, asked.owner, lambda made: started(container, made))

    def started(container: Container, made: Guest | Error) -> None:
        if isinstance(made, Error):
            failed(made)
            return
        argv0 = request.argv[0] if request.argv else ""
        error = plane.note("spawn", **asked.by, pid=made.pid, argv0=argv0, **names(made.verdict))
        if error is not None:  # nobody may hear of it, so it must not go on
            container.signal(made.pid, signal.SIGKILL)
        then(error or made)

    supervisor.ready(ready)


def names(verdict: Verdict) -> dict[str, object]:
    """What a verdict is called in the audit log."""
    chain = {"chain": " ".join(verdict.chain)} if len(verdict.chain) > 1 else {}
    return {"path": verdict.path, "hash": verdict.hash, **chain, "entry": verdict.entry, "export": verdict.export}


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
