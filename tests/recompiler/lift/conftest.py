"""What the tests of the lifter share: a small static program, by the compiler that is always there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FLAGS = (
    "-target x86_64-linux-musl -mcpu=x86_64 -nostdlib -O1 -g0 -fno-sanitize=all -fno-stack-protector -Wall -Wextra "
    "-Werror"
)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tests/recompiler/lift/command/small.c as a static executable."""
    return _built(tmp_path_factory.mktemp("small") / "small", ["-static"])


@pytest.fixture(scope="session")
def small_pie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a static PIE."""
    return _built(tmp_path_factory.mktemp("small-pie") / "small", ["-pie", "-fPIE"])


def _built(path: Path, flags: list[str]) -> Path:
    source = Path(__file__).parent / "command" / "small.c"
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS.split(), *flags, str(source), "-o", str(path)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stderr
    return path


@pytest.fixture(scope="session")
def symbol() -> Callable[[Path, str], int]:
    """The address of a symbol of an ELF, as linked."""
    from recompiler.lift.elf import binary

    def find(path: Path, name: str) -> int:
        return next(each.address for each in binary.load(path.read_bytes()).symbols if each.name == name)

    return find
