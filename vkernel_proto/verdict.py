"""In: a peer process. Out: its executable's verdict, by this vkernel's own key store, cached only where that is safe.

A cached verdict is used when device, inode, size, mtime and ctime are the same. That is no proof for everyone's files:
a write within the clock tick of the check, or through a shared map, leaves the times as they were, and a FUSE server
makes them up. So only two sorts of files are remembered:
  - a memfd sealed against writing, growing and shrinking: nobody can change it, and ctime tells a reused inode number;
  - a file that only root or the vkernel's own user can write (an ACL that grants more shows in the group bits, acl(5)),
    on a local filesystem that is mounted in the vkernel's own namespace. These two need no such trick: the key store
    and the audit log are theirs. An accident within a clock tick is caught by the stub, which verifies itself too.
All other files are read again for each hello. The verdict also depends on the clock and the key store: it holds while
no time that it was compared with lies between then and now, and the store's bytes are the same.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recompiler.errors import Error
from recompiler.format import trailer, verify
from recompiler.format.keystore import KeyStore
from recompiler.format.verify import CLOCK_SKEW, Verified
from vkernel_proto.wire.peer import Peer

SEALED: Final = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK
LOCAL: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "tmpfs", "overlay", "squashfs", "erofs"})
VERDICTS_KEPT: Final = 32
LARGE: Final = 8 << 20  # bytes; files over it are verified one at a time, because their sections are held in memory
FileKey = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class _Verdict:
    verified: Verified
    store: bytes
    since: float
    until: float


class KeyFile:
    """A key store file, read again when it changes. A broken one refuses everybody; there is no older one to trust."""

    def __init__(self, path: Path, default_store: bool) -> None:
        self._path = path
        self._default_store = default_store
        self._lock = threading.Lock()
        self._read: tuple[FileKey, KeyStore] | None = None

    def __call__(self) -> KeyStore:
        """The store as it is now. Raises Error (E_KEYS_*)."""
        with self._lock:
            try:
                key = _file_key(os.stat(self._path, follow_symlinks=False))
            except OSError as error:
                raise Error("E_KEYS_OPEN", f"{self._path}: {error.strerror}") from error
            if self._read is None or self._read[0] != key:
                self._read = None
                self._read = key, KeyStore.open(self._path, default_store=self._default_store)
            return self._read[1]


class ExecutableVerifier:
    """Verifies the executables of peers (a PeerVerifier). store: fixed, or a function that gives the present one."""

    def __init__(self, store: KeyStore | KeyFile) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._large = threading.Lock()
        self._verdicts: OrderedDict[FileKey, _Verdict] = OrderedDict()

    def __call__(self, peer: Peer) -> Verified:
        """What the peer's executable is signed to be.

        Raises Error (E_SOCK_PEER: it cannot be opened; every code of docs/format.md).
        """
        try:
            fd = os.open(f"/proc/{peer.pid}/exe", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise Error("E_SOCK_PEER", f"the executable of process {peer.pid}: {error.strerror}") from error
        try:
            if not peer.alive():  # else the number in that path may have named another process
                raise Error("E_SOCK_PEER", f"process {peer.pid} has ended")
            return self._verify(fd)
        finally:
            os.close(fd)

    def _verify(self, fd: int) -> Verified:
        status = os.fstat(fd)
        key = _file_key(status)
        now = int(time.time())
        with self._lock:
            known = self._verdicts.get(key)
        if known and known.since <= now < known.until and known.store == self._current().raw:
            return known.verified
        if status.st_size > LARGE:
            with self._large:
                verified = verify.verify_fd(fd, self._current, now=now)
        else:
            verified = verify.verify_fd(fd, self._current, now=now)
        if verified.statement.kind != trailer.EXECUTABLE:
            raise Error("E_KIND", "the peer's executable has a detached trailer")
        if cacheable(fd, status):
            store = self._current()
            with self._lock:
                self._verdicts[key] = _Verdict(verified, store.raw, *_holds(now, verified, store))
                while len(self._verdicts) > VERDICTS_KEPT:
                    self._verdicts.popitem(last=False)
        return verified

    def _current(self) -> KeyStore:
        return self._store if isinstance(self._store, KeyStore) else self._store()


def cacheable(fd: int, status: os.stat_result) -> bool:
    """Whether a verdict on this file stays true while its status stays the same (see the module's first lines)."""
    try:
        if fcntl.fcntl(fd, fcntl.F_GET_SEALS) & SEALED == SEALED:
            return True  # a memfd: no other file of a tmpfs can be sealed, though each answers
    except OSError:
        pass  # not on a tmpfs
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
        return False
    device = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:  # proc_pid_mountinfo(5): 36 35 98:0 /root /mount options [tags] - type source options
            before, _, after = line.partition(" - ")
            if before.split()[2] == device:
                return after.split()[0] in LOCAL
    return False


def _holds(now: int, verified: Verified, store: KeyStore) -> tuple[float, float]:
    """The time around now in which no comparison of stages 5 and 6 changes its result: since <= t < until."""
    statement = verified.statement
    edges = [trailer.MIN_TIME, statement.signed_at - CLOCK_SKEW]
    edges += [statement.expires_at] if statement.expires_at else []
    edges += [edge for key in store.keys for edge in (key.not_before, key.not_after)]
    since = max((edge for edge in edges if edge <= now), default=0)
    until = min((edge for edge in edges if edge > now), default=float("inf"))
    return since, until


def _file_key(status: os.stat_result) -> FileKey:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
