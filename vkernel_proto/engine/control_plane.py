"""In: a verified bundle. Out: its zygote and containers, one for each container id; a dead zygote is replaced.

    ControlPlane   the bundle, its zygote, what all containers share
    Supervisor     one container id: makes its container, and makes it again (supervisor.py)
    Client         one control connection, which asks (client.py)

Everything happens in one loop. A zygote that dies takes its containers along; the next spawn starts another, from the
same sealed bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from recompiler.errors import Error
from recompiler.format.manifest import Policy
from vkernel_proto.engine import records
from vkernel_proto.engine.bundle import Bundle
from vkernel_proto.engine.cgroups import Group, Groups
from vkernel_proto.engine.container import Container
from vkernel_proto.engine.loop import Loop
from vkernel_proto.engine.records import Message
from vkernel_proto.engine.supervisor import Supervisor
from vkernel_proto.engine.zygote import Zygote, failure

Note = Callable[..., Error | None]  # event, fields: the record is written on return, or why it could not be
Made = Callable[[Container | Error], None]
REMOVE_EVERY: Final = 0.01  # seconds between attempts to remove a group that still has dying processes
REMOVE_TIMES: Final = 500


class ControlPlane:
    """The containers of one bundle. root is the directory they are made over; bundle and root stay the caller's."""

    def __init__(
        self, loop: Loop, bundle: Bundle, root: int, note: Note, groups: Groups | None = None, disk_bytes: int = 0
    ) -> None:
        self.loop = loop
        self.bundle = bundle
        self.note = note
        self.supervisors: dict[str, Supervisor] = {}
        self._root = root
        self._groups = groups
        self._disk_bytes = disk_bytes or records.DISK_BYTES
        self._zygote: Zygote | None = None
        self._loading: list[Callable[[Zygote | Error], None]] = []
        self._running: dict[int, tuple[Supervisor, Container]] = {}
        self._dying: list[Group] = []
        self._closing = False

    @property
    def policy(self) -> Policy:
        """The manifest's policy."""
        return self.bundle.verified.manifest.policy

    @property
    def limits(self) -> dict[str, int]:
        """What a container may use."""
        policy = self.policy
        return {
            "memory_bytes": policy.memory_bytes,
            "disk_bytes": self._disk_bytes,
            "processes": min(policy.processes, records.PROCESSES_MAX),
            "open_files": policy.open_files,
        }

    def supervisor(self, cid: str) -> Supervisor:
        """The supervisor of a container id, which is made once."""
        if cid not in self.supervisors:
            self.supervisors[cid] = Supervisor(self, cid)
        return self.supervisors[cid]

    def open(self, cid: str) -> Supervisor:
        """The supervisor, with its container made; serves the loop until it is. Raises Error."""
        supervisor = self.supervisor(cid)
        made: list[Container | Error] = []
        supervisor.ready(made.append)
        self.loop.run(lambda: bool(made))
        if not made:
            raise Error("E_RPC_CLOSED", "stopped before the container was made")
        if isinstance(made[0], Error):
            raise made[0]
        return supervisor

    def group(self, cid: str) -> Group | None:
        """New groups for one container, limited; None without any."""
        if self._groups is None:
            return None
        return self._groups.make(cid, self.limits)

    def remove(self, group: Group, times: int = REMOVE_TIMES) -> None:
        """Removes the groups of a container that has ended, as soon as its processes are gone."""
        if group.remove() or not times:
            self._dying = [each for each in self._dying if each is not group]
            return
        if group not in self._dying:
            self._dying.append(group)
        self.loop.later(REMOVE_EVERY, lambda: self.remove(group, times - 1))

    def create(self, supervisor: Supervisor, group: Group | None, then: Made) -> None:
        """Makes a container; starts and loads a zygote first when none lives."""

        def loaded(zygote: Zygote | Error) -> None:
            if isinstance(zygote, Error):
                then(zygote)
                return
            try:
                spec = records.create(self.policy, supervisor.cid, disk_bytes=self._disk_bytes)
            except Error as error:
                then(error)
                return
            fds = [os.dup(self._root), *(group.open() if group is not None else [])]
            zygote.create(spec, fds, lambda answer: then(self._made(supervisor, zygote, answer)))

        self._with_zygote(loaded)

    def close(self, seconds: float = 5.0) -> None:
        """Ends everything, serving the loop until it has ended."""
        self._closing = True
        left = list(self.supervisors.values())
        for supervisor in self.supervisors.values():
            supervisor.stop(lambda supervisor=supervisor: left.remove(supervisor))  # type: ignore[misc]
        self.loop.run_for(seconds, lambda: not left and not self._dying and not self.loop.busy)
        if self._zygote is not None:
            self._zygote.close()

    def _with_zygote(self, then: Callable[[Zygote | Error], None]) -> None:
        if self._zygote is not None and not self._loading:
            then(self._zygote)
            return
        self._loading.append(then)
        if self._zygote is None:
            try:
                self._zygote = zygote = Zygote(self.loop, self._stopped, self._died)
            except Error as error:
                self._loaded(error)
                return
            bundle, artifact = self.bundle, os.dup(self.bundle.artifact)

            def answered(answer: Message | None) -> None:
                good = answer is not None and answer.value[0] >= 0
                self._loaded(zygote if good else failure(answer, "E_ENGINE_MODULE"))

            zygote.load(artifact, bundle.size, bundle.digest, bundle.settings, answered)

    def _loaded(self, zygote: Zygote | Error) -> None:
        loading, self._loading = self._loading, []
        for then in loading:
            then(zygote)

    def _made(self, supervisor: Supervisor, zygote: Zygote, answer: Message | None) -> Container | Error:
        if answer is None or answer.value[0] < 0:
            return failure(answer)
        pid = answer.value[0]
        container: list[Container] = []
        try:
            made = Container(
                self.loop,
                *(answer, zygote.pid, os.dup(self._root), self.bundle.verified.manifest),
                *(supervisor.guest_ended, supervisor.denied, lambda: self._silent(pid)),
            )
        except Error as error:
            return error
        container.append(made)
        self._running[pid] = supervisor, made
        return made

    def _silent(self, pid: int) -> None:
        """A container's socket has closed; its zygote says when it is reaped. Without a zygote nobody will."""
        if self._zygote is None:
            self._stopped(pid)

    def _stopped(self, pid: int) -> None:
        supervisor, container = self._running.pop(pid, (None, None))
        if supervisor is not None and container is not None:
            container.close()
            supervisor.ended(container)

    def _died(self, status: int) -> None:
        self._zygote = None
        if not self._closing:
            how = {"signal": -status} if status < 0 else {"code": status}
            self.note("engine", state="ended", containers=len(self._running), **how)
        for pid in list(self._running):
            self._stopped(pid)


def release(bundle: Bundle) -> dict[str, Any]:
    """What a verified bundle is, for the audit log and `info`."""
    statement = bundle.verified.statement
    return {
        "subject": statement.subject,
        "release": statement.release_id.hex(),
        "security_version": statement.security_version,
        **{section.name.lower(): section.blake3.hex() for section in statement.sections},
    }
