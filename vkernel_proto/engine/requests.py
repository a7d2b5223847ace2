"""In: a control client's messages (docs/wire.md). Out: what they ask for is done, recorded and answered.

A table names the messages. What is told has been recorded: a spawn when the engine has answered it, a verdict and an
end before the client hears of them.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import time
from collections.abc import Callable
from typing import Any, Final

from recompiler.errors import Error
from vkernel_proto import signals
from vkernel_proto.controller import Denied, Request, Verdict
from vkernel_proto.engine.client import Client
from vkernel_proto.engine.container import Container, End, Guest
from vkernel_proto.engine.control_plane import ControlPlane, release
from vkernel_proto.engine.start import Asked, decide, names, start
from vkernel_proto.engine.supervisor import Supervisor
from vkernel_proto.wire.json_codec import check_fields

HASH: Final = re.compile(r"blake3:([0-9a-f]{64})")
WAITS_MAX: Final = 4096  # of one client
_ID: Final = {"type": str, "id": int}
_ARGV: Final = {"argv": list}
# What the caller reads of a start that the engine could not make.
_ERRNO: Final = {"E_SANDBOX": errno.EAGAIN, "E_NO_MEMORY": errno.ENOMEM, "E_RPC_CLOSED": errno.EIO}


class Requests:
    """The messages of the clients of one container id. Raises Error for a message that breaks the protocol."""

    def __init__(self, plane: ControlPlane, supervisor: Supervisor) -> None:
        self._plane = plane
        self._supervisor = supervisor
        self._owned: dict[Client, set[int]] = {}
        self._waits: dict[Client, dict[int, int]] = {}  # id of the request -> pid
        self.peers: dict[Client, dict[str, Any]] = {}  # for the audit log

    def handle(self, client: Client, message: dict[str, Any]) -> None:
        """One message of a client that has said hello."""
        kind = message.get("type")
        row = _TABLE.get(kind) if isinstance(kind, str) else None
        if row is None:
            raise Error("E_RPC_JSON", f"a control client does not send {str(kind)[:64]!r}")
        required, optional, method = row
        check_fields(message, required, optional)
        method(self, client, message)

    def left(self, client: Client, error: Error | None) -> None:
        """A client has gone: its guests are hung up, as those of a terminal that closes."""
        peer = self.peers.pop(client, {})
        if error is not None:
            self._plane.note("drop", error=error.code, message=error.message, **peer)
        for request, pid in self._waits.pop(client, {}).items():
            self._supervisor.forget(pid, (client, request))
        for pid in self._owned.pop(client, ()):
            self._hang_up(pid)

    # ---- spawn, exec

    def _spawn(self, client: Client, message: dict[str, Any]) -> None:
        fds = client.take_fds()
        try:
            asked = Asked(_request(message), message["tty"], _Owner(self, client), self._by(client))
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise
        client.busy += 1
        start(self._plane, self._supervisor, asked, fds, lambda made: self._started(client, message["id"], made))

    def _started(self, client: Client, number: int, made: Guest | Denied | Error) -> None:
        if not isinstance(made, Guest):
            self._refuse(client, number, made)
            return
        if not client.open:
            self._hang_up(made.pid)
            return
        self._owned.setdefault(client, set()).add(made.pid)
        client.answer({"id": number, "pid": made.pid})

    def _exec(self, client: Client, message: dict[str, Any]) -> None:
        request, by, number = _request(message), self._by(client), message["id"]
        client.busy += 1

        def ready(container: Container | Error) -> None:
            if isinstance(container, Error):
                self._refuse(client, number, container)
            else:
                decide(self._plane, container, request, "exec", by, decided)

        def decided(verdict: Verdict | Denied | Error) -> None:
            if isinstance(verdict, Verdict):
                error = self._plane.note("exec", **by, **names(verdict))
                if error is not None:
                    verdict = error
            if not isinstance(verdict, Verdict):
                self._refuse(client, number, verdict)
                return
            client.answer({"id": number, "status": "ok", "entry_point": verdict.export, "entry": verdict.entry})

        self._supervisor.ready(ready)

    def _refuse(self, client: Client, number: int, refused: Denied | Error) -> None:
        """Why not; what could not be recorded is told to nobody."""
        if isinstance(refused, Denied):
            reason, value = refused.reason, refused.errno
        elif refused.code == "E_AUDIT":
            client.drop(refused)
            return
        else:
            reason, value = str(refused), _ERRNO.get(refused.code, errno.EIO)
        client.answer({"id": number, "status": "denied", "reason": reason, "errno": value})

    def _by(self, client: Client) -> dict[str, Any]:
        return {"cid": self._supervisor.cid, **self.peers.get(client, {})}

    def _hang_up(self, pid: int) -> None:
        if self._supervisor.container is not None:
            self._supervisor.container.signal(pid, signal.SIGHUP)

    # ---- wait, signal, stop

    def _wait(self, client: Client, message: dict[str, Any]) -> None:
        number, pid = message["id"], message["pid"]
        waits = self._waits.setdefault(client, {})
        if len(waits) >= WAITS_MAX:
            raise Error("E_RPC_FRAME", f"more than {WAITS_MAX} waits")

        def told(end: End | None) -> None:
            waits.pop(number, None)
            if end is None:
                client.tell({"id": number, "status": "denied", "reason": "no such process", "errno": errno.ECHILD})
            else:
                client.tell({"id": number, **end.as_dict()})

        waits[number] = pid
        self._supervisor.wait(pid, (client, number), told)

    def _signal(self, client: Client, message: dict[str, Any]) -> None:
        pid, number = message["pid"], message["sig"]
        if not 0 <= number <= signals.SIGNAL_MAX:
            raise Error("E_RPC_JSON", f"{number} is not a signal")
        container = self._supervisor.container
        found = container is not None and pid in container.guests
        error = self._plane.note("signal", **self._by(client), pid=pid, sig=number, found=found)
        if error is not None:
            raise error
        if container is not None:
            container.signal(pid, number)

    def _stop(self, client: Client, message: dict[str, Any]) -> None:
        client.busy += 1
        self._supervisor.stop(lambda: client.answer({"id": message["id"], "status": "ok"}))

    # ---- ps, info

    def _ps(self, client: Client, message: dict[str, Any]) -> None:
        container, now = self._supervisor.container, time.monotonic()
        rows = [
            {
                "pid": guest.pid,
                "path": guest.verdict.path,
                "hash": f"blake3:{guest.verdict.hash}",
                "entry": guest.verdict.entry,
                "age_ms": int((now - guest.since) * 1000),
            }
            for guest in (container.guests.values() if container is not None else ())
        ]
        client.tell({"id": message["id"], "processes": rows})

    def _info(self, client: Client, message: dict[str, Any]) -> None:
        container = self._supervisor.container
        found = {
            "cid": self._supervisor.cid,
            "state": self._supervisor.state,
            "limits": self._plane.limits,
            "in_force": [],
            "guests": 0,
            **release(self._plane.bundle),
        }
        if container is not None:
            found |= {"host_pid": container.pid, "in_force": container.names_in_force}
            found |= {"guests": len(container.guests), "cgroups": self._supervisor.controllers}
        client.tell({"id": message["id"], "container": found})


class _Owner:
    """A client as the owner of a guest."""

    def __init__(self, requests: Requests, client: Client) -> None:
        self._requests = requests
        self._client = client

    def tell(self, message: dict[str, object]) -> None:
        self._requests._owned.get(self._client, set()).discard(message["pid"])
        self._client.tell(message)

    def drop(self, error: Error) -> None:
        self._client.drop(error)


def _request(message: dict[str, Any]) -> Request:
    argv = message["argv"]
    if not all(isinstance(word, str) and "\0" not in word for word in argv):
        raise Error("E_RPC_JSON", "argv holds something other than strings without NUL")
    path = message.get("path")
    claimed = HASH.fullmatch(message["hash"]) if "hash" in message else None
    if "hash" in message and claimed is None:
        raise Error("E_RPC_JSON", "hash is not blake3: and 64 lower-case hex digits")
    if path is None:
        path = "" if claimed else (argv or [""])[0]
    cwd = message.get("cwd", "/")
    if "\0" in path or "\0" in cwd:
        raise Error("E_RPC_JSON", "path or cwd holds a NUL")
    env = message.get("env", {})
    for name, value in env.items():
        if not isinstance(value, str) or "\0" in value or not name or "=" in name or "\0" in name:
            raise Error("E_RPC_JSON", "env holds something other than NAME: VALUE")
    return Request(path, list(argv), env, cwd, claimed[1] if claimed else None)


_Fields = dict[str, type]
_Method = Callable[[Requests, Client, dict[str, Any]], None]
# type -> required fields, optional fields, method
_TABLE: Final[dict[str, tuple[_Fields, _Fields, _Method]]] = {
    "spawn": (
        {**_ID, **_ARGV, "env": dict, "cwd": str, "tty": bool},
        {"path": str, "hash": str},
        Requests._spawn,
    ),
    "exec": ({**_ID, **_ARGV, "path": str}, {"hash": str, "env": dict, "cwd": str}, Requests._exec),
    "wait": ({**_ID, "pid": int}, {}, Requests._wait),
    "signal": ({"type": str, "pid": int, "sig": int}, {}, Requests._signal),
    "ps": (_ID, {}, Requests._ps),
    "info": (_ID, {}, Requests._info),
    "stop": (_ID, {}, Requests._stop),
}
