"""A client of a vkernel: requests in, its answers out, none of which is believed before its fields were looked at.

It imports nothing of the vkernel's own: what it stands on is the wire.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from recompiler import native
from recompiler.errors import Error
from recompiler.format import strictjson
from vkernel_proto.wire import json_codec
from vkernel_proto.wire.frames import DEPTH_MAX

ANSWER_MAX: Final = json_codec.LINE_MAX
UNREAD_MAX: Final = 4096  # ends of guests that nobody has asked for
# What a row of `ps` has, and what else it may have.
ROW: Final = {"pid": int, "age_ms": int}
ROW_MORE: Final = {"subject": str, "uid": int, "path": str, "hash": str, "entry": int}


def need(answer: dict[str, Any], fields: Mapping[str, type], request: str) -> dict[str, Any]:
    """The answer itself, which has each of the fields with its type. Raises Error E_RPC_REPLY."""
    for name, type_ in fields.items():
        if type(answer.get(name)) is not type_:
            state = "of another type" if name in answer else "missing"
            raise Error("E_RPC_REPLY", f"the vkernel's answer to {request}: {name!r} is {state}")
    return answer


def _row(row: object) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise Error("E_RPC_REPLY", "the vkernel's answer to ps: a row is no object")
    fields = ROW | {name: type_ for name, type_ in ROW_MORE.items() if name in row}
    return {name: need(row, fields, "ps")[name] for name in fields}


class Denied(Exception):
    """A spawn that was refused; errno is Linux's."""

    def __init__(self, reason: str, number: int) -> None:
        super().__init__(reason, number)
        self.reason = reason
        self.errno = number


class Control:
    """A control client's connection to the vkernel of a container; a context manager."""

    def __init__(self, run_dir: Path, cid: str, timeout: float = 5.0) -> None:
        """Says hello to a vkernel that runs as root or as this user, at a path that nobody else can change.

        Raises Error (E_SOCK_*, E_RPC_CLOSED, E_RPC_DENIED, E_RPC_REPLY).
        """
        self._sock = socket.socket(fileno=native.connect(run_dir, cid, timeout))
        self._sock.settimeout(timeout)
        self._last = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._exits: dict[int, dict[str, Any]] = {}
        self._lines = self._sock.makefile("rb")
        try:
            self._send({"type": "hello", "version": 1, "cid": cid, "role": "control"})
            answer = self._receive()
            if answer.get("status") == "denied":
                need(answer, {"error": str, "message": str}, "hello")
                raise Error("E_RPC_DENIED", f"{answer['error']}: {answer['message']}")
            if answer.get("status") != "ok":
                raise Error("E_RPC_REPLY", "the vkernel's answer to hello is neither ok nor denied")
        except BaseException:
            self.close()
            raise

    def ps(self) -> list[dict[str, Any]]:
        """The container's processes: the fields of ROW, and those of ROW_MORE that are there.

        Raises Error (E_RPC_CLOSED, E_RPC_REPLY, E_SOCK_TIMEOUT).
        """
        rows = need(self.ask("ps"), {"processes": list}, "ps")["processes"]
        return [_row(row) for row in rows]

    def request(self, kind: str, fds: Sequence[int] = (), **fields: Any) -> int:
        """Sends a request and returns its id; `answer` has its answer. Raises Error (E_RPC_CLOSED)."""
        self._last += 1
        line = strictjson.dumps({"type": kind, "id": self._last, **fields})
        try:
            sent = socket.send_fds(self._sock, [line], list(fds)) if fds else 0
            self._sock.sendall(line[sent:])
        except OSError as error:
            raise Error("E_RPC_CLOSED", f"the vkernel is gone: {error.strerror}") from error
        return self._last

    def answer(self, number: int) -> dict[str, Any]:
        """The answer to a request; ends of guests that come before it are kept for `exited`.

        Raises Error (E_RPC_CLOSED, E_RPC_REPLY, E_SOCK_TIMEOUT).
        """
        while number not in self._answers:
            self._take()
        return self._answers.pop(number)

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """A request and its answer: ps, exec, wait, info, stop (docs/wire.md). Raises Error as `answer`."""
        return self.answer(self.request(kind, **fields))

    def spawn(
        self,
        argv: Sequence[str],
        fds: Sequence[int] = (0, 1, 2),
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        **more: Any,
    ) -> int:
        """Starts a guest in a container of a bundle; its pid. more: tty, path, hash.

        Raises Denied, Error as `answer`.
        """
        fields = {"argv": list(argv), "env": dict(env or {}), "cwd": cwd, "tty": False, **more}
        answer = self.answer(self.request("spawn", fds, **fields))
        if "pid" not in answer:
            denied = need(answer, {"reason": str, "errno": int} if "errno" in answer else {"reason": str}, "spawn")
            raise Denied(denied["reason"], denied.get("errno", 0))
        return int(need(answer, {"pid": int}, "spawn")["pid"])

    def exited(self, pid: int) -> int:
        """Waits for a guest that this connection spawned: its exit status, or minus its signal."""
        while pid not in self._exits:
            self._take()
        end = self._exits.pop(pid)
        return -int(end["signal"]) if "signal" in end else int(end["code"])

    def fileno(self) -> int:
        """The socket, to be polled: a message has come, or the vkernel has gone."""
        return self._sock.fileno()

    def signal(self, pid: int, number: int) -> None:
        """Asks for a signal to a guest; there is no answer. Raises Error (E_RPC_CLOSED)."""
        self._send({"type": "signal", "pid": pid, "sig": number})

    def close(self) -> None:
        """Ends the connection."""
        self._lines.close()
        self._sock.close()

    def __enter__(self) -> Control:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._sock.sendall(strictjson.dumps(message))
        except OSError as error:
            raise Error("E_RPC_CLOSED", f"the vkernel is gone: {error.strerror}") from error

    def _take(self) -> None:
        message = self._receive()
        if message.get("type") == "exit":
            need(message, {"pid": int, "signal" if "signal" in message else "code": int}, "spawn")
            self._exits[message["pid"]] = message
        else:
            number = need(message, {"id": int}, "a request")["id"]
            if not 0 < number <= self._last or number in self._answers:
                raise Error("E_RPC_REPLY", f"the vkernel answers request {number}, which nobody has made")
            self._answers[number] = message
        if len(self._exits) > UNREAD_MAX:
            raise Error("E_RPC_REPLY", f"the vkernel tells of more than {UNREAD_MAX} guests that ended")

    def _receive(self) -> dict[str, Any]:
        try:
            line = self._lines.readline(ANSWER_MAX + 1)
        except TimeoutError as error:
            raise Error("E_SOCK_TIMEOUT", "the vkernel does not answer") from error
        except OSError as error:
            raise Error("E_RPC_CLOSED", f"the vkernel is gone: {error.strerror}") from error
        if len(line) > ANSWER_MAX:
            raise Error("E_RPC_REPLY", f"an answer of more than {ANSWER_MAX} bytes")
        if not line.endswith(b"\n"):
            raise Error("E_RPC_CLOSED", "the vkernel closed the connection")
        return strictjson.loads(line, max_depth=DEPTH_MAX, code="E_RPC_REPLY")
