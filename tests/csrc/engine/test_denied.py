"""What the policy refuses in a guest is told to who holds the container: by the right pid, bounded, before the end."""

from __future__ import annotations

import errno
import os
import platform
import re
from pathlib import Path

import pytest

from tests.csrc.engine.client import FORCE, RULE, Container, Message, Result, Zygote, numbers
from tests.csrc.engine.conftest import EVERYTHING
from tests.csrc.engine.inject import syscall_in
from tests.csrc.engine.test_confined import idle
from tests.testbed import ROOT

DENIED = 0x4003
DENIED_FD, DENIED_SIZE, DENIED_RULES, DENIED_MOST = 1001, 128, 64, 128

by_ptrace = [
    pytest.mark.skipif(os.geteuid() != 0, reason="ptrace of another's process needs root"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="registers of x86-64"),
]


def denied(container: Container) -> list[Message]:
    """The refusals that came before the answers and ends that were waited for; taken away."""
    found = [message for message in container.control.notices if message.type == DENIED]
    container.control.notices = [message for message in container.control.notices if message.type != DENIED]
    return found


def run(container: Container, *argv: str) -> tuple[Result, list[Message]]:
    result = container.run("guest", *argv)
    return result, denied(container)


def test_a_syscall_outside_the_allow_list_is_told_once_per_guest(zygote: Zygote, root: Path) -> None:
    container = zygote.create(root, EVERYTHING - {"openat"})
    for _ in range(2):  # the second guest tells it again
        result, (message,) = run(container, "race", "/etc/motd", "i", "50")
        assert result.out == b"0 0\n"
        assert message.value[1:3] == (numbers()["openat"], errno.EPERM)
        assert message.data == b"openat: not in the allow-list"


def test_a_refusal_names_the_guest_that_was_refused(zygote: Zygote, root: Path) -> None:
    container = zygote.create(root, EVERYTHING - {"mkdirat"})
    null = os.open(os.devnull, os.O_RDWR)
    pids = [container.spawn("guest", "mkdir", "/x", fds=(null, null, null)) for _ in range(5)]
    os.close(null)
    assert [container.wait(pid) for pid in pids] == [1] * 5
    assert sorted(message.value[0] for message in denied(container)) == sorted(pids)


def test_an_address_without_a_rule_is_told_with_the_address(zygote: Zygote, root: Path) -> None:
    rules = [RULE.pack(0, 4, 32, 9, bytes((10, 0, 0, 1)))]
    container = zygote.create(root, EVERYTHING, rules=rules)
    result, (message,) = run(container, "connect", "80")
    assert result.out == b"Permission denied\n"
    assert message.value[1:3] == (numbers()["connect"], errno.EACCES)
    assert message.data == b"connect 127.0.0.1:80: no rule"
    assert [message.data for message in run(container, "serve", "81")[1]] == [b"bind 127.0.0.1:81: no rule"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_a_device_is_told_with_its_path(zygote: Zygote, root: Path) -> None:
    os.mknod(root / "d\né", 0o666 | 0o020000, os.makedev(1, 3))
    container = zygote.create(root, EVERYTHING, unwanted=FORCE["overlay"])
    _, (message,) = run(container, "cat", "/d\né")
    assert message.data == "openat d?é: a device".encode()  # WASI's paths begin below its preopened "/"


def test_what_is_allowed_and_what_merely_fails_is_not_told(container: Container) -> None:
    for argv in (("cat", "/etc/motd"), ("cat", "/missing"), ("mkdir", "/etc"), ("cat", "/absolute")):
        assert run(container, *argv)[1] == []


def test_the_wasi_fds_of_a_guest_do_not_reach_the_pipe(container: Container) -> None:
    assert container.run("guest", "fds").out == b"0 1 2 3\n"
    assert denied(container) == []


@pytest.mark.parametrize("sort", ["well-formed", "nonsense"])
def test_a_guest_that_was_taken_over_floods_nobody(zygote: Zygote, root: Path, sort: str) -> None:
    """Its own machine code may write to the pipe; what it says counts as its own, and there is an end to it."""
    for mark in by_ptrace:
        if mark.args[0]:
            pytest.skip(mark.kwargs["reason"])
    container = zygote.create(root, EVERYTHING)
    size = DENIED_SIZE if sort == "well-formed" else 77
    with idle(container, 1) as (pid,):
        (host,) = container.host_pids()
        stack = next(
            line.split("-")[0] for line in Path(f"/proc/{host}/maps").read_text().splitlines() if "[stack]" in line
        )
        for _ in range(2000):
            answer = syscall_in(host, 1, DENIED_FD, int(stack, 16), size)
            if answer == -errno.EPIPE:
                break
            assert answer in (size, -errno.EAGAIN)
        assert answer == -errno.EPIPE  # nobody listens any more
        assert container.run("guest", "echo", "neighbour").out == b"neighbour\n"
        container.signal(pid, 9)
        assert container.wait(pid) == -9
    found = denied(container)
    assert len(found) == (DENIED_MOST if sort == "well-formed" else 0)
    assert {message.value[0] for message in found} <= {pid}


def test_a_guest_tells_of_so_many_refusals_and_no_more(zygote: Zygote, root: Path) -> None:
    container = zygote.create(root, EVERYTHING, rules=[RULE.pack(0, 4, 32, 9, bytes((10, 0, 0, 1)))])
    result, found = run(container, "scan", "1000")
    assert result.out == b"1000\n"
    assert [message.data for message in found] == [
        f"connect 127.0.0.1:{port}: no rule".encode() for port in range(1, DENIED_RULES + 1)
    ]


def test_the_bounds_are_those_of_the_header() -> None:
    header = (ROOT / "csrc/engine/linux/wasi/denied.h").read_text()
    assert re.search(rf"DENIED_FD = {DENIED_FD},", header)
    assert re.search(rf"DENIED_SIZE = {DENIED_SIZE},", header)
    assert re.search(rf"DENIED_RULES = {DENIED_RULES},", header)
    assert "DENIED_MOST = DENIED_RULES + 64," in header
    assert f"CONTROL_DENIED = {DENIED:#06x}" in (ROOT / "csrc/engine/control/control.h").read_text()
