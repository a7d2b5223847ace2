"""In: a signed file, its arguments, where its vkernel is. Out: this process becomes the program, or an Error.

The file is copied to a sealed memfd first and verified there, so what was verified is what runs. Without a vkernel to
connect to, a private one is forked: the child serves one end of a socketpair and this process execs the stub with the
other, so pid, signals, terminal and exit status are the program's own.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import vkernel_proto
from recompiler import memfd
from recompiler.both import verify_both
from recompiler.errors import Error
from recompiler.format import files
from recompiler.format.keystore import KeyStore
from vkernel_proto.controller import Denied
from vkernel_proto.engine import private
from vkernel_proto.engine.kernel import BundleConfig

# What the stub reads (docs/wire.md) and this command decides; it never reaches the guest.
CONTROL = "RECOMPILER_"


@dataclass(frozen=True)
class Plan:
    """What to run and where its vkernel is."""

    path: Path
    arguments: Sequence[str]
    pubkeys: Path
    default_store: bool
    root: Path | None = None  # the private vkernel's root directory; None: an empty one, removed afterwards
    audit: Path | None = None  # the private vkernel's audit log
    run_dir: Path | None = None  # of a vkernel that already serves; None: a private one
    cid: str | None = None
    encoding: str = "binary"
    env: Mapping[str, str] = field(default_factory=dict)  # a bundle's program has these variables and no others
    cwd: str = "/"


def sealed_copy(path: Path) -> int:
    """The file's bytes in a sealed, executable memfd; the caller owns the fd.

    Raises Error (E_OPEN, E_NOT_REGULAR, E_TOO_LARGE, E_READ, E_CHANGED).
    """
    source, size = files.open_regular(path)
    try:
        return memfd.sealed_copy(source, size, path.name, executable=True)
    finally:
        os.close(source)


def environment(plan: Plan, inherited: Mapping[str, str], socket_fd: int | None) -> dict[str, str]:
    """The stub's environment: the caller's, with the control variables set by this plan alone."""
    env = {name: value for name, value in inherited.items() if not name.startswith(CONTROL)}
    env[f"{CONTROL}ENCODING"] = plan.encoding
    if plan.cid is not None:
        env[f"{CONTROL}CID"] = plan.cid
    if socket_fd is not None:
        env[f"{CONTROL}SOCKET_FD"] = str(socket_fd)
    if plan.run_dir is not None:
        env[f"{CONTROL}RUN_DIR"] = str(plan.run_dir.absolute())
    if not plan.default_store:
        # Read by development builds only. As it was given: nobody looks at what is above a relative path.
        env[f"{CONTROL}PUBKEYS"] = str(plan.pubkeys)
    return env


def _detach(serve: Callable[[], None], keep: int) -> None:
    """Runs serve() in a process of its own that is nobody's child, in no terminal's foreground group.

    It has the fd `keep` and stderr, no other. Call it before anything starts threads: a fork copies only one.
    """
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        return
    status = 1
    try:
        os.setsid()  # ^C is for the program; a session without this terminal may still read it
        if os.fork():
            os._exit(0)
        for ignored in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1):
            os.dup2(null, fd)
        os.closerange(3, keep)
        os.closerange(keep + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        serve()
        status = 0
    except Error as error:
        os.write(2, f"vkernel: {error}\n".encode())
    finally:
        os._exit(status)


@contextmanager
def _root(given: Path | None) -> Iterator[Path]:
    """The directory that the guest sees as /: the given one, or an empty one that goes with the guest."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="recompiler-root-") as made:
        yield Path(made)


def _start_private_vkernel(plan: Plan, store: KeyStore) -> socket.socket:
    theirs, ours = vkernel_proto.socketpair()

    def serve() -> None:
        with _root(plan.root) as root:
            config = vkernel_proto.Config(root=root, store=store, audit=plan.audit, cid=plan.cid)
            vkernel_proto.serve_connection(theirs, config)

    _detach(serve, theirs.fileno())
    theirs.close()
    return ours


def execute(plan: Plan) -> NoReturn:
    """Verifies the file with both readers and becomes the program; returns only by raising Error."""
    store = KeyStore.open(plan.pubkeys, default_store=plan.default_store)
    connection = _start_private_vkernel(plan, store) if plan.run_dir is None else None
    copy = sealed_copy(plan.path)
    verify_both(copy, plan.pubkeys, default_store=plan.default_store)
    socket_fd = None
    if connection is not None:
        os.set_inheritable(connection.fileno(), True)
        socket_fd = connection.detach()
    sys.stdout.flush()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it; a program expects the default
    try:
        os.execve(copy, [str(plan.path), *plan.arguments], environment(plan, os.environ, socket_fd))
    except OSError as error:
        raise Error("E_STUB_ELF", f"{plan.path} cannot be started here: {error.strerror}") from error


def execute_bundle(plan: Plan) -> int:
    """Verifies the bundle and runs one of its programs in a container of its own: its status, or 128 + its signal.

    Raises Error: every code of a bundle that is refused; E_RPC_DENIED: there is no such program.
    """
    config = BundleConfig(
        plan.path, pubkeys=None if plan.default_store else plan.pubkeys, root=plan.root, audit=plan.audit
    )
    empty = Path(tempfile.gettempdir(), f"recompiler-empty-{os.geteuid()}")
    try:
        status = private.run(config, plan.arguments, plan.env, plan.cwd, empty, plan.cid or "run")
    except Denied as denied:
        raise Error("E_RPC_DENIED", str(denied)) from None
    return 128 - status if status < 0 else status
