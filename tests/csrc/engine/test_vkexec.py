"""The C client, terminals, and the table of syscalls against its documentation."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bundles import TestBundle
from tests.csrc.engine.client import FORCE, ROOT, TTY, Container
from tests.csrc.engine.served import VKEXEC, Served, serving
from tests.testbed import eventually
from vkernel_proto.stub.syscalls import TABLE
from vkernel_proto.wire.client import Control


@pytest.fixture(scope="module")
def served(bundle: TestBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(bundle, tmp_path_factory.mktemp("served"), "demo") as served:
        yield served


def test_vkexec_is_the_guest_to_whoever_runs_it(served: Served) -> None:
    result = served.vkexec("-e", "K=v w", "--", "guest", "echo", "a b", 'q"\\\n\x01é')
    assert (result.returncode, result.stdout, result.stderr) == (0, 'a b\nq"\\\n\x01é\nK=v w\n'.encode(), b"")
    assert served.vkexec("--", "guest", "cat", input=b"through").stdout == b"through"
    assert served.vkexec("--", "/bin/guest", "exit", "42").returncode == 42
    assert served.vkexec("--", "guest", "abort").returncode == 128 + 6
    assert served.vkexec("--", "/bin/script", "1", "2").stdout == b"/bin/script\n1\n2\n"


def test_vkexec_starts_a_program_by_the_hash_of_its_file(served: Served, bundle: TestBundle) -> None:
    program, script = bundle.hash["/bin/guest"], bundle.hash["/bin/script"]
    assert served.vkexec("-H", program, "--", "any name", "echo", "x").stdout == b"x\n"
    unknown = served.vkexec("-H", program[:-1] + ("1" if program[-1] == "0" else "0"), "--", "guest", "echo")
    assert (unknown.returncode, b"unknown hash" in unknown.stderr) == (126, True)
    assert b"script without a path" in served.vkexec("-H", script, "--", "script").stderr


def test_a_large_file_goes_through_a_guest_as_it_is(served: Served) -> None:
    data = os.urandom(1 << 20)
    assert served.vkexec("--", "guest", "cat", input=data).stdout == data


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--", "nothing"), 127, b"not found"),
        (("--", "/bin"), 126, b"vkexec: /bin: not a regular file"),
        (("--", b"\xff"), 125, b"E_USAGE: text is not UTF-8"),
        (("--", "guest", "x" * 70000, "x" * 70000), 126, b"arguments too long"),
        (("--",), 125, b"a container id and a command are needed"),
        (("-e", "=x", "--", "guest"), 125, b"unknown, or its value"),
        (("-e", "x", "--", "guest"), 125, b"unknown, or its value"),
        (("-H", "0" * 63, "--", "guest"), 125, b"unknown, or its value"),
        (("-H", "A" * 64, "--", "guest"), 125, b"unknown, or its value"),
        (("--bench", "0", "--", "guest"), 125, b"unknown, or its value"),
        (("--burst", "5:x", "--", "guest"), 125, b"unknown, or its value"),
        (("-x", "--", "guest"), 125, b"E_USAGE"),
    ],
)
def test_vkexec_says_why_nothing_was_started(
    served: Served, arguments: tuple[str | bytes, ...], status: int, words: bytes
) -> None:
    result = served.vkexec(*arguments)
    assert result.returncode == status
    assert words in result.stderr
    assert result.stdout == b""


def test_vkexec_says_that_a_working_directory_is_missing(served: Served) -> None:
    """Without a root of its own a guest has no working directory, and none is entered."""
    result = served.vkexec("-C", "/missing", "--", "guest", "echo")
    if served.in_force() & {"root", "chroot"}:
        assert (result.returncode, result.stdout) == (125, b"")
        assert b"E_OPEN: /missing" in result.stderr
    else:
        assert (result.returncode, result.stdout) == (0, b"")


def test_vkexec_says_when_no_vkernel_is_there(served: Served) -> None:
    assert b"E_SOCK_CONNECT" in served.vkexec("--", "guest", cid="other").stderr
    assert b"E_SOCK_ID" in served.vkexec("--", "guest", cid="../demo").stderr
    assert b"E_SOCK_PATH" in subprocess.run([VKEXEC, "--run-dir", "run", "demo", "x"], capture_output=True).stderr


@contextmanager
def started(served: Served, *arguments: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """vkexec with its output in a pipe; killed at the end of the block."""
    with subprocess.Popen(served.command("--", *arguments), stdout=subprocess.PIPE, **options) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1])
def test_vkexec_passes_a_signal_on_and_ends_as_the_guest(served: Served, sig: signal.Signals) -> None:
    with started(served, "guest", "spin") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"spinning\n"
        process.send_signal(sig)
        assert process.wait(20) == 128 + sig


def test_a_signal_that_comes_before_the_guest_is_kept_for_it(served: Served) -> None:
    for _ in range(10):
        with started(served, "guest", "spin") as process:
            while not int(blocked(process.pid), 16) & 1 << signal.SIGTERM - 1:
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 128 + signal.SIGTERM


def blocked(pid: int) -> str:
    return re.findall(r"SigBlk:\t(\w+)", Path(f"/proc/{pid}/status").read_text())[0]


def test_stop_and_continue_hold_the_guest_too(served: Served) -> None:
    reader, writer = os.pipe()
    with started(served, "guest", "cat", stdin=reader) as process:
        assert process.stdout is not None
        os.write(writer, b"1")
        assert process.stdout.read(1) == b"1"
        process.send_signal(signal.SIGTSTP)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        (guest,) = served.host_guests()
        eventually(lambda: ") T " in Path(f"/proc/{guest}/stat").read_text())
        os.write(writer, b"2")
        assert select.select([process.stdout], [], [], 0.2)[0] == []  # the guest is stopped as well
        process.send_signal(signal.SIGCONT)
        assert process.stdout.read(1) == b"2"
        os.close(writer)
        assert process.wait(20) == 0
    os.close(reader)


def test_when_vkexec_is_killed_its_guest_is_hung_up(served: Served) -> None:
    with started(served, "guest", "spin") as process, Control(served.run_dir, "demo") as control:
        assert process.stdout is not None
        assert process.stdout.readline() == b"spinning\n"
        assert len(control.ps()) == 1
        process.kill()
        process.wait()
        assert process.stdout.read() == b""  # the guest held the other end: it is gone
        eventually(lambda: control.ps() == [])


def test_when_the_vkernel_is_killed_vkexec_says_so(bundle: TestBundle, tmp_path: Path) -> None:
    with (
        serving(bundle, tmp_path, "demo") as served,
        started(served, "guest", "spin", stderr=subprocess.PIPE) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"spinning\n"
        served.process.kill()
        assert process.wait(20) == 125
        assert b"E_RPC_CLOSED" in process.stderr.read()
        assert process.stdout.read() == b""


# ---- -t


@contextmanager
def on_a_terminal(served: Served, *arguments: str) -> Iterator[tuple[int, int, subprocess.Popen[bytes]]]:
    """vkexec -t with a terminal as its fds 0, 1, 2: its outer and inner end."""
    outer, inner = os.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    command = served.command("-t", "--", *arguments)
    process = subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner, start_new_session=True)
    try:
        yield outer, inner, process
    finally:
        process.kill()
        process.wait()
        os.close(outer)
        os.close(inner)


def seen(outer: int, words: bytes) -> bytes:
    """What is shown, until these words are."""
    shown = b""
    while words not in shown:
        assert select.select([outer], [], [], 20)[0], shown
        shown += os.read(outer, 1000)
    return shown


def is_raw(inner: int) -> bool:
    return not termios.tcgetattr(inner)[3] & (termios.ICANON | termios.ECHO)


def test_a_terminal_of_its_own_edits_interrupts_and_is_restored(served: Served) -> None:
    new = os.openpty()
    before = termios.tcgetattr(new[1])  # of any: that one may be raw already
    for fd in new:
        os.close(fd)
    with on_a_terminal(served, "guest", "cat") as (outer, inner, process):
        eventually(lambda: is_raw(inner))  # what is typed from here on, the guest's own terminal echoes and edits
        os.write(outer, b"linf\x7fe\n")
        seen(outer, b"e\r\nline\r\n")
        os.write(outer, b"\x03")
        assert process.wait(20) == 128 + signal.SIGINT
        assert termios.tcgetattr(inner) == before


def test_the_end_of_input_is_typed(served: Served) -> None:
    with on_a_terminal(served, "guest", "cat") as (outer, inner, process):
        eventually(lambda: is_raw(inner))
        os.write(outer, b"x\n\x04")
        assert process.wait(20) == 0
    result = served.vkexec("-t", "--", "guest", "cat", input=b"typed\n")
    assert (result.returncode, result.stdout) == (0, b"typed\r\ntyped\r\n")


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGXCPU])
def test_the_terminal_is_restored_when_a_signal_ends_it(served: Served, sig: signal.Signals) -> None:
    with on_a_terminal(served, "guest", "spin") as (outer, inner, process):
        seen(outer, b"spinning")
        assert is_raw(inner)
        process.send_signal(sig)
        assert process.wait(20) in (128 + sig, -sig)
        assert not is_raw(inner)


def test_the_terminal_is_restored_when_the_vkernel_dies(bundle: TestBundle, tmp_path: Path) -> None:
    with (
        serving(bundle, tmp_path, "demo") as served,
        on_a_terminal(served, "guest", "spin") as (outer, inner, process),
    ):
        seen(outer, b"spinning")
        served.process.kill()
        assert process.wait(20) == 125
        assert not is_raw(inner)


def test_the_window_has_the_size_of_the_terminal_and_follows_it(served: Served) -> None:
    with on_a_terminal(served, "guest", "cat") as (outer, inner, process):
        eventually(lambda: is_raw(inner))
        os.write(outer, b"x\n")
        seen(outer, b"x\r\nx\r\n")

        def size() -> bytes:
            return fcntl.ioctl(guest_terminal(process.pid), termios.TIOCGWINSZ, bytes(8))

        assert struct.unpack("HHHH", size())[:2] == (33, 77)
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 20, 0, 0))
        process.send_signal(signal.SIGWINCH)
        eventually(lambda: struct.unpack("HHHH", size())[:2] == (10, 20))


def guest_terminal(pid: int) -> int:
    """The outer end of vkexec's pty, opened once more: its size is that of the inner one."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        if os.readlink(f"/proc/{pid}/fd/{fd}").endswith("ptmx"):
            process = os.pidfd_open(pid)
            copy = ctypes.CDLL(None, use_errno=True).syscall(438, process, int(fd), 0)  # pidfd_getfd
            os.close(process)
            OPENED.append(copy)
            return copy
    raise AssertionError("no pty")


OPENED: list[int] = []


# ---- figures


def test_bench_and_burst_start_what_they_say(served: Served) -> None:
    lines = served.vkexec("--bench", "5", "--", "guest", "echo", "x").stdout.splitlines()
    assert len(lines) == 5
    assert all(0 < int(first) <= int(end) for first, end in map(bytes.split, lines))
    assert int(served.vkexec("--burst", "40:8", "--", "guest", "echo", "x").stdout) > 0
    assert served.vkexec("--bench", "3", "--", "none").returncode == 127


# ---- the engine's own side


def test_a_working_directory_that_is_not_there_is_an_error_before_the_guest(confined: Container) -> None:
    result = confined.run("guest", "echo", cwd="/missing")
    assert result.status == 125
    assert result.err.startswith(b"recompiler: E_OPEN: /missing")
    assert confined.run("guest", "exit", "3", cwd="/etc").status == 3


def test_a_terminal_becomes_the_guests_own(container: Container) -> None:
    outer, inner = os.openpty()
    try:
        pid = container.spawn("guest", "cat", fds=(inner, inner, inner), flags=TTY)
        os.write(outer, b"line\n")
        seen = b""
        while seen.count(b"line\r\n") < 2:  # the echo, and what cat says
            seen += os.read(outer, 100)
        os.write(outer, b"\x03")  # ^C: the terminal's own signal
        assert container.wait(pid) == -2
    finally:
        os.close(outer)
        os.close(inner)


def test_a_file_is_no_terminal(container: Container) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    assert container.wait(container.spawn("guest", "echo", fds=(null, null, null), flags=TTY)) == 125
    os.close(null)


def rows_of_the_engine() -> dict[str, str]:
    text = (ROOT / "csrc/engine/linux/wasi/table.c").read_text()
    rows = dict(re.findall(r'^ +(?:ROW|FD)\((\w+), "(\w+)"', text, re.M))
    return rows | dict.fromkeys(re.findall(r"^ +REFUSED\((\w+),", text, re.M), "refused")


def test_the_engine_has_a_row_for_every_syscall_of_the_wire() -> None:
    assert list(rows_of_the_engine()) != []
    assert rows_of_the_engine().keys() == {row.name for row in TABLE}


def test_what_wasi_asks_of_a_backend_is_not_refused_by_this_one() -> None:
    text = (ROOT / "csrc/wasi/table.c").read_text()
    asked = {name for names in re.findall(r'X\(\w+, \w+, "[^"]+", "([a-z0-9_ ]+)"', text) for name in names.split()}
    assert "newfstatat" in asked
    refused = {name for name, status in rows_of_the_engine().items() if status == "refused"}
    assert not asked & refused


def test_the_bits_in_force_are_those_of_the_header() -> None:
    header = (ROOT / "csrc/engine/control/container.h").read_text()
    found = re.findall(r"FORCE_([A-Z_]+) = 1 << (\d+)", header)
    assert {name.lower(): 1 << int(place) for name, place in found} == FORCE
