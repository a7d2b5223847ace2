"""Syscalls and signals of lifted programs: one C program, run natively and lifted, must say and leave the same."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from recompiler import aot
from tests.csrc.engine.lifted.guest_wat import RUNNER, TARGET

pytestmark = pytest.mark.skipif(not RUNNER.exists(), reason="no host of lifted programs was built for this machine")
SOURCES = sorted((Path(__file__).parent / "host").glob("*.c"))
PARTS = ("files", "memory", "sockets", "waiting", "handlers", "faults", "process", "pointers", "threads")
DEATHS = {
    "null": "a read of the zero page",
    "write": "a write to a read-only page",
    "jump": "a jump to data",
    "division": "a division by zero",
    "ud2": "ud2",
    "int3": "int3",
    "hlt": "a privileged instruction",
    "recursion": "recursion without end",
    "abort": "abort()",
    "term": "SIGTERM to itself",
    "kill": "SIGKILL to itself",
    "segv": "a sent SIGSEGV",
    "pipe": "none: a status",
    "blocked": "a fault while SIGSEGV is blocked",
    "ground": "a fault while SIGSEGV is ignored",
    "once": "a fault that the handler returns to, handled once",
    "loop": "SIGALRM in a loop",
    "7": "none: status 7",
}


@dataclass(frozen=True)
class Program:
    """A static program and its lifted files."""

    native: Path

    def command(self, lifted: bool) -> list[str]:
        files = [str(self.native) + suffix for suffix in ("", ".cwasm", ".pcmap")]
        return [str(RUNNER), *files, str(self.native)] if lifted else [str(self.native)]


def build(path: Path) -> Program:
    """tests/csrc/engine/lifted/host, built static for x86-64-v1 and musl, and lifted."""
    from recompiler.lift import lifter
    from recompiler.lift.object import objectfile

    flags = ["-target", "x86_64-linux-musl", "-mcpu=x86_64", "-static", "-O1", "-D_GNU_SOURCE", "-fno-sanitize=all"]
    command = [sys.executable, "-m", "ziglang", "cc", *flags, "-Wall", "-Wextra", "-Werror", *map(str, SOURCES)]
    # The first such build on a machine compiles the C library too.
    built = subprocess.run([*command, "-o", str(path)], capture_output=True, text=True, timeout=280, check=False)
    assert built.returncode == 0, built.stderr
    module = lifter.lift(path.read_bytes()).module
    Path(f"{path}.pcmap").write_bytes(objectfile.pc_map(objectfile.read(module)))
    Path(f"{path}.cwasm").write_bytes(aot.compile_module(module, TARGET))
    return Program(path)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return build(tmp_path_factory.mktemp("host") / "guest")


def run(
    program: Program, lifted: bool, folder: Path, arguments: Sequence[str]
) -> tuple[int, list[str], dict[str, bytes]]:
    """Status, output, and the files that it left."""
    folder.mkdir()
    command = [*program.command(lifted), *arguments]
    options = {"cwd": folder, "env": {"ONE": "1", "TWO": "two words", "EMPTY": ""}, "stdin": subprocess.DEVNULL}
    result = subprocess.run(  # type: ignore[call-overload]
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False, **options
    )
    left = {
        str(path.relative_to(folder)): str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }
    return result.returncode, result.stdout.decode(errors="replace").splitlines(), left


def both(program: Program, folder: Path, *arguments: str) -> tuple[int, list[str]]:
    native = run(program, False, folder / "native", arguments)
    lifted = run(program, True, folder / "lifted", arguments)
    assert lifted == native
    return native[:2]


@pytest.mark.parametrize("part", PARTS)
def test_linux_answers_a_lifted_program_as_a_native_one(program: Program, tmp_path: Path, part: str) -> None:
    status, lines = both(program, tmp_path, part)
    assert status == (7 if part == "threads" else 0)
    assert len(lines) >= 20


@pytest.mark.parametrize("how", DEATHS)
def test_a_lifted_program_ends_as_a_native_one(program: Program, tmp_path: Path, how: str) -> None:
    both(program, tmp_path, "die", how)


def core_flag(command: Sequence[str], folder: Path) -> tuple[int, bool]:
    """The signal of a death, and whether the kernel says that it left a core (one page of it, at most)."""
    folder.mkdir()
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    size = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    options = {"cwd": folder, "stdout": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    process = subprocess.Popen(  # type: ignore[call-overload]
        command, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (size, hard)), **options
    )
    status = os.waitpid(process.pid, 0)[1]
    process.returncode = 0
    return os.WTERMSIG(status), os.WCOREDUMP(status)


@pytest.mark.parametrize("how", ["null", "division", "abort", "term"])
def test_a_death_leaves_a_core_where_a_native_one_does(program: Program, tmp_path: Path, how: str) -> None:
    native = core_flag([*program.command(False), "die", how], tmp_path / "native")
    assert core_flag([*program.command(True), "die", how], tmp_path / "lifted") == native
    assert native[0] != 0
