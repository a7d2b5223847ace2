"""In: a verified artifact. Out: its zygote (docs/engine.md), a process that has loaded it and makes containers."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import recompiler
from recompiler.errors import CODES, Error
from vkernel_proto.engine import records
from vkernel_proto.engine.channel import Channel, Then
from vkernel_proto.engine.loop import Loop
from vkernel_proto.engine.records import Message

ENGINE: Final = Path(recompiler.__file__).parent / "engine" / "rc-engine"
VKEXEC: Final = ENGINE.with_name("vkexec")  # the C client of a control socket


def start(prefix: Sequence[str] = (), user: int | None = None) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A new engine process and its control socket. It has no terminal of ours and ends with the socket.

    Raises Error (E_ENGINE_LINK: not built for this machine, or it does not start).
    """
    if not ENGINE.exists():
        raise Error("E_ENGINE_LINK", f"no engine was built for this machine ({ENGINE}): run `make build`")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        fd = theirs.fileno()
        try:
            process = subprocess.Popen(
                [*prefix, str(ENGINE), str(fd)],
                pass_fds=[fd],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                user=user,
                group=user,
            )
        except OSError as error:
            ours.close()
            raise Error("E_ENGINE_LINK", f"{ENGINE}: {error.strerror}") from error
    return process, ours


def failure(message: Message | None, fallback: str = "E_SANDBOX") -> Error:
    """An answer that is a refusal, as the Error that it names."""
    if message is None:
        return Error("E_RPC_CLOSED", "the engine has ended")
    code, _, text = message.text.partition(": ")
    return Error(code, text) if code in CODES else Error(fallback, message.text or f"errno {-message.value[0]}")


class Zygote:
    """One engine process in a loop; `gone` is called once, when it has ended and is reaped."""

    def __init__(self, loop: Loop, stopped: Callable[[int], None], gone: Callable[[int], None]) -> None:
        """stopped(pid) is told of each container that has ended. Raises Error (E_ENGINE_LINK)."""
        self._stopped = stopped
        self._told = gone
        self._process, sock = start()
        self._channel = Channel(loop, sock, self._notice, self._gone)

    @property
    def pid(self) -> int:
        """On the host."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its socket is open: it has not ended."""
        return self._channel.open

    def load(self, artifact: int, size: int, digest: bytes, settings: str, then: Then) -> None:
        """Asks it to load the artifact, a descriptor that this takes over."""
        self._channel.request(records.LOAD, (size,), digest + settings.encode(), [artifact], then=then)

    def create(self, spec: bytes, fds: Sequence[int], then: Then) -> None:
        """Asks for a container: spec of records.create, the root and groups as descriptors that this takes over."""
        self._channel.request(records.CREATE, (), spec, fds, then=then)

    def stop(self) -> None:
        """Ends it and everything that it made."""
        self._channel.stop()

    def close(self) -> None:
        """The same, at once."""
        self._channel.close()

    def _notice(self, message: Message) -> None:
        if message.type == records.STOPPED:
            self._stopped(message.value[0])

    def _gone(self) -> None:
        self._process.kill()  # it ends with its socket, unless somebody has stopped it
        self._told(self._process.wait())
