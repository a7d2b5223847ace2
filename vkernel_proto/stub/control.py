"""In: a control client's messages (ps, signal, spawn). Out: the vkernel's answers. The client is wire/client.py."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from recompiler.errors import Error
from recompiler.format import strictjson
from vkernel_proto import signals
from vkernel_proto.wire import json_codec, messages
from vkernel_proto.wire.stream import Stream

if TYPE_CHECKING:
    from vkernel_proto.stub.core import Core

PS: Final = {"type": str, "id": int}
SIGNAL: Final = {"type": str, "pid": int, "sig": int}


def serve(core: Core, stream: Stream, cid: str, peer: dict[str, Any]) -> None:
    """Answers one control client of a container until it closes.

    Raises Error (E_RPC_FRAME, E_RPC_JSON, E_RPC_CLOSED, E_RPC_FDS, E_SOCK_PEER, E_SOCK_TIMEOUT, E_AUDIT).
    """
    last = 0
    while (line := json_codec.read_line(stream, json_codec.LINE_MAX)) is not None:
        message = json_codec.decode(line)
        kind = message.get("type")
        if kind == "signal":
            _signal(core, cid, message, peer)
            continue
        if kind == "ps":
            json_codec.check_fields(message, PS)
            answer = {"id": message["id"], "processes": processes(core, cid)}
        elif kind == "spawn":
            answer = messages.answer_spawn(message, partial(core.audit, cid=cid, **peer))
        else:
            raise Error("E_RPC_JSON", f"a control client does not send {str(kind)[:64]!r}")
        if not last < message["id"] < 1 << 53:
            raise Error("E_RPC_FRAME", f"id {message['id']} after id {last}")
        last = message["id"]
        stream.send(strictjson.dumps(answer))


def processes(core: Core, cid: str) -> list[dict[str, object]]:
    """The rows of `ps`."""
    now = time.monotonic()
    return [
        {"pid": guest.pid, "subject": guest.subject, "uid": guest.uid, "age_ms": int((now - guest.since) * 1000)}
        for guest in core.guests_of(cid)
    ]


def _signal(core: Core, cid: str, message: dict[str, Any], peer: dict[str, Any]) -> None:
    json_codec.check_fields(message, SIGNAL)
    pid, number = message["pid"], message["sig"]
    if not 0 <= number <= signals.SIGNAL_MAX:
        raise Error("E_RPC_JSON", f"{number} is not a signal")
    core.audit("signal", cid=cid, pid=pid, sig=number, found=core.has_guest(cid, pid), **peer)
    core.deliver(cid, pid, number)
