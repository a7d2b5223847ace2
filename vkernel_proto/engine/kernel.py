"""In: how a bundle is to be run. Out: what every way of running it begins with: log, verified bundle, root, plane."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from recompiler import __version__
from recompiler.errors import Error
from recompiler.format.keystore import KeyStore
from vkernel_proto.audit import Audit
from vkernel_proto.engine.bundle import Bundle, open_bundle
from vkernel_proto.engine.cgroups import Groups
from vkernel_proto.engine.control_plane import ControlPlane, release
from vkernel_proto.engine.log import Log
from vkernel_proto.engine.loop import Loop


@dataclass(frozen=True)
class BundleConfig:
    """How a bundle is run. Give `store` (a key store as it is) or `pubkeys` (a file; None: the default store)."""

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


class Kernel:
    """A context manager; what it made ends with it: containers, groups, zygote, in this order."""

    def __init__(self, config: BundleConfig, empty: Path) -> None:
        """empty: the empty directory, made when it is needed, that is the root of a bundle without one.

        Raises Error: E_AUDIT, E_OPEN, and every code of a bundle that is refused.
        """
        self.config = config
        with ExitStack() as undo:
            self.loop = Loop()
            undo.callback(self.loop.close)
            self.log = Log(Audit(config.audit) if config.audit is not None else None)
            undo.callback(self.log.close)
            self.log.note("start", vkernel=__version__, bundle=str(config.bundle))
            self.bundle = self._open_bundle()
            undo.callback(self.bundle.close)
            root = _open_root(config.root or self.bundle.rootfs or _empty(empty))
            undo.callback(os.close, root)
            groups = Groups() if config.cgroups else None
            if groups is not None:
                undo.callback(groups.close)
            self.plane = ControlPlane(self.loop, self.bundle, root, self.log.note, groups, config.disk_bytes)
            self._open = undo.pop_all()

    def close(self) -> None:
        """Ends everything, serving the loop meanwhile."""
        self.plane.close(self.config.stop_timeout)
        self.log.note("stop")
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()

    def _open_bundle(self) -> Bundle:
        """Verified, or refused and why, is in the log first."""
        config = self.config
        try:
            bundle = open_bundle(config.bundle, config.store or config.pubkeys)
        except Error as error:
            self.log.note("refuse", bundle=str(config.bundle), error=error.code, message=error.message)
            raise
        error_ = self.log.note("bundle", bundle=str(config.bundle), **release(bundle))
        if error_ is not None:
            bundle.close()
            raise error_
        return bundle


def _empty(path: Path) -> Path:
    """The empty directory; its owner is this user, and its mode lets nobody put anything there."""
    try:
        path.mkdir(mode=0o555, exist_ok=True)
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or any(path.iterdir()):
            raise Error("E_OPEN", f"{path} is no empty directory of this user: remove it, or name a --root")
    except OSError as error:
        raise Error("E_OPEN", f"{path}: {error.strerror}") from error
    return path


def _open_root(path: Path) -> int:
    try:
        return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Error("E_OPEN", f"root {path}: {error.strerror}") from error
