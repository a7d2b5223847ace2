"""In: sources, or an ELF. Out: an executable that runs in two ways, native and lifted; what a run said and left."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import pytest

from recompiler import aot
from recompiler.lift import lifter
from recompiler.lift.object import objectfile
from recompiler.lift.object.objectrun import HOST

SECONDS: Final = 60  # nothing here takes long: what does not end in this time hangs
ENVIRONMENT: Final = {"PATH": "/nowhere", "HOME": "/nowhere", "TZ": "UTC", "LC_ALL": "C"}
TARGET: Final = "x86_64-linux"
TIME: Final = 1_600_000_000  # of every file that a run finds
ZIG: Final = (sys.executable, "-m", "ziglang")
PLAIN: Final = ("-fno-sanitize=all", "-fno-stack-protector", "-w", "-g0", "-D_GNU_SOURCE")
MUSL: Final = ("-target", "x86_64-linux-musl", "-mcpu=x86_64")
Lift = Callable[[bytes], lifter.Result]


@dataclass(frozen=True)
class Compiler:
    """A C and a C++ compiler for static programs, and the C library that they link."""

    c: tuple[str, ...]
    cxx: tuple[str, ...]
    flags: tuple[str, ...] = ()

    def missing(self) -> str:
        """Which of its commands is not on this machine, or ''."""
        return next((words[0] for words in (self.c, self.cxx) if not shutil.which(words[0])), "")


COMPILERS: Final = {
    "zig musl": Compiler((*ZIG, "cc"), (*ZIG, "c++"), MUSL),
    "gcc glibc": Compiler(("gcc",), ("g++",)),
}


@dataclass(frozen=True)
class Outcome:
    """What can be seen of a run. status: as subprocess gives it, a signal negative. left: what is in its folder."""

    status: int
    stdout: bytes
    stderr: bytes
    left: Mapping[str, tuple[int, bytes]]  # path -> (mode, content)


@dataclass(frozen=True)
class Run:
    """Arguments, input, and the files that it finds (a folder: a name with a / at its end)."""

    arguments: Sequence[str] = ()
    stdin: bytes = b""
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Executable:
    """A static ELF; beside it, once asked for, its artifact and pc map."""

    path: Path
    lift: Lift = lifter.lift

    @cached_property
    def lifted(self) -> list[str]:
        """The words before the arguments of its lifted run."""
        module = self.lift(self.path.read_bytes()).module
        artifact, pc_map = Path(f"{self.path}.cwasm"), Path(f"{self.path}.pcmap")
        artifact.write_bytes(aot.compile_module(module, TARGET))
        pc_map.write_bytes(objectfile.pc_map(objectfile.read(module)))
        return [str(HOST), str(self.path), str(artifact), str(pc_map), str(self.path)]

    def outcome(self, way: str, run: Run, folder: Path) -> Outcome:
        """What a run of a way ("native" or "lifted") in a new folder does."""
        command = [str(self.path)] if way == "native" else self.lifted
        return outcome([*command, *run.arguments], run, folder)

    def differences(self, run: Run, folder: Path) -> list[str]:
        """Runs it in both ways in the same new folder; what differs, a line each."""
        native = self.outcome("native", run, folder)
        shutil.rmtree(folder)
        lifted = self.outcome("lifted", run, folder)
        shutil.rmtree(folder)
        return [f"{' '.join(run.arguments)}: {line}" for line in compare(native, lifted)]


def outcome(command: Sequence[str], run: Run, folder: Path) -> Outcome:
    """Runs a command in a new folder with the files of a run."""
    folder.mkdir(parents=True)
    for name, data in run.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes(data)
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (TIME, TIME))
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        umask=0o022,
    )
    try:
        stdout, stderr = process.communicate(run.stdin, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        pytest.fail(f"{' '.join(command)} did not end in {SECONDS} s")
    return Outcome(process.returncode, stdout, stderr, dict(sorted(_left(folder))))


def _left(folder: Path) -> list[tuple[str, tuple[int, bytes]]]:
    """Each path below a folder, but not the times of it."""
    found = []
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            content = os.fsencode(path.readlink())
        elif stat.S_ISREG(mode):
            content = path.read_bytes()
        else:
            content = b""
        found.append((str(path.relative_to(folder)), (mode, content)))
    return found


def compare(native: Outcome, lifted: Outcome) -> list[str]:
    lines = []
    if native.status != lifted.status:
        lines.append(f"status {native.status} native, {lifted.status} lifted: {lifted.stderr[-300:]!r}")
    for stream in ("stdout", "stderr"):
        a, b = getattr(native, stream), getattr(lifted, stream)
        if a != b:
            at = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
            start = max(0, at - 40)
            lines.append(f"{stream} at {at}: {a[start : at + 60]!r} native, {b[start : at + 60]!r} lifted")
    for path in sorted(native.left.keys() | lifted.left.keys()):
        if native.left.get(path) != lifted.left.get(path):
            lines.append(
                f"file {path}: {str(native.left.get(path))[:80]} native, {str(lifted.left.get(path))[:80]} lifted"
            )
    return lines


def compile_(compiler: Compiler, words: Sequence[str | Path], *, folder: Path, cxx: bool = False) -> None:
    """Runs a compiler in a folder; fails the test with what it said."""
    command = [*(compiler.cxx if cxx else compiler.c), *compiler.flags, *PLAIN, *map(str, words)]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    if built.returncode != 0:
        pytest.fail(f"{' '.join(command)}\n{built.stderr[-3000:]}")
