"""In: a configuration and container ids. Out: /run/vkernel/CID.sock, and a thread for each connection to it."""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
import weakref
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from recompiler.errors import Error
from recompiler.format import strictjson
from vkernel_proto.stub.connection import Connection, check_stamped
from vkernel_proto.stub.core import Config, Core
from vkernel_proto.wire import peer, stream
from vkernel_proto.wire.cid import check_cid
from vkernel_proto.wire.listener import Listener

PAUSE: Final = 0.05  # seconds without accepting when the host has no more fds or threads


def socketpair() -> tuple[socket.socket, socket.socket]:
    """A connected pair: (ours, the guest's). The process that calls this is the one that must become the guest."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.prepare(ours)
    return ours, theirs


def serve_connection(sock: socket.socket, config: Config) -> None:
    """Serves one connection of socketpair() in the calling thread and returns after its end. The socket is closed.

    Raises Error (E_OPEN, E_AUDIT, E_SOCK_ID, E_SOCK_PEER) when socket or configuration cannot be used; never for what
    the peer does.
    """
    check_stamped(sock)
    if config.cid is not None:
        check_cid(config.cid)
    core = Core(config)
    try:
        Connection(core, sock, config.cid).run()
    finally:
        core.close()


class VKernel:
    """A vkernel with listening sockets: `listen` for each container, then `run` until another thread calls `stop`."""

    def __init__(self, config: Config) -> None:
        """Raises Error (E_OPEN, E_AUDIT)."""
        self.config = config
        self.core = Core(config)
        self._listeners: list[Listener] = []
        self._connections: dict[Connection, tuple[threading.Thread, int]] = {}
        self._lock = threading.Lock()
        self._stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        weakref.finalize(self, os.close, self._stop)  # not before: a late `stop` must not write to another's fd

    def listen(self, cid: str) -> Path:
        """Opens the socket of a container; returns its path.

        Raises Error (E_SOCK_ID, E_SOCK_PATH: the run directory is unsafe, the path too long, or another vkernel's).
        """
        listener = Listener(self.config.run_dir, cid, self.config.allow_uid)
        self._listeners.append(listener)
        return listener.path

    def run(self) -> None:
        """Serves until `stop`; then ends the guests, removes the sockets and returns."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._stop, selectors.EVENT_READ)
            for listener in self._listeners:
                selector.register(listener.sock, selectors.EVENT_READ, listener)
            while True:
                ready = [key.data for key, _ in selector.select()]
                if None in ready:
                    break
                for listener in ready:
                    self._accept(listener)
        self._close()

    def stop(self) -> None:
        """Makes `run` return; from any thread or signal handler."""
        os.eventfd_write(self._stop, 1)

    def _accept(self, listener: Listener) -> None:
        try:
            sock, _ = listener.sock.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # the peer has left again
        except OSError:
            time.sleep(PAUSE)  # no fds left (EMFILE): the backlog holds the others until a guest ends
            return
        sock.setblocking(True)
        try:
            pid, uid, _ = peer.credentials(sock)
            fields = {"cid": listener.cid, "peer_pid": pid, "peer_uid": uid}
        except Error as error:
            self._refuse(sock, error, {"cid": listener.cid})
            return
        try:
            self.core.check_user(uid)
            self._start(Connection(self.core, sock, listener.cid), pid)
        except Error as error:
            self._refuse(sock, error, fields)

    def _start(self, connection: Connection, pid: int) -> None:
        def serve() -> None:
            try:
                connection.run()
            finally:
                with self._lock:
                    self._connections.pop(connection, None)

        with self._lock:
            if len(self._connections) >= self.config.max_connections:
                raise Error("E_RPC_DENIED", f"this vkernel serves {self.config.max_connections} connections already")
            self._make_place()
            thread = threading.Thread(target=serve, name=f"vkernel-{pid}", daemon=True)
            self._connections[connection] = thread, pid
            try:
                thread.start()
            except RuntimeError as error:
                del self._connections[connection]
                raise Error("E_RPC_DENIED", "the host has no thread for another connection") from error

    def _make_place(self) -> None:
        """When too many have not said hello yet, the one that waits longest, of the process that has most, must go."""
        waiting = {c: pid for c, (_, pid) in self._connections.items() if not c.settled and not c.aborted}
        if len(waiting) >= self.config.max_handshakes:
            [(worst, _)] = Counter(waiting.values()).most_common(1)
            victim = next(connection for connection, pid in waiting.items() if pid == worst)
            victim.abort(Error("E_SOCK_TIMEOUT", "dropped before its hello: others wait for its place"))

    def _refuse(self, sock: socket.socket, error: Error, fields: dict[str, Any]) -> None:
        with suppress(Error):  # the log may be full: refused all the same
            self.core.audit("drop", error=error.code, message=error.message, **fields)
        answer = strictjson.dumps({"status": "denied", "error": error.code, "message": error.message})
        with suppress(OSError):  # it may not wait for an answer
            sock.send(answer, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        sock.close()

    def _close(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._end_guests()
        self.core.close()
        for listener in self._listeners:
            listener.release()
        self._listeners.clear()

    def _end_guests(self) -> None:
        """SIGTERM, then SIGKILL, then the connections are cut."""
        for number, patience in ((15, self.config.stop_timeout), (9, self.config.stop_timeout)):
            with self.core.lock:
                names = list(self.core.guests)
            for cid, pid in names:
                self.core.deliver(cid, pid, number)
            deadline = time.monotonic() + patience
            while self.core.guests and time.monotonic() < deadline:
                time.sleep(0.005)
        with self._lock:
            connections = dict(self._connections)
        for connection, (thread, _) in connections.items():
            connection.abort(None)
            thread.join(self.config.stop_timeout)
