"""What the host of lifted programs refuses: files that are no program, syscalls behind its back, code."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
from pathlib import Path

import pytest

from tests.csrc.engine import inject
from tests.csrc.engine.lifted.guest_wat import DATA, RUNNER, TEXT, Guest, get, syscall

pytestmark = pytest.mark.skipif(not RUNNER.exists(), reason="no host of lifted programs was built for this machine")

WRITE, CHDIR, READLINK, EXIT = 1, 80, 89, 231


def test_a_broken_artifact_or_program_is_refused_before_it_runs(tmp_path: Path) -> None:
    guest = Guest(tmp_path, [syscall(EXIT, 0)])
    for n, cut in ((0, 100), (0, 40), (1, 1000)):
        whole = guest.files[n].read_bytes()
        guest.files[n].write_bytes(whole[:cut])
        result = guest.run()
        guest.files[n].write_bytes(whole)
        assert result.returncode == 125
        assert result.stderr.startswith(b"recompiler: E_")
        assert b"?" not in result.stderr  # a text of several lines is folded, not made unprintable
    guest.files[2].write_bytes(b"\0" * 70000)
    assert b"pcmap" in guest.run().stderr


def test_nothing_in_a_guest_is_executable_and_nothing_of_the_files_stays_open(tmp_path: Path) -> None:
    guest = Guest(tmp_path, [syscall(0, 0, DATA, 1), syscall(EXIT, 0)])
    with subprocess.Popen(
        [str(RUNNER), *map(str, guest.files), "program"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            maps = ""
            while f"{tmp_path}/program\n" not in maps:
                maps = Path(f"/proc/{process.pid}/maps").read_text()
            lines = [line.split() for line in maps.splitlines()]
            mine = [fields for fields in lines if fields[-1] == f"{tmp_path}/program"]
            assert mine
            assert all("x" not in fields[1] for fields in mine)
            while Path(f"/proc/{process.pid}/syscall").read_text().split()[0] != "0":
                pass
            assert sorted(os.listdir(f"/proc/{process.pid}/fd")) == ["0", "1", "2"]
            assert "Seccomp:\t2\n" in Path(f"/proc/{process.pid}/status").read_text()
        finally:
            process.communicate(b"x")
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("number", "arguments"),
    {
        "mmap of code": (9, (0, 4096, 5, 0x22, -1 & (1 << 64) - 1, 0)),
        "mprotect to code": (10, (0, 4096, 4)),
        "execve": (59, ()),
        "fork": (57, ()),
        "clone of a process": (56, (17,)),
        "clone of a thread that shares no memory": (56, (0x10F00,)),
        "ptrace": (101, ()),
        "process_vm_writev": (311, ()),
        "io_uring_setup": (425, ()),
        "mount": (165, ()),
        "bpf": (321, ()),
        "a number without a row": (500, ()),
    }.values(),
    ids=str,
)
def test_what_the_table_refuses_kills_whoever_gets_round_it(
    tmp_path: Path, number: int, arguments: tuple[int, ...]
) -> None:
    guest = Guest(tmp_path, [syscall(0, 0, DATA, 1), syscall(EXIT, 0)])
    with subprocess.Popen(
        [str(RUNNER), *map(str, guest.files), "program"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            while Path(f"/proc/{process.pid}/syscall").read_text().split()[0] != "0":
                pass
            with pytest.raises(ProcessLookupError):
                inject.syscall_in(process.pid, number, *arguments)
        finally:
            process.kill()


def test_the_c_library_is_told_that_there_is_no_clone3(tmp_path: Path) -> None:
    guest = Guest(tmp_path, [syscall(0, 0, DATA, 1), syscall(EXIT, 0)])
    with subprocess.Popen([str(RUNNER), *map(str, guest.files), "program"], stdin=subprocess.PIPE) as process:
        try:
            while Path(f"/proc/{process.pid}/syscall").read_text().split()[0] != "0":
                pass
            assert inject.syscall_in(process.pid, 435) == -errno.ENOSYS
        finally:
            process.communicate(b"x")


@pytest.mark.parametrize(
    ("offset", "packed"),
    {
        "32 bits": (4, b"\1"),
        "another machine": (18, b"\x28"),
        "a relocatable file": (16, b"\1"),
        "no program headers": (56, b"\0"),
        "more program headers than a file has": (56, b"\xff"),
        "headers behind the end": (32, b"\xff" * 7),
        "a segment behind the end of the file": (64 + 56 + 8, struct.pack("<Q", 1 << 40)),
        "a segment above 4 GiB": (64 + 56 + 16, struct.pack("<Q", (1 << 32) + 0x1000)),
        "a segment on the zero page": (64 + 56 + 16, struct.pack("<Q", 0x1000)),
        "a segment on the stack's last page": (64 + 112 + 16, struct.pack("<Q", (1 << 32) - 0x1000)),
        "an address that wraps": (64 + 56 + 16, struct.pack("<Q", -0x1000 & (1 << 64) - 1)),
        "a size that wraps": (64 + 112 + 40, struct.pack("<Q", (1 << 64) - 1)),
        "more in the file than in memory": (64 + 112 + 40, struct.pack("<Q", 1)),
        "a segment twice": (64 + 112 + 16, struct.pack("<Q", TEXT)),
        "an offset that does not fit its address": (64 + 56 + 8, struct.pack("<Q", 0x1001)),
        "a dynamic program": (64 + 56, struct.pack("<I", 3)),
    }.values(),
    ids=str,
)
def test_a_malformed_program_is_refused_before_it_runs(tmp_path: Path, offset: int, packed: bytes) -> None:
    guest = Guest(tmp_path, [syscall(EXIT, 0)], b"data")
    program = guest.files[0].read_bytes()
    guest.files[0].write_bytes(program[:offset] + packed + program[offset + len(packed) :])
    result = guest.run()
    assert (result.returncode, result.stderr[:23]) == (125, b"recompiler: E_LIFT_ELF:")


def test_files_that_are_handed_over_open_are_not_the_guests(tmp_path: Path) -> None:
    guest = Guest(tmp_path, [syscall(0, 0, DATA, 1), syscall(EXIT, 0)])
    fds = [os.open(path, os.O_RDONLY) for path in guest.files]
    command = [str(RUNNER), *(f"/proc/self/fd/{fd}" for fd in fds), "/named/program"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=fds) as process:
        try:
            for fd in fds:
                os.close(fd)
            while Path(f"/proc/{process.pid}/syscall").read_text().split()[0] != "0":
                pass
            assert sorted(os.listdir(f"/proc/{process.pid}/fd")) == ["0", "1", "2"]
            assert Path(f"/proc/{process.pid}/comm").read_text() == "program\n"
        finally:
            process.communicate(b"x")
    assert process.returncode == 0


def test_the_link_to_the_program_is_absolute_wherever_it_goes(tmp_path: Path) -> None:
    data = b"/proc/self/exe\0".ljust(0x20, b"\0") + b"/\0"
    steps = [
        syscall(CHDIR, DATA + 0x20),
        syscall(READLINK, DATA, DATA + 0x100, 0x400),
        syscall(WRITE, 1, DATA + 0x100, get("rax")),
        syscall(EXIT, 0),
    ]
    guest = Guest(tmp_path, steps, data.ljust(0x1000, b"\0"))
    names = [path.name for path in guest.files]
    for argv0 in ("program", "./not-there"):
        paths = [f"/proc/self/fd/{os.open(path, os.O_RDONLY)}" for path in guest.files] if argv0[0] == "." else names
        fds = [int(path.rpartition("/")[2]) for path in paths if path[0] == "/"]
        try:
            command = [str(RUNNER), *paths, argv0]
            result = subprocess.run(command, cwd=tmp_path, pass_fds=fds, capture_output=True, timeout=20, check=True)
        finally:
            for fd in fds:
                os.close(fd)
        assert result.stdout.decode() == f"{tmp_path}/{argv0}"
