"""The process that a container forks ahead of its next guest."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.csrc.engine.client import Container, Limits, Refused, Zygote
from tests.csrc.engine.conftest import EVERYTHING
from tests.csrc.engine.served import children
from tests.csrc.engine.test_confined import idle
from tests.testbed import alive, eventually


def spares(container: Container) -> list[int]:
    """As the host numbers them."""
    return [pid for pid in children(container.pid) if pid not in container.host_pids()]


def spare(container: Container) -> int:
    """The one that comes when it is quiet."""
    eventually(lambda: len(spares(container)) == 1)
    return spares(container)[0]


def test_the_next_guest_is_the_spare_and_another_takes_its_place(container: Container) -> None:
    assert spares(container) == []  # not before the first guest
    container.run("guest", "exit", "0")
    first = spare(container)
    with idle(container, 1) as (pid,):
        eventually(lambda: container.host_pids() == [first])
        assert spare(container) != first
        container.signal(pid, signal.SIGTERM)
        assert container.wait(pid) == -signal.SIGTERM


def test_a_spare_that_is_killed_is_no_guest(container: Container) -> None:
    container.run("guest", "exit", "0")
    for _ in range(5):
        os.kill(spare(container), signal.SIGKILL)
        assert container.run("guest", "echo", "x").out in (b"x\n", b"")  # killed as a guest, when the record was faster
    eventually(lambda: container.run("guest", "echo", "x").out == b"x\n")
    assert container.control.notices == []


def test_a_spare_ends_with_its_container(container: Container) -> None:
    container.run("guest", "exit", "0")
    pid = spare(container)
    os.kill(container.pid, signal.SIGKILL)
    eventually(lambda: not alive(pid))


def test_a_spare_is_none_of_the_processes_that_a_container_may_have(zygote: Zygote, root: Path) -> None:
    with zygote.create(root, EVERYTHING, Limits(processes=2)) as container:
        container.run("guest", "exit", "0")
        spare(container)
        with idle(container, 2) as pids:
            spare(container)
            with pytest.raises(Refused, match="allows 2 processes"):
                container.spawn("guest", "exit", "0", fds=(0, 1, 2))
            for pid in pids:
                container.signal(pid, signal.SIGKILL)
