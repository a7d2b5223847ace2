"""What all connections of one vkernel share: configuration, audit log, key store, containers and their guests."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from recompiler import __version__
from recompiler.errors import Error
from recompiler.format.keystore import DEFAULT_PATH, KeyStore
from vkernel_proto import signals
from vkernel_proto.audit import Audit
from vkernel_proto.stub.container import Container
from vkernel_proto.verdict import ExecutableVerifier, KeyFile
from vkernel_proto.wire.peer import PeerVerifier
from vkernel_proto.wire.stream import Stream

CONTAINERS_MAX: Final = 1024
# What a peer or an operator learns of when it is on disk, not before.
ACKNOWLEDGED: Final = frozenset({"deny", "drop", "exit", "stop"})


@dataclass(frozen=True)
class Config:
    """How a vkernel serves. Give `store` (a key store as it is) or `pubkeys` (a file, read again when it changes)."""

    root: str | Path  # the directory that guests see as /
    store: KeyStore | None = None
    pubkeys: Path | None = None
    default_store: bool = False  # pubkeys is the default store: the role dev is refused
    cid: str | None = None  # of serve_connection; None: whichever id the guest says
    run_dir: Path = Path("/run/vkernel")
    audit: Path | None = None
    allow_uid: int | None = None  # guests may run as this user too, not only as root and the vkernel's own
    max_connections: int = 256
    max_handshakes: int = 64
    handshake_timeout: float = 5.0  # seconds
    send_timeout: float = 10.0
    stop_timeout: float = 2.0
    peer_verifier: PeerVerifier | None = None  # None: verify the peer's executable; another one is for tests


class Encoder(Protocol):
    """The side of a codec that a message from another thread needs."""

    def message(self, message: dict[str, Any]) -> bytes: ...


@dataclass
class Guest:
    """One guest process that has been let in."""

    pid: int
    cid: str
    subject: str
    uid: int
    peer_pid: int  # on the host
    pidfd: int
    wake: int
    stream: Stream
    encoder: Encoder
    since: float = field(default_factory=time.monotonic)
    signal: int | None = None  # the last terminating signal, ours or its own

    def tell(self, message: dict[str, object]) -> None:
        """Sends a message without waiting; a guest that does not read loses it."""
        self.stream.send_soon(self.encoder.message(message))


class Core:
    """The shared state. Every method may be called from any connection's thread."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.version = __version__
        self.lock = threading.Lock()
        self.guests: dict[tuple[str, int], Guest] = {}
        self.allowed = frozenset({0, os.geteuid()} | ({config.allow_uid} if config.allow_uid is not None else set()))
        self.verify_peer = config.peer_verifier or ExecutableVerifier(
            config.store
            or KeyFile(config.pubkeys or Path(DEFAULT_PATH), config.default_store or config.pubkeys is None)
        )
        self._containers: dict[str, tuple[Container, Iterator[int]]] = {}
        try:
            self._root = os.open(config.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Error("E_OPEN", f"root {config.root}: {error.strerror}") from error
        self._audit = Audit(config.audit) if config.audit is not None else None
        self.audit("start", vkernel=self.version, root=str(config.root))

    def audit(self, event: str, **fields: object) -> None:
        """Adds a record to the audit log, if there is one. Raises Error (E_AUDIT)."""
        if self._audit is not None:
            self._audit.append(event, sync=event in ACKNOWLEDGED, **fields)

    def check_user(self, uid: int) -> None:
        """Raises Error (E_SOCK_PEER) when a process of this user may not connect."""
        if uid not in self.allowed:
            raise Error("E_SOCK_PEER", f"uid {uid} may not connect to this vkernel")

    def check_controller(self, uid: int) -> None:
        """Raises Error (E_SOCK_PEER) when a process of this user may not list and signal guests."""
        if uid not in (0, os.geteuid()):
            raise Error("E_SOCK_PEER", f"uid {uid} may not control this vkernel")

    def container(self, cid: str) -> tuple[Container, int]:
        """The container of this id, made when its first guest comes, and the pid of the next guest in it."""
        with self.lock:
            if cid not in self._containers:
                if len(self._containers) >= CONTAINERS_MAX:
                    raise Error("E_RPC_DENIED", f"this vkernel has {CONTAINERS_MAX} containers")
                self._containers[cid] = Container(cid, self._root, partial(self.deliver, cid)), itertools.count(1)
            container, pids = self._containers[cid]
            return container, next(pids)

    def deliver(self, cid: str, pid: int, number: int) -> bool:
        """Sends a signal to a guest; False when there is none of that pid."""
        with self.lock:
            guest = self.guests.get((cid, pid))
            if guest is None:
                return False
            if signals.ends(number):
                guest.signal = number  # before it is sent: the guest's own thread records how it ended
            # Under the lock: the pidfd and the eventfd are closed only after `leave`.
            signals.deliver(guest, number)
            return True

    def has_guest(self, cid: str, pid: int) -> bool:
        """Whether the container has a guest of this pid now."""
        with self.lock:
            return (cid, pid) in self.guests

    def enter(self, guest: Guest) -> None:
        """Makes a guest visible to control clients."""
        with self.lock:
            self.guests[guest.cid, guest.pid] = guest

    def leave(self, guest: Guest) -> None:
        """Forgets a guest."""
        with self.lock:
            self.guests.pop((guest.cid, guest.pid), None)

    def guests_of(self, cid: str) -> list[Guest]:
        """The guests of a container, oldest first."""
        with self.lock:
            return [guest for guest in self.guests.values() if guest.cid == cid]

    def close(self) -> None:
        """Releases what is shared; after the last connection has ended."""
        try:
            self.audit("stop")
        finally:
            if self._audit is not None:
                self._audit.close()
            os.close(self._root)
