"""A container in groups that its control plane made: v1 here, v2 there, the same record."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.csrc.engine.client import FORCE, Limits, Refused, Zygote
from tests.csrc.engine.conftest import EVERYTHING

MEMORY_MAX = 24 << 20
# Where a hierarchy with the memory controller may be, and the file of its limit.
PLACES = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max"))


@pytest.fixture
def group() -> Iterator[Path]:
    """A new group with a memory limit, removed afterwards: that fails while anyone is in it."""
    for place, limit in PLACES:
        path = Path(place, f"rc-test-{os.getpid()}")
        try:
            path.mkdir()
        except OSError:
            continue
        try:
            (path / limit).write_text(str(MEMORY_MAX))
        except OSError:
            path.rmdir()
            continue
        break
    else:
        pytest.skip("no memory cgroup can be made here")
    yield path
    for _ in range(200):
        try:
            path.rmdir()
            break
        except OSError:
            time.sleep(0.01)
    assert not path.exists()


def test_a_container_is_in_the_group_and_its_limit_holds(group: Path, artifact: Path, root: Path) -> None:
    with Zygote() as zygote:
        zygote.load(artifact)
        procs = os.open(group / "cgroup.procs", os.O_WRONLY)
        container = zygote.create(root, EVERYTHING, Limits(memory_bytes=1 << 30), cgroups=[procs])
        os.close(procs)
        assert "cgroup" in container.in_force
        assert str(container.pid) in (group / "cgroup.procs").read_text().split()
        assert f"/{group.name}" in Path(f"/proc/{container.pid}/cgroup").read_text()
        assert str(zygote.process.pid) not in (group / "cgroup.procs").read_text().split()
        assert container.run("guest", "grow", "2000").status == -signal.SIGKILL
        assert container.run("guest", "echo", "on").out == b"on\n"


def test_a_group_that_cannot_be_entered_refuses_the_container(zygote: Zygote, root: Path) -> None:
    readonly = os.open("/dev/null", os.O_RDONLY)
    with pytest.raises(Refused, match="E_SANDBOX: cgroup 0"):
        zygote.create(root, EVERYTHING, cgroups=[readonly])
    with pytest.raises(Refused, match="bits 0x10000"):
        zygote.create(root, EVERYTHING, required=FORCE["cgroup"])
    os.close(readonly)
