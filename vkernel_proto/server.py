"""In: a configuration and container ids. Out: /run/vkernel/CID.sock, and a thread for each connection to it.

A socket appears by rename, complete: bound, mode 0600, listening. A lock file beside it says whose it is, so that a
socket left by a vkernel that was killed is replaced, and one that is served is not.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import socket
import stat
import threading
import time
import weakref
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recompiler import strictjson
from recompiler.errors import Error
from vkernel_proto import peer, stream
from vkernel_proto.connection import Connection, check_stamped
from vkernel_proto.core import Config, Core, check_cid

BACKLOG: Final = 128
PATH_MAX: Final = 107  # bytes of sockaddr_un.sun_path without its NUL, unix(7)
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


@dataclass
class _Listener:
    cid: str
    path: Path
    sock: socket.socket
    lock: int
    inode: int


class VKernel:
    """A vkernel with listening sockets: `listen` for each container, then `run` until another thread calls `stop`."""

    def __init__(self, config: Config) -> None:
        """Raises Error (E_OPEN, E_AUDIT)."""
        self.config = config
        self.core = Core(config)
        self._listeners: list[_Listener] = []
        self._connections: dict[Connection, tuple[threading.Thread, int]] = {}
        self._lock = threading.Lock()
        self._stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        weakref.finalize(self, os.close, self._stop)  # not before: a late `stop` must not write to another's fd

    def listen(self, cid: str) -> Path:
        """Opens the socket of a container; returns its path.

        Raises Error (E_SOCK_ID, E_SOCK_PATH: the run directory is unsafe, the path too long, or another vkernel's).
        """
        check_cid(cid)
        path = self.config.run_dir / f"{cid}.sock"
        if not path.is_absolute() or len(os.fsencode(path)) > PATH_MAX - len(".new"):
            raise Error("E_SOCK_PATH", f"{path} is not absolute or longer than {PATH_MAX - len('.new')} bytes")
        check_run_dir(self.config.run_dir)
        lock = _take_lock(self.config.run_dir / f"{cid}.lock")
        try:
            listener = self._bind(path)
        except BaseException:
            os.close(lock)
            raise
        self._listeners.append(_Listener(cid, path, listener, lock, os.stat(path).st_ino))
        return path

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

    def _bind(self, path: Path) -> socket.socket:
        new = path.with_name(path.name + ".new")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if path.is_symlink() or (path.exists() and not _is_own_socket(path)):
                raise Error("E_SOCK_PATH", f"{path} exists and is not a socket of this user: move it away")
            new.unlink(missing_ok=True)
            os.fchmod(sock.fileno(), 0o600)  # bind gives the file the mode of the socket: it never has another
            sock.bind(str(new))
            if self.config.allow_uid not in (None, os.geteuid()):
                os.chown(new, self.config.allow_uid, -1, follow_symlinks=False)
            stream.prepare(sock)  # accepted sockets inherit it before their peer can send
            sock.listen(BACKLOG)
            sock.setblocking(False)
            os.rename(new, path)
        except OSError as error:
            sock.close()
            raise Error("E_SOCK_PATH", f"{path}: {error.strerror}") from error
        except BaseException:
            sock.close()
            raise
        return sock

    def _accept(self, listener: _Listener) -> None:
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
            # Only our own file: somebody may have moved it and made another.
            if listener.path.exists() and os.stat(listener.path).st_ino == listener.inode:
                listener.path.unlink()
            listener.sock.close()
        self._end_guests()
        self.core.close()
        for listener in self._listeners:
            os.close(listener.lock)
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


def check_run_dir(directory: Path) -> None:
    """Every component is a directory, no symlink, and nobody but root and this user can change it; made when absent.

    A sticky directory of root (/tmp) is as good. Raises Error (E_SOCK_PATH).
    """
    try:
        if not directory.exists():
            directory.mkdir(mode=0o755)
        at = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _check_directory(at, directory)
            for part in directory.parts[1:]:
                below = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
                os.close(at)
                at = below
                _check_directory(at, directory)
        finally:
            os.close(at)
    except OSError as error:
        raise Error("E_SOCK_PATH", f"run directory {directory}: {error.strerror}") from error


def _check_directory(fd: int, directory: Path) -> None:
    status = os.fstat(fd)
    sticky = status.st_uid == 0 and status.st_mode & stat.S_ISVTX
    if status.st_uid not in (0, os.geteuid()) or (status.st_mode & 0o022 and not sticky):
        raise Error("E_SOCK_PATH", f"run directory {directory}: it or one above it can be changed by others")


def _is_own_socket(path: Path) -> bool:
    status = os.stat(path, follow_symlinks=False)
    return stat.S_ISSOCK(status.st_mode) and (os.geteuid() == 0 or status.st_uid == os.geteuid())


def _take_lock(path: Path) -> int:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Error("E_SOCK_PATH", f"{path}: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise Error("E_SOCK_PATH", f"another vkernel serves {path.stem}") from error
    return fd
