"""One container id of a bundle: its container, made when one is needed; who waits for what; how its guests ended.

A container is made when its id is opened, so that a vkernel which serves is ready. One that has ended (stop, a
death) is made again for the next spawn; with it go its files' changes and the ends that are remembered.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final

from recompiler.errors import Error
from vkernel_proto.engine.container import Container, End, Guest

if TYPE_CHECKING:
    from vkernel_proto.engine.cgroups import Group
    from vkernel_proto.engine.control_plane import ControlPlane
    from vkernel_proto.engine.records import Message

ENDS_KEPT: Final = 1024
Then = Callable[[Container | Error], None]
Told = Callable[[End | None], None]  # None: there is no such guest


class Supervisor:
    """The state of one container id. All calls come from the loop."""

    def __init__(self, plane: ControlPlane, cid: str) -> None:
        self.cid = cid
        self.container: Container | None = None
        self._plane = plane
        self._group: Group | None = None
        self._creating = False
        self._pending: list[Then] = []
        self._ends: OrderedDict[int, End] = OrderedDict()
        self._waiting: dict[int, dict[Hashable, Told]] = {}
        self._stopping: list[Callable[[], None]] = []

    @property
    def state(self) -> str:
        """running, stopping, stopped or creating."""
        if self.container is not None:
            return "running" if self.container.open and not self._stopping else "stopping"
        return "creating" if self._creating else "stopped"

    @property
    def controllers(self) -> list[str]:
        """The controllers of cgroups(7) that hold the container to its limits."""
        return self._group.controllers if self._group is not None else []

    def ready(self, then: Then) -> None:
        """Gives the container, at once if it runs; makes it otherwise."""
        if self.container is not None and self.container.open and not self._stopping:
            then(self.container)
            return
        self._pending.append(then)
        if not self._creating and self.container is None:
            self._create()

    def wait(self, pid: int, key: Hashable, then: Told) -> None:
        """Calls when the guest has ended; key is for `forget`."""
        if self.container is not None and pid in self.container.guests:
            self._waiting.setdefault(pid, {})[key] = then
        else:
            then(self._ends.get(pid))

    def forget(self, pid: int, key: Hashable) -> None:
        """Takes a `wait` back."""
        self._waiting.get(pid, {}).pop(key, None)

    def stop(self, then: Callable[[], None]) -> None:
        """Ends the container and all in it; calls when they have ended."""
        if self.container is None and not self._creating:
            then()
            return
        self._stopping.append(then)
        if self.container is not None:
            self.container.stop()

    def _create(self) -> None:
        self._creating = True
        self._group = self._plane.group(self.cid)
        self._plane.create(self, self._group, self._created)

    def _created(self, made: Container | Error) -> None:
        self._creating = False
        if isinstance(made, Error):
            self._plane.note("create", cid=self.cid, error=made.code, message=made.message)
            self._remove_group()
            self._answer_pending(made)
            self._answer_stopping()
            return
        self._ends.clear()
        self.container = made
        self._plane.note(
            "create",
            cid=self.cid,
            host_pid=made.pid,
            in_force=" ".join(made.names_in_force),
            cgroups=" ".join(self.controllers),
        )
        if self._stopping:
            made.stop()
        else:
            self._answer_pending(made)

    def guest_ended(self, guest: Guest, end: End) -> None:
        """Records an end, then tells it."""
        error = self._plane.note("exit", cid=self.cid, hash=end.hash, **end.as_dict())
        self._ends[end.pid] = end
        while len(self._ends) > ENDS_KEPT:
            self._ends.popitem(last=False)
        waiting = self._waiting.pop(end.pid, {})
        if error is not None:
            guest.owner.drop(error)
            return
        guest.owner.tell({"type": "exit", **end.as_dict()})
        for told in waiting.values():
            told(end)

    def denied(self, guest: Guest | None, message: Message) -> None:
        """What the engine refused to a guest."""
        pid, number, errno = message.value[:3]
        known = {} if guest is None else {"hash": guest.verdict.hash}
        self._plane.note("deny", cid=self.cid, pid=pid, nr=number, errno=errno, reason=message.text, **known)

    def ended(self, container: Container) -> None:
        """The container and all in it have ended."""
        if container is not self.container:
            return
        self.container = None
        self._plane.note("stop", cid=self.cid, host_pid=container.pid, asked=bool(self._stopping))
        self._remove_group()
        self._answer_stopping()
        if self._pending:
            self._create()

    def _answer_pending(self, with_: Container | Error) -> None:
        pending, self._pending = self._pending, []
        for then in pending:
            then(with_)

    def _answer_stopping(self) -> None:
        stopping, self._stopping = self._stopping, []
        for stopped in stopping:
            stopped()

    def _remove_group(self) -> None:
        group, self._group = self._group, None
        if group is not None:
            self._plane.remove(group)
