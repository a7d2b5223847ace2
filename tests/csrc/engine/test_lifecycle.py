"""Signals, ends, and what is left when someone dies: nothing."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.csrc.engine.client import (
    CREATE,
    ENGINE,
    MAGIC,
    RECORD,
    SIGNAL,
    SPAWN,
    STOP,
    STOPPED,
    Container,
    Refused,
    Zygote,
)
from tests.csrc.engine.conftest import EVERYTHING, REFUSED
from tests.csrc.engine.test_confined import idle
from tests.testbed import alive, eventually


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL, signal.SIGUSR1])
def test_a_signal_ends_a_guest_by_that_signal(container: Container, sig: signal.Signals) -> None:
    with idle(container, 2) as (one, two):
        container.signal(one, sig)
        assert container.wait(one) == -sig
        container.signal(two, 0)  # the other one is there


def test_a_signal_that_the_engine_was_started_without_ends_a_guest_too(artifact: Path, root: Path) -> None:
    """A shell starts what it puts into the background with SIGINT and SIGQUIT ignored."""
    before = {sig: signal.signal(sig, signal.SIG_IGN) for sig in (signal.SIGINT, signal.SIGQUIT)}
    try:
        zygote = Zygote().__enter__()
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
    with ExitStack() as stack:
        stack.push(zygote)
        zygote.load(artifact)
        container = stack.enter_context(zygote.create(root, EVERYTHING))
        for sig in before:
            with idle(container, 1) as (one,):
                container.signal(one, sig)
                assert container.wait(one) == -sig


def test_a_guest_in_a_loop_without_syscalls_dies_of_a_signal(container: Container) -> None:
    reader, writer = os.pipe()
    pid = container.spawn("guest", "spin", fds=(reader, writer, writer))
    assert os.read(reader, 100) == b"spinning\n"
    container.signal(pid, signal.SIGTERM)
    assert container.wait(pid) == -signal.SIGTERM
    os.close(reader)
    os.close(writer)


def test_stop_and_continue_reach_a_guest(container: Container) -> None:
    with idle(container, 1) as (pid,):
        (host,) = container.host_pids()
        container.signal(pid, signal.SIGSTOP)
        eventually(lambda: Path(f"/proc/{host}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T")
        container.signal(pid, signal.SIGCONT)
        container.signal(pid, signal.SIGTERM)
        assert container.wait(pid) == -signal.SIGTERM


@pytest.mark.parametrize("pid", [0, -1, 1, 99999])
def test_a_signal_to_who_is_no_guest_of_the_container_is_refused(container: Container, pid: int) -> None:
    with idle(container, 1), pytest.raises(Refused, match="no process"):
        container.signal(pid, 9)


def test_many_ends_at_once_are_all_told(container: Container) -> None:
    with idle(container, 40) as pids:
        for pid in pids:
            container.signal(pid, signal.SIGKILL)
        assert [container.wait(pid) for pid in pids] == [-signal.SIGKILL] * 40
    assert container.host_pids() == []


@pytest.mark.parametrize("victim", ["zygote", "container", "client", "stop", "stop zygote"])
def test_whoever_dies_first_nothing_is_left(artifact: Path, root: Path, victim: str) -> None:
    with Zygote() as zygote:
        zygote.load(artifact)
        containers = [zygote.create(root, EVERYTHING) for _ in range(3)]
        with idle(containers[0], 2), idle(containers[1], 2):
            guests = [pid for container in containers for pid in container.host_pids()]
            first = {containers[0].pid, *containers[0].host_pids()}
            everyone = {zygote.process.pid, *(container.pid for container in containers), *guests}
            assert len(guests) == 4
            assert all(map(alive, everyone))
            match victim:
                case "zygote":
                    zygote.process.kill()
                    gone = everyone
                case "stop zygote":
                    zygote.control.send(STOP)
                    gone = everyone
                case "container":
                    os.kill(containers[0].pid, signal.SIGKILL)
                    gone = first
                case "stop":
                    containers[0].control.send(STOP)
                    gone = first
                case _:
                    containers[0].close()  # whoever held the container's socket is gone
                    gone = first
            eventually(lambda: not any(map(alive, gone)))
            if gone == first:
                assert zygote.control.notice(STOPPED, containers[0].pid)
                assert containers[1].run("guest", "echo", "neighbour").out == b"neighbour\n"
            assert not [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(root) in line]


@pytest.mark.parametrize("prefix", [(), REFUSED], ids=["as it is", "no namespaces"])
def test_killed_at_random_moments_nothing_is_left(artifact: Path, root: Path, prefix: tuple[str, ...]) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    for _ in range(20):
        with Zygote(prefix=prefix) as zygote:
            zygote.load(artifact)
            container = zygote.create(root, EVERYTHING)
            null = os.open(os.devnull, os.O_RDWR)
            for _ in range(dice.randrange(4)):
                container.control.send(SPAWN, (0, 2, 0, 0), b"guest\0spin\0/\0", (null, null, null))
            time.sleep(dice.random() * 0.004)
            pids = [zygote.process.pid, container.pid, *container.host_pids()]
            os.kill(dice.choice(pids[:2]), signal.SIGKILL)
            eventually(lambda pids=pids: not any(map(alive, pids[1:])))  # type: ignore[misc]
            os.close(null)


# ---- a hostile client

GARBAGE = [b"", b"x", b"\0" * 64, RECORD.pack(MAGIC + 1, 1, 0, 1, *[0] * 6), b"\xff" * 5000]


@pytest.mark.parametrize("data", GARBAGE[1:])
def test_garbage_is_answered_with_a_refusal(zygote: Zygote, root: Path, data: bytes) -> None:
    container = zygote.create(root, EVERYTHING)
    for control in (zygote.control, container.control):
        control.sock.send(data)
        message = control.receive()
        assert message is not None
        assert message.value[0] < 0
    assert container.run("guest", "echo", "on").out == b"on\n"


@pytest.mark.parametrize(
    ("values", "data", "fds"),
    [
        ((0, 1, 0, 0), b"guest\0/\0", 2),
        ((0, 1, 0, 0), b"guest\0/\0", 4),
        ((0, 1, 0, 0), b"guest\0/", 3),
        ((0, 2, 0, 0), b"guest\0/\0", 3),
        ((0, -1, 3, 0), b"guest\0/\0", 3),
        ((0, 1 << 40, 0, 0), b"guest\0/\0", 3),
        ((0, 0, 0, 0), b"", 3),
        ((-1, 1, 0, 0), b"guest\0/\0", 3),
        ((1 << 32, 1, 0, 0), b"guest\0/\0", 3),
    ],
)
def test_a_spawn_that_does_not_add_up_is_refused(
    zygote: Zygote, root: Path, values: tuple[int, ...], data: bytes, fds: int
) -> None:
    container = zygote.create(root, EVERYTHING)
    with pytest.raises(Refused):
        container.control.request(SPAWN, values, data, [0] * fds)
    assert container.run("guest", "echo", "on").out == b"on\n"


def test_random_records_do_no_harm(zygote: Zygote, root: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    container = zygote.create(root, EVERYTHING)
    edges = (0, 1, -1, 3, 64, 1 << 31, -(1 << 63), (1 << 63) - 1)
    for _ in range(500):
        values = [dice.choice(edges) for _ in range(6)]
        kind = dice.choice((0, CREATE, SIGNAL, SPAWN, 7, 0x4001, 0x8003))
        control = zygote.control if kind == CREATE else container.control
        with pytest.raises(Refused):
            control.request(kind, values, dice.randbytes(dice.randrange(300)), [0] * dice.randrange(5))
    assert container.run("guest", "echo", "on").out == b"on\n"


def test_an_engine_without_a_control_socket_says_how_it_is_used() -> None:
    for arguments in ([], ["x"], ["0"], ["999"], ["3", "4"]):
        result = subprocess.run([ENGINE, *arguments], capture_output=True, timeout=20, check=False)
        assert result.returncode == 125
        assert result.stderr.startswith(b"recompiler: E_")


def test_a_stream_socket_is_no_control_socket() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        result = subprocess.run(
            [ENGINE, str(theirs.fileno())], pass_fds=[theirs.fileno()], capture_output=True, timeout=20, check=False
        )
    assert b"SOCK_SEQPACKET" in result.stderr
