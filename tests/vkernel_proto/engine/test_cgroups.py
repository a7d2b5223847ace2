"""Groups: found in every layout of cgroups(7), limited, holding, removed by whoever comes next."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.bundles import TestBundle, make_bundle
from tests.testbed import Signer
from tests.vkernel_proto.engine.serving import NULL, eventually, output, serving
from vkernel_proto.engine import cgroups
from vkernel_proto.engine.cgroups import Groups, Hierarchy, hierarchies, settings

LIMITS = {"memory_bytes": 24 << 20, "disk_bytes": 8 << 20, "processes": 4, "open_files": 64}
V1 = [
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct",
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
    "39 31 0:36 /docker/7 /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids",
    "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd",
    "22 1 0:20 / /proc rw - proc proc rw",
]
OWN_V1 = ["8:pids:/docker/7/a", "4:memory:/user/b", "1:cpu,cpuacct:/", "9:name=systemd:/c", "0::/d"]


def rows(found: list[Hierarchy]) -> list[tuple[str, bool, tuple[str, ...]]]:
    return [(str(each.base), each.v2, each.controllers) for each in found]


def test_v1_has_a_hierarchy_for_each_controller() -> None:
    assert rows(hierarchies(V1, OWN_V1)) == [
        ("/sys/fs/cgroup/cpu,cpuacct", False, ("cpu",)),
        ("/sys/fs/cgroup/memory/user/b", False, ("memory",)),
        ("/sys/fs/cgroup/pids/a", False, ("pids",)),
    ]


def v2(folder: Path, offered: str) -> list[str]:
    base = folder / "me"
    base.mkdir()
    (base / "cgroup.controllers").write_text(offered)
    return [f"30 23 0:26 / {folder} rw - cgroup2 cgroup2 rw,nsdelegate"]


def test_v2_has_what_its_group_is_offered(tmp_path: Path) -> None:
    assert rows(hierarchies(v2(tmp_path, "cpuset cpu io memory pids\n"), ["0::/me"])) == [
        (str(tmp_path / "me"), True, ("memory", "pids", "cpu"))
    ]


def test_in_a_hybrid_each_controller_is_used_once(tmp_path: Path) -> None:
    mounts = [V1[1], *v2(tmp_path, "memory pids")]
    assert rows(hierarchies(mounts, ["4:memory:/user/b", "0::/me"])) == [
        ("/sys/fs/cgroup/memory/user/b", False, ("memory",)),
        (str(tmp_path / "me"), True, ("pids",)),
    ]


def test_a_group_outside_of_what_is_mounted_is_not_used() -> None:
    """As in a container whose runtime shows it a part of the host's hierarchies."""
    assert rows(hierarchies(V1, ["8:pids:/docker/8", "4:memory:/../x", "0::/"])) == []
    assert hierarchies([], ["0::/"]) == []


def test_v2_limits_are_written_and_swap_is_none(tmp_path: Path) -> None:
    files = settings("memory", True, LIMITS) | settings("pids", True, LIMITS)
    for name in files:
        (tmp_path / name).touch()
    fd = os.open(tmp_path, os.O_RDONLY)
    assert all(cgroups._limit(fd, settings(name, True, LIMITS)) for name in ("memory", "pids", "cpu"))
    assert {name: int((tmp_path / name).read_text()) for name in files} == files
    assert files["memory.max"] == (34 << 20) + (1 << 19)  # memory, files, half a MiB for each process and the spare
    (tmp_path / "pids.max").unlink()
    assert not cgroups._limit(fd, settings("pids", True, LIMITS))
    os.close(fd)


def test_v2_controllers_are_enabled_for_what_is_below(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").touch()
    groups = Groups([Hierarchy(tmp_path, tmp_path, True, ("memory",))])
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"
    assert groups.make("demo", LIMITS) is None  # a directory that is no group takes no limit
    assert [path.name for path in tmp_path.iterdir()] == ["cgroup.subtree_control"]
    (tmp_path / "cgroup.subtree_control").unlink()
    assert Groups([Hierarchy(tmp_path, tmp_path, True, ("memory",))]).make("demo", LIMITS) is None


@pytest.fixture
def found() -> list[Hierarchy]:
    """The real ones, if groups can be made."""
    real = cgroups._here()
    group = Groups(real).make("probe", LIMITS)
    if group is None or "memory" not in group.controllers:
        if group is not None:
            group.remove()
        pytest.skip("no memory cgroup can be made here")
    assert group.remove()
    return real


def test_what_a_killed_vkernel_left_is_removed_and_what_a_living_one_has_is_not(found: list[Hierarchy]) -> None:
    living, dead = Groups(found).make("living", LIMITS), Groups(found).make("dead", LIMITS)
    assert living is not None
    assert dead is not None
    left = [path for path, _ in dead.folders]
    for _, fd in dead.folders:
        os.close(fd)
    Groups(found)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path, _ in living.folders)
    assert living.remove()


@pytest.fixture
def small(
    signer: Signer, bundle_programs: dict[str, bytes], tmp_path: Path, bundle: TestBundle, found: list[Hierarchy]
) -> TestBundle:
    """A bundle that may use little memory."""
    (tmp_path / "bundle").mkdir()
    return make_bundle(
        tmp_path / "bundle", signer, bundle_programs, memory_bytes=24 << 20, processes=8, name="test/small"
    )


def full_pipe() -> tuple[int, int]:
    """Whoever writes to it waits, with all that he has."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    return reader, writer


def test_the_guests_of_a_container_share_its_memory_and_the_neighbours_live_on(
    small: TestBundle, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    with serving(small, tmp_path / "run", "one", "two", disk_bytes=8 << 20) as running:
        one, two = running.control("one"), running.control("two")
        assert "memory" in one.ask("info")["container"]["cgroups"]
        assert "cgroup" in one.ask("info")["container"]["in_force"]
        neighbour = two.spawn(["guest", "spin"], (NULL, NULL, NULL))
        reader, full = full_pipe()
        pids = [one.spawn(["guest", "grow", "340"], (NULL, full, NULL)) for _ in range(8)]  # 21 MiB each
        eventually(lambda: signal.SIGKILL in {row.get("signal") for row in running.records("exit")})
        os.close(reader)  # who waited to say how much it has got, ends
        os.close(full)
        ends = [one.exited(pid) for pid in pids]
        assert -signal.SIGKILL in ends
        assert output(one, "guest", "echo", "on") == (0, b"on\n")
        assert [row["pid"] for row in two.ps()] == [neighbour]


def test_without_groups_a_container_runs_all_the_same(bundle: TestBundle, tmp_path: Path) -> None:
    with serving(bundle, tmp_path, "one", cgroups=False) as running:
        control = running.control()
        assert control.ask("info")["container"]["cgroups"] == []
        assert output(control, "guest", "echo", "on") == (0, b"on\n")
