"""Whoever dies: those who wait are told, it is recorded, nothing is left behind, and the next spawn works."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bundles import TestBundle
from tests.csrc.engine.served import children
from tests.testbed import alive
from tests.vkernel_proto.engine.serving import NULL, Running, eventually, output, records, serving
from vkernel_proto import audit
from vkernel_proto.engine import cgroups
from vkernel_proto.wire.client import Control

NULLS = (NULL, NULL, NULL)
ID = f"one-{os.getpid()}"  # groups are the machine's: others may run these tests too


@pytest.fixture
def own(bundle: TestBundle, tmp_path: Path) -> Iterator[Running]:
    with serving(bundle, tmp_path, "one", "two") as running:
        yield running


def zygote_of(container: int) -> int:
    return int(Path(f"/proc/{container}/stat").read_text().rpartition(")")[2].split()[1])


def host_pid(control: Control) -> int:
    return int(control.ask("info")["container"]["host_pid"])


def groups() -> list[Path]:
    """The groups of our container."""
    return [path for each in cgroups._here() for path in cgroups._named(each.mount) if f".{ID}." in path.name]


def test_a_container_that_is_killed_tells_its_clients_and_is_made_again(own: Running) -> None:
    one, two = own.control("one"), own.control("two")
    pids = [one.spawn(["guest", "spin"], NULLS) for _ in range(2)]
    neighbour = two.spawn(["guest", "spin"], NULLS)
    os.kill(host_pid(one), signal.SIGKILL)
    assert [one.exited(pid) for pid in pids] == [-signal.SIGKILL] * 2
    assert [row["pid"] for row in two.ps()] == [neighbour]
    assert output(one, "guest", "echo", "again") == (0, b"again\n")
    assert [row["pid"] for row in own.records("exit")[:2]] == pids
    stop = own.records("stop")[0]
    assert (stop["cid"], stop["asked"]) == ("one", False)


def test_a_zygote_that_is_killed_is_replaced_for_the_next_spawn(own: Running) -> None:
    one, two = own.control("one"), own.control("two")
    pid, other = one.spawn(["guest", "spin"], NULLS), two.spawn(["guest", "spin"], NULLS)
    asked = two.request("wait", pid=other)
    zygote = zygote_of(host_pid(one))
    os.kill(zygote, signal.SIGKILL)
    assert one.exited(pid) == two.exited(other) == -signal.SIGKILL
    assert two.answer(asked)["signal"] == signal.SIGKILL
    eventually(lambda: one.ask("info")["container"]["state"] == "stopped")
    assert output(one, "guest", "echo", "one") == (0, b"one\n")
    assert output(two, "guest", "echo", "two") == (0, b"two\n")
    assert zygote_of(host_pid(one)) == zygote_of(host_pid(two)) != zygote
    [row] = own.records("engine")
    assert (row["signal"], row["containers"]) == (signal.SIGKILL, 2)
    assert not Path(f"/proc/{zygote}").exists()


def test_a_stopped_engine_does_not_hold_up_a_stop(own: Running) -> None:
    control = own.control()
    pid = control.spawn(["guest", "spin"], NULLS)
    os.kill(host_pid(control), signal.SIGSTOP)
    assert control.ask("stop")["status"] == "ok"
    assert control.exited(pid) == -signal.SIGKILL
    assert output(control, "guest", "echo", "again") == (0, b"again\n")


def test_spawns_that_wait_when_the_zygote_dies_are_answered(own: Running) -> None:
    control = own.control()
    zygote = zygote_of(host_pid(control))
    os.kill(zygote, signal.SIGSTOP)
    os.kill(host_pid(control), signal.SIGSTOP)
    asked = [control.request("spawn", NULLS, argv=["guest"], env={}, cwd="/", tty=False) for _ in range(4)]
    other = own.control("two")
    other.ps()
    os.kill(zygote, signal.SIGKILL)
    answers = [control.answer(number) for number in asked]
    assert [(row["status"], row["reason"][:12], row["errno"]) for row in answers] == [("denied", "E_RPC_CLOSED", 5)] * 4
    assert len(own.records("fail")) == 4
    assert output(control, "guest", "echo", "again") == (0, b"again\n")


def test_after_the_server_nothing_is_left(bundle: TestBundle, tmp_path: Path) -> None:
    before = groups()
    with serving(bundle, tmp_path, ID) as running:
        control = running.control(ID)
        for _ in range(3):
            control.spawn(["guest", "spin"], NULLS)
        container = host_pid(control)
        eventually(lambda: len(children(container)) == 4)  # the fourth is the spare
        everyone = [container, zygote_of(container), *children(container)]
    assert not any(map(alive, everyone))
    assert groups() == before
    assert {path.name for path in tmp_path.iterdir()} == {"audit", f"{ID}.lock"}
    assert [row["signal"] for row in records(tmp_path / "audit", "exit")] == [9] * 3
    assert records(tmp_path / "audit")[-1]["event"] == "stop"


# ---- the vkernel itself, a process of its own


@contextmanager
def process(bundle: TestBundle, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    folder.chmod(0o700)
    command = [sys.executable, "-m", "vkernel_proto", "serve", "--bundle", bundle.folder, "--cid", ID]
    command += ["--pubkeys", bundle.signer.pubkeys, "--run-dir", folder, "--audit", folder / "audit"]
    server = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE)
    assert server.stdout is not None
    try:
        assert f"serving {ID}".encode() in server.stdout.readline()
        yield server
    finally:
        server.kill()
        server.communicate()


def test_a_vkernel_that_is_killed_leaves_no_process_and_no_group_after_a_restart(
    bundle: TestBundle, tmp_path: Path
) -> None:
    before = groups()
    with process(bundle, tmp_path) as first, Control(tmp_path, ID) as control:
        control.spawn(["guest", "spin"], NULLS)
        control.spawn(["guest", "cat"], NULLS)
        container = host_pid(control)
        everyone = [container, zygote_of(container)]
        everyone += map(int, Path(f"/proc/{container}/task/{container}/children").read_text().split())
        held = control.ask("info")["container"]["cgroups"]
        assert bool(set(groups()) - set(before)) == bool(held)
        first.kill()
        first.wait()
        eventually(lambda: not any(map(alive, everyone)))
        assert (tmp_path / f"{ID}.sock").exists()
    with process(bundle, tmp_path), Control(tmp_path, ID) as control:
        assert output(control, "guest", "echo", "again") == (0, b"again\n")
        new = set(groups()) - set(before)
        assert len(new) == len(control.ask("info")["container"]["cgroups"])
        control.ask("stop")
        assert groups() == before


def test_killed_at_random_moments_no_acknowledged_record_is_lost(bundle: TestBundle, tmp_path: Path) -> None:
    """What a client has read of is in the log, whenever the vkernel is killed."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    told: list[tuple[str, int]] = []
    for turn in range(3):
        spawned, ended = set(), set()
        with process(bundle, tmp_path) as server, Control(tmp_path, ID) as control:
            end = time.monotonic() + dice.random() * 0.2
            control._sock.settimeout(None)
            try:
                while time.monotonic() < end:
                    pid = control.spawn(["guest", "exit", "3"], NULLS)
                    spawned.add(pid)
                    if dice.random() < 0.5:
                        assert control.exited(pid) == 3
                        ended.add(pid)
                control.request("spawn", NULLS, argv=["guest"], env={}, cwd="/", tty=False)
            finally:
                server.kill()
        rows = records(tmp_path / "audit")
        last = max(at for at, row in enumerate(rows) if row["event"] == "create")
        assert spawned <= {row["pid"] for row in rows[last:] if row["event"] == "spawn"}
        assert ended <= {row["pid"] for row in rows[last:] if row["event"] == "exit"}
        told.append(("turn", turn))
    assert audit.verify(tmp_path / "audit").records > len(told)


def test_sigterm_ends_in_order(bundle: TestBundle, tmp_path: Path) -> None:
    with process(bundle, tmp_path) as server, Control(tmp_path, ID) as control:
        pid = control.spawn(["guest", "spin"], NULLS)
        server.send_signal(signal.SIGTERM)
        assert control.exited(pid) == -signal.SIGKILL
        assert server.wait(20) == 0
    assert not (tmp_path / f"{ID}.sock").exists()
    with pytest.raises(OSError, match="No such file"):
        socket.socket(socket.AF_UNIX).connect(str(tmp_path / f"{ID}.sock"))
