"""In: a bundle directory and container ids. Out: /run/vkernel/CID.sock for control clients, and a container behind it.

How a program uses it:

    server = BundleServer(BundleConfig(Path("BUNDLE"), pubkeys=Path("pubkeys.json"), run_dir=Path("/run/vkernel")))
    server.listen("demo")       # the container is made, then the socket appears
    server.run()                # until stop(), from a signal handler or another thread

and a client: vkernel_proto.wire.client.Control(run_dir, "demo"), with spawn, wait, exec, signal, ps, info and stop; or
`vkernel serve --bundle BUNDLE --cid demo` and `recompiler exec demo -- ARGV`.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from recompiler import __version__
from recompiler.errors import Error
from recompiler.format import strictjson
from vkernel_proto.engine.client import Client
from vkernel_proto.engine.kernel import BundleConfig, Kernel
from vkernel_proto.engine.loop import READ
from vkernel_proto.engine.requests import Requests
from vkernel_proto.wire import peer
from vkernel_proto.wire.listener import Listener

__all__ = ["BundleConfig", "BundleServer"]

EMPTY: Final = "empty"  # below the run directory: the root of a bundle without one


class BundleServer:
    """A vkernel of one bundle: verified when this is made, loaded when the first container is."""

    def __init__(self, config: BundleConfig) -> None:
        """Raises Error: E_AUDIT, E_OPEN, and every code of a bundle that is refused."""
        self.config = config
        self.kernel = Kernel(config, config.run_dir / EMPTY)
        self.loop = self.kernel.loop
        self._listeners: list[Listener] = []
        self._clients: dict[Client, Requests] = {}

    def listen(self, cid: str) -> Path:
        """Makes the container and then its socket; returns its path.

        Raises Error (E_SOCK_ID, E_SOCK_PATH as vkernel_proto.wire.listener; E_ENGINE_*, E_SANDBOX: no container).
        """
        listener = Listener(self.config.run_dir, cid, prepare=lambda: self.kernel.plane.open(cid))
        self._listeners.append(listener)
        requests = Requests(self.kernel.plane, self.kernel.plane.supervisor(cid))
        self.loop.watch(listener.sock.fileno(), READ, lambda _: self._accept(listener, requests))
        return listener.path

    def run(self) -> None:
        """Serves until `stop`; then ends the containers, removes the sockets and returns."""
        try:
            self.loop.run()
        finally:
            self.close()

    def stop(self) -> None:
        """Makes `run` return; from any thread or signal handler."""
        self.loop.stop()

    def close(self) -> None:
        """Ends everything; for one that was never run too."""
        for listener in self._listeners:
            self.loop.forget(listener.sock.fileno())
            listener.close()
        self.kernel.close()
        for client in list(self._clients):
            client.close()
        for listener in self._listeners:
            listener.release()
        self._listeners.clear()

    def _accept(self, listener: Listener, requests: Requests) -> None:
        try:
            sock, _ = listener.sock.accept()
        except OSError:
            return  # gone again; or no fds left, and the backlog holds it
        fields: dict[str, Any] = {"cid": listener.cid}
        try:
            pid, uid, _ = peer.credentials(sock)
            fields |= {"peer_pid": pid, "peer_uid": uid}
            if uid not in (0, os.geteuid()):
                raise Error("E_SOCK_PEER", f"uid {uid} may not control this vkernel")
            if len(self._clients) >= self.config.max_connections:
                raise Error("E_RPC_DENIED", f"this vkernel serves {self.config.max_connections} connections already")
        except Error as error:
            self.kernel.log.note("drop", error=error.code, message=error.message, **fields)
            answer = strictjson.dumps({"status": "denied", "error": error.code, "message": error.message})
            with suppress(OSError):  # it may not wait for an answer
                sock.send(answer, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            sock.close()
            return
        greeting: dict[str, object] = {"status": "ok", "vkernel": __version__}
        client = Client(
            self.loop, sock, listener.cid, greeting, requests.handle, self._left, self.config.handshake_timeout
        )
        requests.peers[client] = fields
        self._clients[client] = requests

    def _left(self, client: Client, error: Error | None) -> None:
        requests = self._clients.pop(client, None)
        if requests is not None:
            requests.left(client, error)
