"""In: what to say. Out: a vkernel of control clients that says it, whatever was asked, and keeps what it was told."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Say = Callable[[dict[str, Any]], bytes]  # a request -> the bytes that answer it


@dataclass
class Heard:
    """The lines of all its clients."""

    lines: list[dict[str, Any]] = field(default_factory=list)


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


OK = line(status="ok", vkernel="false")


@contextmanager
def answering(path: Path, say: Say) -> Iterator[Heard]:
    """Listens at path until the end of the block. An answer of b"" is none: the client waits."""
    heard = Heard()
    over = threading.Event()
    clients: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(0.05)

        def accept() -> None:
            while not over.is_set():
                with suppress(TimeoutError):
                    client = listener.accept()[0]
                    clients.append(client)
                    threading.Thread(target=serve, args=(client,), daemon=True).start()

        def serve(client: socket.socket) -> None:
            with suppress(OSError), client.makefile("rb") as lines:
                for text in lines:
                    heard.lines.append(json.loads(text))
                    client.sendall(say(heard.lines[-1]))

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield heard
        finally:
            over.set()
            thread.join(30)
            for client in clients:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
                client.close()
            path.unlink()


@contextmanager
def listening_as(uid: int, path: Path) -> Iterator[Callable[[], bytes]]:
    """A socket of this user on which a process of another one listened; to be called: what its client sent."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        child = os.fork()
        if child == 0:
            os.setuid(uid)
            listener.listen()  # whose credentials SO_PEERCRED gives
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        listener.settimeout(30)

        def told() -> bytes:
            client, _ = listener.accept()
            with client:
                return client.recv(1 << 16)

        yield told
