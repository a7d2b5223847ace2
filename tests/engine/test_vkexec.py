"""The C client, terminals, and the table of syscalls against its documentation."""

from __future__ import annotations

import os
import re
import subprocess

from engine.client import ENGINE, FORCE, ROOT, TTY, Container
from vkernel_proto.syscalls import TABLE

VKEXEC = ENGINE.with_name("vkexec")


def vkexec(container: Container, *arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    fd = container.control.sock.fileno()
    command = [VKEXEC, str(fd), *arguments]
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        command, pass_fds=[fd], capture_output=True, timeout=30, check=False, **options
    )


def test_vkexec_is_the_guest_to_whoever_runs_it(container: Container) -> None:
    result = vkexec(container, "0", "/", "guest", "echo", "a b", env={"K": "v"})
    assert (result.returncode, result.stdout, result.stderr) == (0, b"a b\nK=v\n", b"")
    assert vkexec(container, "0", "/", "guest", "cat", input=b"through").stdout == b"through"
    assert vkexec(container, "0", "/", "guest", "exit", "42").returncode == 42
    assert vkexec(container, "0", "/", "guest", "abort").returncode == 128 + 6


def test_vkexec_says_why_nothing_was_started(container: Container) -> None:
    result = vkexec(container, "9", "/", "guest")
    assert result.returncode == 125
    assert result.stderr.startswith(b"vkexec: E_USAGE: the module has no entry 9")
    assert subprocess.run([VKEXEC], capture_output=True, timeout=30, check=False).returncode == 125


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
    text = (ROOT / "csrc/engine/sys_host.c").read_text()
    rows = dict(re.findall(r'^ +(?:ROW|FD)\((\w+), "(\w+)"', text, re.M))
    return rows | dict.fromkeys(re.findall(r"^ +REFUSED\((\w+),", text, re.M), "refused")


def test_the_engine_has_a_row_for_every_syscall_of_the_wire() -> None:
    assert list(rows_of_the_engine()) != []
    assert rows_of_the_engine().keys() == {row.name for row in TABLE}


def test_what_wasi_asks_of_a_backend_is_not_refused_by_this_one() -> None:
    text = (ROOT / "csrc/rc_wasi_table.c").read_text()
    asked = {name for names in re.findall(r'X\(\w+, \w+, "[^"]+", "([a-z0-9_ ]+)"', text) for name in names.split()}
    assert "newfstatat" in asked
    refused = {name for name, status in rows_of_the_engine().items() if status == "refused"}
    assert not asked & refused


def test_the_bits_in_force_are_those_of_the_header() -> None:
    header = (ROOT / "csrc/engine/engine.h").read_text()
    found = re.findall(r"FORCE_([A-Z_]+) = 1 << (\d+)", header)
    assert {name.lower(): 1 << int(place) for name, place in found} == FORCE
