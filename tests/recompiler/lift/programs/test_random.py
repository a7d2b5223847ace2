"""Random programs of C, at every optimisation level: the lifted one says what the native one says."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.recompiler.lift.programs import multicall, random_c, reentry
from tests.recompiler.lift.programs.executable import COMPILERS, HOST, Executable, Run
from tests.testbed import FIGURES

pytestmark = pytest.mark.skipif(not HOST.exists(), reason="no host of lifted programs was built for this machine")
SEEDS = (1, 2, 3, 4, 5, 6, 7, 8)
# Seeds whose programs once differed: compiler, static PIE, level.
ONCE = {3327832566: ("gcc glibc", True, 1)}  # a switch's table was missed where the selector had two writers
ROUNDS, EACH = 10, 32  # of the long count: executables, programs in each


def link(folder: Path, seeds: Sequence[int], compiler: str, *, pie: bool = False, level: int = 0) -> Executable:
    sources = [folder / f"random{seed}.c" for seed in seeds]
    for seed, path in zip(seeds, sources, strict=True):
        path.write_text(random_c.Program(seed).text)
    flags = random_c.FLAGS
    return multicall.link(folder / "made", sources, COMPILERS[compiler], pie=pie, first_level=level, flags=flags)


def check(executable: Executable, seeds: Sequence[int], folder: Path) -> None:
    runs = [Run((f"random{seed}",)) for seed in seeds]
    differences = [line for run in runs for line in executable.differences(run, folder / "run")]
    assert not differences, "\n".join(differences)


def test_random_programs_do_as_the_native_ones(tmp_path: Path) -> None:
    check(link(tmp_path, SEEDS, "zig musl"), SEEDS, tmp_path)


@pytest.mark.figures
@pytest.mark.skipif(not FIGURES, reason="long: make figures")
@pytest.mark.parametrize("number", range(ROUNDS))
def test_many_random_programs_do_as_the_native_ones(number: int, tmp_path: Path) -> None:
    first = int(os.environ.get("RECOMPILER_SEED", "0")) or random.randrange(1 << 32)
    print(f"seed {first}")
    seeds = range(first, first + EACH)
    compiler = list(COMPILERS)[number % 2]
    if COMPILERS[compiler].missing():
        compiler = "zig musl"
    executable = link(tmp_path, seeds, compiler, pie=number % 3 == 2, level=number)
    check(executable, seeds, tmp_path)
    if number % 3 == 0:
        check(Executable(executable.path, reentry.lifting(first)), seeds, tmp_path)


@pytest.mark.figures
@pytest.mark.skipif(not FIGURES, reason="long: make figures")
@pytest.mark.parametrize("seed", ONCE)
def test_a_random_program_that_once_differed_does_as_the_native_one(seed: int, tmp_path: Path) -> None:
    compiler, pie, level = ONCE[seed]
    if missing := COMPILERS[compiler].missing():
        pytest.skip(f"no {missing} here: apt-get install gcc libc6-dev")
    check(link(tmp_path, [seed], compiler, pie=pie, level=level), [seed], tmp_path)
