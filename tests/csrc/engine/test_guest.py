"""What a guest of the engine sees and how it ends."""

from __future__ import annotations

import os
import signal

import pytest

from tests.csrc.engine.client import Container, Refused


def test_a_guest_gets_its_arguments_environment_and_stdin(container: Container) -> None:
    assert container.run("guest", "echo", "one", "", "zwei\u00fc", env=["A=b", "C="]).out == (
        "one\n\nzwei\u00fc\nA=b\nC=\n".encode()
    )
    assert container.run("guest", "cat", stdin=b"through\0me").out == b"through\0me"


@pytest.mark.parametrize("status", [0, 1, 125, 255])
def test_an_exit_status_arrives(container: Container, status: int) -> None:
    assert container.run("guest", "exit", str(status)).status == status


# The program's fault -> the signal that ends a native one, and what the last line says.
TRAPS = {
    "divide": (signal.SIGFPE, b"division by zero"),
    "overflow": (signal.SIGFPE, b"integer overflow"),
    "beyond": (signal.SIGSEGV, b"out of bounds"),
    "null": (signal.SIGSEGV, b"null function"),
    "deep": (signal.SIGSEGV, b""),
    "abort": (signal.SIGABRT, b"unreachable"),
}


def test_a_trap_is_the_signal_that_linux_users_expect(container: Container) -> None:
    found = {name: container.run("guest", name) for name in TRAPS}
    assert {name: result.status for name, result in found.items()} == {n: -s for n, (s, _) in TRAPS.items()}
    for name, (_, words) in TRAPS.items():
        assert found[name].err.startswith(b"recompiler: E_ENGINE_TRAP: ")
        assert words in found[name].err


def test_after_a_trap_the_container_serves_on(container: Container) -> None:
    assert container.run("guest", "beyond").status == -signal.SIGSEGV
    assert container.run("guest", "echo", "next").out == b"next\n"


def test_a_write_to_a_closed_pipe_is_an_error_and_no_signal(container: Container) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    null = os.open(os.devnull, os.O_RDWR)
    pid = container.spawn("guest", "spin", fds=(null, writer, null))
    container.signal(pid, signal.SIGTERM)  # it spins on, whatever puts(3) said
    assert container.wait(pid) == -signal.SIGTERM
    os.close(writer)
    os.close(null)


def test_an_entry_that_the_module_does_not_have_is_refused(container: Container) -> None:
    with pytest.raises(Refused, match="no entry 1"):
        container.spawn("guest", entry=1, fds=(0, 1, 2))
