"""In: a container's limits. Out: cgroups of its own that hold it to them, made, limited, and removed again.

cgroups(7) v1, v2 and both at once: each controller is used where this system has it, below the vkernel's own group.
What may not be made here is left out, and the container goes without. A group's directory is locked (flock(2)) for as
long as its vkernel lives; one that is not locked has been left by a vkernel that was killed, and the next one that
starts removes it.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PREFIX: Final = "recompiler.container."
LEAF: Final = "recompiler.container.vkernel."
OF_A_PROCESS: Final = 512 << 10  # bytes that a guest costs beside its memory: stack, page tables, the engine's own
DIRECTORIES_MAX: Final = 20_000  # of one hierarchy, looked through for what was left behind
SWEEP_TIMES: Final = 50
SWEEP_PAUSE: Final = 0.02  # seconds: the processes of a vkernel that was killed are dying

_MEMORY_V1: Final = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")  # without swap accounting: no second file
_Files = dict[str, int]


def settings(controller: str, v2: bool, limits: dict[str, int]) -> _Files:
    """The files of a group that hold a container to its limits."""
    memory = limits["memory_bytes"] + limits["disk_bytes"] + OF_A_PROCESS * (limits["processes"] + 1)
    return {
        ("memory", False): dict.fromkeys(_MEMORY_V1, memory),
        ("memory", True): {"memory.max": memory, "memory.swap.max": 0},
        ("pids", False): {"pids.max": limits["processes"] + 2},  # and the container's first process, and its spare
        ("pids", True): {"pids.max": limits["processes"] + 2},
    }.get((controller, v2), {})  # cpu: to be one group among others is all that is wanted


WANTED: Final = ("memory", "pids", "cpu")
REQUIRED_FILES: Final = frozenset({"memory.limit_in_bytes", "memory.max", "pids.max"})


@dataclass(frozen=True)
class Hierarchy:
    """Where groups can be made: base is the vkernel's own group, mount the top of what can be seen."""

    mount: Path
    base: Path
    v2: bool
    controllers: tuple[str, ...]


def hierarchies(mountinfo: Iterable[str], own: Iterable[str]) -> list[Hierarchy]:
    """The hierarchies with a wanted controller, by the text of /proc/self/mountinfo and /proc/self/cgroup."""
    paths = {}
    for line in own:  # cgroups(7): ID:controllers:path, v2 has no controllers
        _, names, path = line.rstrip("\n").split(":", 2)
        paths.update(dict.fromkeys(names.split(","), path))
    found: list[Hierarchy] = []
    for line in mountinfo:  # proc_pid_mountinfo(5)
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()[:3]
        if kind not in ("cgroup", "cgroup2"):
            continue
        root, mount = before.split()[3:5]
        v2 = kind == "cgroup2"
        controllers = ("",) if v2 else tuple(name for name in WANTED if name in options.split(","))
        if not controllers or controllers[0] not in paths:
            continue
        base = _below(Path(mount), root, paths[controllers[0]])
        if base is not None:
            found.append(Hierarchy(Path(mount), base, v2, controllers))
    taken = {name for each in found if not each.v2 for name in each.controllers}
    return [each if not each.v2 else _with_controllers(each, taken) for each in found]


def _below(mount: Path, root: str, path: str) -> Path | None:
    """A group's directory, when it lies in what is mounted."""
    relative = os.path.relpath(path, root)
    return None if relative.startswith("..") or "/.." in path else mount / relative


def _with_controllers(hierarchy: Hierarchy, taken: set[str]) -> Hierarchy:
    try:
        offered = (hierarchy.base / "cgroup.controllers").read_text().split()
    except OSError:
        offered = []
    names = tuple(name for name in WANTED if name in offered and name not in taken)
    return Hierarchy(hierarchy.mount, hierarchy.base, True, names)


@dataclass
class Group:
    """One container's groups, in each hierarchy one; controllers are those that hold."""

    controllers: list[str] = field(default_factory=list)
    folders: list[tuple[Path, int]] = field(default_factory=list)  # and the fd that locks it

    def open(self) -> list[int]:
        """cgroup.procs of each group, open for writing; the caller owns them."""
        return [os.open("cgroup.procs", os.O_WRONLY | os.O_CLOEXEC, dir_fd=fd) for _, fd in self.folders]

    def remove(self) -> bool:
        """Removes the groups; False when a process is still in one of them: then call again."""
        left = []
        for path, fd in self.folders:
            if _remove(path):
                os.close(fd)
            else:
                left.append((path, fd))
        self.folders = left
        return not left


class Groups:
    """Makes groups. What killed vkernels left behind is removed first."""

    def __init__(self, given: list[Hierarchy] | None = None) -> None:
        self._hierarchies = _here() if given is None else given
        self._leaves = Group()
        sweep(self._hierarchies)
        self._hierarchies = [each for each in map(self._enabled, self._hierarchies) if each.controllers]

    def make(self, cid: str, limits: dict[str, int]) -> Group | None:
        """The groups of a new container; None when there is none to be had."""
        group = Group()
        name = f"{PREFIX}{cid}.{secrets.token_hex(4)}"
        for hierarchy in self._hierarchies:
            fd = _make(hierarchy.base / name)
            if fd is None:
                continue
            held = [each for each in hierarchy.controllers if _limit(fd, settings(each, hierarchy.v2, limits))]
            if held:
                group.controllers += held
                group.folders.append((hierarchy.base / name, fd))
            else:
                _remove(hierarchy.base / name)
                os.close(fd)
        return group if group.folders else None

    def close(self) -> None:
        """Gives up the vkernel's own leaf, which goes with the next sweep: this process is in it."""
        for _, fd in self._leaves.folders:
            os.close(fd)
        self._leaves.folders.clear()

    def _enabled(self, hierarchy: Hierarchy) -> Hierarchy:
        """v2: what its parent's subtree_control lists is what a group can have."""
        if not hierarchy.v2:
            return hierarchy
        control = hierarchy.base / "cgroup.subtree_control"
        enabled = []
        for name in hierarchy.controllers:
            with suppress(OSError):
                try:
                    _write(control, f"+{name}")
                except OSError as error:
                    if error.errno != errno.EBUSY or not self._into_leaf(hierarchy.base):
                        raise
                    _write(control, f"+{name}")
                enabled.append(name)
        return Hierarchy(hierarchy.mount, hierarchy.base, True, tuple(enabled))

    def _into_leaf(self, base: Path) -> bool:
        """A group with processes cannot have controlled groups below it: if they are only us, we go down."""
        if (base / "cgroup.procs").read_text().split() != [str(os.getpid())]:
            return False
        leaf = base / f"{LEAF}{os.getpid()}"
        fd = _make(leaf)
        if fd is None:
            return False
        self._leaves.folders.append((leaf, fd))
        _write(leaf / "cgroup.procs", "0")
        return True


def sweep(given: list[Hierarchy]) -> None:
    """Removes the groups that no living vkernel has locked."""
    left = {path for hierarchy in given for path in _named(hierarchy.mount)}
    for attempt in range(SWEEP_TIMES):
        left = {path for path in left if not _sweep(path)}
        if not left:
            return
        if attempt < SWEEP_TIMES - 1:
            time.sleep(SWEEP_PAUSE)


def _sweep(path: Path) -> bool:
    """True when there is nothing (more) to be done about the group."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _remove(path)
    except OSError:
        return True  # its vkernel lives
    finally:
        os.close(fd)


def _named(mount: Path) -> Iterator[Path]:
    for folder, names, _ in itertools.islice(os.walk(mount), DIRECTORIES_MAX):
        for name in [each for each in names if each.startswith(PREFIX)]:
            names.remove(name)
            yield Path(folder, name)


def _here() -> list[Hierarchy]:
    try:
        with open("/proc/self/mountinfo", errors="replace") as mounts, open("/proc/self/cgroup") as own:
            return hierarchies(mounts, own)
    except OSError:
        return []


def _make(path: Path) -> int | None:
    """A new group and the lock on it; None when it may not be made."""
    try:
        path.mkdir()
    except OSError:
        return None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # a sweep of another vkernel came between
        _remove(path)
        return None
    return fd


def _limit(fd: int, files: _Files) -> bool:
    """Whether the group has the limits."""
    for name, value in files.items():
        try:
            limit = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=fd)
            try:
                os.write(limit, str(value).encode())
            finally:
                os.close(limit)
        except OSError:
            if name in REQUIRED_FILES:
                return False
    return True


def _remove(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        return error.errno != errno.EBUSY  # one that may not be removed is nobody's to wait for
    return True


def _write(path: Path, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
