"""In: a run directory and a container id. Out: its listening socket, RUN_DIR/CID.sock.

A socket appears by rename, complete: bound, mode 0600, listening. A lock file beside it says whose it is, so that a
socket left by a vkernel that was killed is replaced, and one that is served is not.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from recompiler.errors import Error
from recompiler.format.source import check_closed
from vkernel_proto.wire import stream
from vkernel_proto.wire.cid import check_cid

BACKLOG: Final = 128
PATH_MAX: Final = 107  # bytes of sockaddr_un.sun_path without its NUL, unix(7)


class Listener:
    """A bound socket and the lock that says it is ours."""

    def __init__(
        self, run_dir: Path, cid: str, owner: int | None = None, prepare: Callable[[], object] = lambda: None
    ) -> None:
        """owner: the user who may connect too, and owns the socket; None: this one. prepare: called when the id is ours
        and before the socket appears.

        Raises Error (E_SOCK_ID, E_SOCK_PATH: the run directory is unsafe, the path too long, or another vkernel's).
        """
        check_cid(cid)
        self.cid = cid
        self.path = run_dir / f"{cid}.sock"
        if not self.path.is_absolute() or len(os.fsencode(self.path)) > PATH_MAX - len(".new"):
            raise Error("E_SOCK_PATH", f"{self.path} is not absolute or longer than {PATH_MAX - len('.new')} bytes")
        check_run_dir(run_dir)
        self._lock = _take_lock(run_dir / f"{cid}.lock")
        try:
            prepare()
            self.sock = _bind(self.path, owner)
            self._inode = os.stat(self.path).st_ino
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Closes and removes the socket; only our own file: somebody may have moved it and made another."""
        if self.path.exists() and os.stat(self.path).st_ino == self._inode:
            self.path.unlink()
        self.sock.close()

    def release(self) -> None:
        """Gives the id to the next vkernel."""
        os.close(self._lock)


def _bind(path: Path, owner: int | None) -> socket.socket:
    new = path.with_name(path.name + ".new")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_symlink() or (path.exists() and not _is_own_socket(path)):
            raise Error("E_SOCK_PATH", f"{path} exists and is not a socket of this user: move it away")
        new.unlink(missing_ok=True)
        os.fchmod(sock.fileno(), 0o600)  # bind gives the file the mode of the socket: it never has another
        sock.bind(str(new))
        if owner is not None and owner != os.geteuid():
            os.chown(new, owner, -1, follow_symlinks=False)
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


def check_run_dir(directory: Path) -> None:
    """Every component is a directory, no symlink, and nobody but root and this user can change it; made when absent.

    A sticky directory of root (/tmp) is as good. Raises Error (E_SOCK_PATH).
    """
    try:
        if not directory.exists():
            directory.mkdir(mode=0o755)
        at = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            above = Path("/")
            check_closed(os.fstat(at), "E_SOCK_PATH", str(above))
            for part in directory.parts[1:]:
                above /= part
                below = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
                os.close(at)
                at = below
                check_closed(os.fstat(at), "E_SOCK_PATH", str(above))
        finally:
            os.close(at)
    except OSError as error:
        raise Error("E_SOCK_PATH", f"run directory {directory}: {error.strerror}") from error


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
