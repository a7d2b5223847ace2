"""In: a bundle directory and container ids. Out: /run/vkernel/CID.sock for control clients, and a container behind it.

How a program uses it:

    server = BundleServer(BundleConfig(Path("BUNDLE"), pubkeys=Path("pubkeys.json"), run_dir=Path("/run/vkernel")))
    server.listen("demo")       # the container is made, then the socket appears
    server.run()                # until stop(), from a signal handler or another thread

and a client: vkernel_proto.control.Control(run_dir, "demo"), with spawn, wait, exec, signal, ps, info and stop; or
`vkernel serve --bundle BUNDLE --cid demo` and `recompiler exec demo -- ARGV`.
"""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recompiler import __version__, strictjson
from recompiler.errors import Error
from recompiler.keystore import KeyStore
from vkernel_proto import peer
from vkernel_proto.audit import Audit
from vkernel_proto.engine.bundle import Bundle, open_bundle
from vkernel_proto.engine.cgroups import Groups
from vkernel_proto.engine.client import Client
from vkernel_proto.engine.log import Log
from vkernel_proto.engine.loop import READ, Loop
from vkernel_proto.engine.plane import Plane, release
from vkernel_proto.engine.requests import Requests
from vkernel_proto.listener import Listener

EMPTY: Final = "empty"  # below the run directory: the root of a bundle without one


@dataclass(frozen=True)
class BundleConfig:
    """How a bundle is served. Give `store` (a key store as it is) or `pubkeys` (a file; None: the default store)."""

    bundle: Path
    store: KeyStore | None = None
    pubkeys: Path | None = None
    root: Path | None = None  # what the containers lie over; None: the bundle's rootfs, else nothing
    run_dir: Path = Path("/run/vkernel")
    audit: Path | None = None
    disk_bytes: int = 0  # of a container's changes to files, in memory; 0: the engine's 64 MiB
    cgroups: bool = True
    max_connections: int = 256
    handshake_timeout: float = 5.0  # seconds
    stop_timeout: float = 5.0


def open_verified(config: BundleConfig, log: Log) -> Bundle:
    """The bundle; that it is verified, or refused and why, is in the log first. Raises Error."""
    try:
        bundle = open_bundle(config.bundle, config.store or config.pubkeys)
    except Error as error:
        log.note("refuse", bundle=str(config.bundle), error=error.code, message=error.message)
        raise
    error_ = log.note("bundle", bundle=str(config.bundle), **release(bundle))
    if error_ is not None:
        bundle.close()
        raise error_
    return bundle


class BundleServer:
    """A vkernel of one bundle; the bundle is verified and its zygote loaded when the first container is made."""

    def __init__(self, config: BundleConfig) -> None:
        """Raises Error: E_AUDIT, E_OPEN, and every code of a bundle that is refused."""
        self.config = config
        self.loop = Loop()
        self._listeners: list[Listener] = []
        self._clients: dict[Client, Requests] = {}
        self._open = ExitStack()
        with ExitStack() as undo:
            undo.callback(self.loop.close)
            self.log = Log(Audit(config.audit) if config.audit is not None else None)
            undo.callback(self.log.close)
            self.log.note("start", vkernel=__version__, bundle=str(config.bundle))
            bundle = open_verified(config, self.log)
            undo.callback(bundle.close)
            root = _open_root(config.root or bundle.rootfs or _empty(config.run_dir))
            undo.callback(os.close, root)
            groups = Groups() if config.cgroups else None
            if groups is not None:
                undo.callback(groups.close)
            self.plane = Plane(self.loop, bundle, root, self.log.note, groups, config.disk_bytes)
            self._open = undo.pop_all()

    def listen(self, cid: str) -> Path:
        """Makes the container and then its socket; returns its path.

        Raises Error (E_SOCK_ID, E_SOCK_PATH as vkernel_proto.listener; E_ENGINE_*, E_SANDBOX: no container).
        """
        listener = Listener(self.config.run_dir, cid, prepare=lambda: self.plane.open(cid))
        self._listeners.append(listener)
        requests = Requests(self.plane, self.plane.place(cid))
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
        self.plane.close(self.config.stop_timeout)
        for client in list(self._clients):
            client.close()
        self.log.note("stop")
        self._open.close()
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
            self.log.note("drop", error=error.code, message=error.message, **fields)
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


def _open_root(path: Path) -> int:
    try:
        return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Error("E_OPEN", f"root {path}: {error.strerror}") from error


def _empty(run_dir: Path) -> Path:
    """The empty directory that all containers of this run directory can lie over."""
    path = run_dir / EMPTY
    try:
        path.mkdir(mode=0o555, exist_ok=True)
        if any(path.iterdir()):
            raise Error("E_OPEN", f"{path} is not empty; remove what is in it, or name a --root")
    except OSError as error:
        raise Error("E_OPEN", f"{path}: {error.strerror}") from error
    return path
