"""Whole programs: what a lifted one says, its status and the files that it leaves are those of the native one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.recompiler.lift.programs import multicall, reentry, table
from tests.recompiler.lift.programs.executable import COMPILERS, HOST, Executable
from tests.testbed import FIGURES

pytestmark = pytest.mark.skipif(not HOST.exists(), reason="no host of lifted programs was built for this machine")
SEED = 1


def long(test: Callable[..., None]) -> Callable[..., None]:
    """A test of `make figures`."""
    return pytest.mark.figures(pytest.mark.skipif(not FIGURES, reason="long: make figures")(test))


Linked = Callable[..., Executable]


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Linked:
    """Programs in one executable, by (compiler, static PIE, which level comes first, programs); each is lifted once."""
    folder = tmp_path_factory.mktemp("programs")
    made: dict[tuple[object, ...], Executable] = {}

    def make(name: str, pie: bool, level: int, programs: tuple[Path, ...]) -> Executable:
        compiler = COMPILERS[name]
        if missing := compiler.missing():
            pytest.skip(f"no {missing} here: apt-get install gcc g++ libc6-dev")
        key = (name, pie, level, programs)
        if key not in made:
            made[key] = multicall.link(folder / str(len(made)), programs, compiler, pie=pie, first_level=level)
        return made[key]

    return make


def check(executable: Executable, programs: tuple[Path, ...], folder: Path) -> None:
    runs = [run for program in programs for run in table.runs(program)]
    differences = [line for run in runs for line in executable.differences(run, folder / "run")]
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize("program", table.FEW, ids=lambda path: path.stem)
def test_a_lifted_program_does_as_the_native_one(linked: Linked, program: Path, tmp_path: Path) -> None:
    check(linked("zig musl", False, 0, table.FEW), (program,), tmp_path)


def test_programs_do_the_same_when_calls_and_returns_go_through_the_pc_map(linked: Linked, tmp_path: Path) -> None:
    print(f"seed {SEED}")
    executable = Executable(linked("zig musl", False, 0, table.FEW).path, reentry.lifting(SEED))
    check(executable, table.FEW, tmp_path)
    assert reentry.Reentering.left > 1000


@long
@pytest.mark.parametrize("level", range(5))
@pytest.mark.parametrize("pie", [False, True], ids=["exec", "static-pie"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_programs_of_every_level_do_as_the_native_ones(
    linked: Linked, compiler: str, pie: bool, level: int, tmp_path: Path
) -> None:
    check(linked(compiler, pie, level, table.C), table.C, tmp_path)


@long
@pytest.mark.parametrize("pie", [False, True], ids=["exec", "static-pie"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_programs_of_cxx_do_as_the_native_ones(linked: Linked, compiler: str, pie: bool, tmp_path: Path) -> None:
    executable = linked(compiler, pie, 3 * pie, table.CXX)
    check(executable, table.CXX, tmp_path)
    if not pie:
        check(Executable(executable.path, reentry.lifting(SEED)), table.CXX, tmp_path)
