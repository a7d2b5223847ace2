"""recompiler run, exec and ps: argv, stdio, terminals, signals, statuses; as root and as an ordinary user."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from recompiler.run import Plan, execute_bundle
from tests.bundles import TestBundle
from tests.csrc.engine.conftest import need, need_ordinary_user
from tests.testbed import recompiler
from tests.vkernel_proto.engine.serving import NULL, Running, eventually, records, serving
from vkernel_proto.cli import main as vkernel

NOBODY = 65534


def run(bundle: TestBundle, *words: str | Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    """`recompiler run`; words are its options, the bundle as BUNDLE, and what follows."""
    named = [bundle.folder if word == "BUNDLE" else word for word in words]
    return recompiler("run", "--pubkeys", bundle.signer.pubkeys, *named, check=False, **options)


def test_run_has_the_programs_output_and_status(bundle: TestBundle, tmp_path: Path) -> None:
    done = run(bundle, "--audit", tmp_path / "log", "BUNDLE", "--", "guest", "exit", "9")
    assert (done.returncode, done.stdout, done.stderr) == (9, b"", b"")
    assert run(bundle, "BUNDLE", "--", "/bin/wc", input=b"a b\n").stdout.split()[:2] == [b"1", b"2"]
    done = run(bundle, "BUNDLE", "guest", "abort")
    assert done.returncode == 128 + signal.SIGABRT
    events = [row["event"] for row in records(tmp_path / "log")]
    assert events == ["start", "bundle", "create", "spawn", "exit", "stop", "stop"]


def test_run_gives_the_variables_it_was_given_and_no_others(bundle: TestBundle) -> None:
    options = ("-e", "A=b=c", "-e", "HOME", "-e", "NOT_SET_ANYWHERE")
    done = run(bundle, *options, "BUNDLE", "--", "guest", "echo", "x", env={**os.environ, "HOME": "/root"})
    assert done.stdout == b"x\nA=b=c\nHOME=/root\n"


def test_run_refuses_what_it_cannot_run(bundle: TestBundle, tmp_path: Path) -> None:
    done = run(bundle, "BUNDLE")
    assert (done.returncode, done.stderr[:21]) == (2, b"recompiler: E_USAGE: ")
    done = run(bundle, "BUNDLE", "--", "absent")
    assert (done.returncode, b"not found" in done.stderr) == (14, True)
    done = run(bundle, "--run-dir", tmp_path, "BUNDLE", "--", "guest")
    assert (done.returncode, b"recompiler exec" in done.stderr) == (2, True)
    broken = tmp_path / "broken"
    shutil.copytree(bundle.folder, broken)
    (broken / "manifest.json").write_bytes((broken / "manifest.json").read_bytes() + b" ")
    done = run(bundle, "--audit", tmp_path / "log", broken, "--", "guest", "echo")
    assert (done.returncode, done.stdout, b"E_DIGEST" in done.stderr) == (12, b"", True)
    assert records(tmp_path / "log")[-1]["error"] == "E_DIGEST"


def test_run_over_another_root_and_over_none(bundle: TestBundle, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(bundle.rootfs, root)
    (root / "mark").write_text("here\n")
    options = ["--audit", tmp_path / "log", "--root", root]
    assert run(bundle, *options, "BUNDLE", "--", "guest", "cat", "/mark").stdout == b"here\n"
    need(set(records(tmp_path / "log", "create")[0]["in_force"].split()), "overlay")
    assert run(bundle, "--root", root, "BUNDLE", "--", "guest", "put", "/mark", "x").stdout == b"ok\n"
    assert (root / "mark").read_text() == "here\n"  # written to the container's own memory
    bare = tmp_path / "bare"
    shutil.copytree(bundle.folder, bare, ignore=shutil.ignore_patterns("rootfs"))
    assert b"not found" in run(bundle, bare, "--", "/bin/guest").stderr


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_to_run_is_the_guests(bundle: TestBundle, sig: signal.Signals) -> None:
    command = [sys.executable, "-m", "recompiler", "run", "--pubkeys", bundle.signer.pubkeys, bundle.folder]
    with subprocess.Popen([*command, "--", "guest", "spin"], stdin=NULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"spinning\n"
        process.send_signal(sig)
        assert process.wait(20) == 128 + sig


def on_a_terminal(command: list[str | Path]) -> tuple[int, int]:
    """Starts a command with a terminal of 77 columns for fds 0, 1 and 2: its pid, and the other end."""
    pid, master = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", 33, 77, 0, 0))
        os.execv(command[0], [str(word) for word in command])
    return pid, master


def read_until(master: int, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        seen += os.read(master, 1000)
    return seen


@pytest.fixture(scope="module")
def container(bundle: TestBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(bundle, tmp_path_factory.mktemp("run"), "one", "two") as running:
        yield running


@pytest.mark.parametrize("how", ["run", "exec"])
def test_on_a_terminal_the_guest_has_one_of_its_own(bundle: TestBundle, container: Running, how: str) -> None:
    command: list[str | Path] = [sys.executable, "-m", "recompiler", how]
    command += ["--pubkeys", bundle.signer.pubkeys] if how == "run" else ["--run-dir", container.run_dir]
    command += [bundle.folder if how == "run" else "one", "--", "guest", "cat"]
    pid, master = on_a_terminal(command)
    before = termios.tcgetattr(master)
    os.write(master, b"hello\r")
    read_until(master, b"hello\r\n")  # the echo may come twice: of the caller's terminal before it was raw
    eventually(lambda: not termios.tcgetattr(master)[3] & termios.ICANON)
    os.write(master, b"more\r")
    seen = read_until(master, b"more\r\n")
    while seen.count(b"more\r\n") < 2:  # the echo of the guest's terminal, and the guest
        seen += os.read(master, 1000)
    os.write(master, b"\x03")
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGINT
    assert termios.tcgetattr(master)[3] == before[3]
    os.close(master)


def test_exec_becomes_a_client_of_the_container(container: Running) -> None:
    options = ("--run-dir", container.run_dir)
    done = recompiler("exec", *options, "-e", "A=b", "one", "--", "guest", "echo", "hi", check=False, stdin=NULL)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hi\nA=b\n", b"")
    done = recompiler("exec", *options, "one", "guest", "cat", check=False, input=b"in\n")
    assert (done.returncode, done.stdout) == (0, b"in\n")
    assert recompiler("exec", *options, "one", "guest", "exit", "3", check=False).returncode == 3
    assert recompiler("exec", *options, "absent", "guest", check=False).returncode != 0
    assert recompiler("exec", *options, "../x", "guest", check=False).returncode == 2


def test_ps_lists_one_container_or_all(container: Running) -> None:
    one, two = container.control("one"), container.control("two")
    pids = {"one": one.spawn(["guest", "spin"], (NULL,) * 3), "two": two.spawn(["guest", "spin"], (NULL,) * 3)}
    (container.run_dir / "stale.sock").touch()
    where = ("--run-dir", container.run_dir)
    listed = json.loads(recompiler("ps", *where, "--json").stdout)["processes"]
    (container.run_dir / "stale.sock").unlink()
    assert {row["cid"]: row["pid"] for row in listed} == pids
    [row] = json.loads(recompiler("ps", *where, "one", "--json").stdout)["processes"]
    assert (row["cid"], row["pid"], row["path"]) == ("one", pids["one"], "/bin/guest")
    assert b"/bin/guest" in recompiler("ps", *where).stdout
    assert recompiler("ps", *where, "absent", check=False).returncode == 3
    old = CliRunner().invoke(vkernel, ["ps", "--cid", "one", "--run-dir", str(container.run_dir)])
    assert (old.exit_code, "/bin/guest" in old.output) == (0, True)
    for control, pid in ((one, pids["one"]), (two, pids["two"])):
        control.signal(pid, signal.SIGKILL)
        control.exited(pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests ran as an ordinary user already")
def test_an_ordinary_user_runs_a_bundle_too(bundle: TestBundle, tmp_path: Path) -> None:
    need_ordinary_user()
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    shutil.copytree(bundle.folder, tmp_path / "bundle")
    shutil.copy(bundle.signer.pubkeys, tmp_path / "pubkeys.json")
    (tmp_path / "mine").mkdir()
    os.chown(tmp_path / "mine", NOBODY, NOBODY)
    log = tmp_path / "mine" / "log"
    reader, writer = os.pipe()
    child = os.fork()  # not a new interpreter: that user may not be able to start this one
    if child == 0:
        status = 99
        try:
            os.dup2(NULL, 0)
            os.dup2(writer, 1)
            os.dup2(writer, 2)
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE: /proc/self is that user's again
            plan = Plan(tmp_path / "bundle", ["guest", "echo", "hi"], tmp_path / "pubkeys.json", False, audit=log)
            status = execute_bundle(plan)
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as file:
        out = file.read()
    assert (os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), out) == (0, b"hi\n")
    assert {"no_capabilities", "seccomp", "landlock_files"} <= set(records(log, "create")[0]["in_force"].split())
