"""Thirty-odd programs in one artifact: on the engine each does what its module does alone under wasmtime's own WASI."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import wasmtime

from recompiler import aot
from recompiler.merge.merger import Merged
from tests.csrc.engine.client import FORCE, TARGET, Container, Refused, Zygote
from tests.csrc.engine.conftest import EVERYTHING
from tests.recompiler.merge.cases import FILES, RUNS
from tests.recompiler.merge.conftest import merged, program_files, programs  # noqa: F401  (fixtures)
from tests.recompiler.merge.host import Outcome, run, tree

SIGNALS = {
    str(wasmtime.TrapCode.UNREACHABLE): signal.SIGABRT,
    str(wasmtime.TrapCode.MEMORY_OUT_OF_BOUNDS): signal.SIGSEGV,
    str(wasmtime.TrapCode.STACK_OVERFLOW): signal.SIGSEGV,
    str(wasmtime.TrapCode.INTEGER_DIVISION_BY_ZERO): signal.SIGFPE,
}


@pytest.fixture(scope="module")
def alone(programs: dict[str, bytes]) -> list[Outcome]:  # noqa: F811
    engine = wasmtime.Engine()
    modules = {name: wasmtime.Module(engine, data) for name, data in programs.items()}
    return [run(modules[name], engine, "_start", (), [name, *argv], stdin, FILES) for name, argv, stdin in RUNS]


@pytest.fixture(scope="module")
def all_in_one(merged: Merged, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:  # noqa: F811
    path = tmp_path_factory.mktemp("merged") / "merged.cwasm"
    path.write_bytes(aot.compile_module(merged.data, TARGET))
    with Zygote() as zygote:
        zygote.load(path)
        yield zygote


def run_on(container: Container, folder: Path, entry: int, argv: list[str], stdin: bytes) -> Outcome:
    """The same run, with files as stdio."""
    (folder.parent / "stdin").write_bytes(stdin)
    names = ("stdin", "stdout", "stderr")
    fds = [os.open(folder.parent / name, os.O_RDWR | os.O_CREAT, 0o600) for name in names]
    try:
        status = container.wait(container.spawn(*argv, entry=entry, env=["HOME=/"], fds=(fds[0], fds[1], fds[2])))
    finally:
        for fd in fds:
            os.close(fd)
    out, err = (folder.parent / name for name in names[1:])
    return Outcome(status, out.read_bytes(), err.read_bytes(), tree(folder))


def expected(outcome: Outcome) -> Outcome:
    """A trap is a signal here, with one line more."""
    if isinstance(outcome.status, int):
        return outcome
    return Outcome(-SIGNALS[outcome.status], outcome.stdout, outcome.stderr, outcome.files)


def without_last_line(outcome: Outcome) -> Outcome:
    head, mark, _ = outcome.stderr.rpartition(b"recompiler: E_ENGINE_TRAP: ")
    return Outcome(outcome.status, outcome.stdout, head if mark else outcome.stderr, outcome.files)


def test_every_program_does_what_it_does_alone(
    all_in_one: Zygote,
    merged: Merged,  # noqa: F811
    alone: list[Outcome],
    tmp_path: Path,
) -> None:
    entries = {row["export"]: row["entry"] for row in merged.entries.values()}
    wrong = []
    for number, (name, argv, stdin) in enumerate(RUNS):
        folder = tmp_path / str(number) / "files"
        folder.mkdir(parents=True)
        for path, contents in FILES.items():
            (folder / path).write_bytes(contents)
        # Without the overlay, so that what a program did to its files can be looked at.
        with all_in_one.create(folder, EVERYTHING, unwanted=FORCE["overlay"]) as container:
            found = run_on(container, folder, entries[name], [name, *argv], stdin)
        if without_last_line(found) != expected(alone[number]):
            wrong.append(f"{name} {argv}: {found} is not {expected(alone[number])}"[:2000])
    assert not wrong
    assert len(RUNS) > 50


def test_an_id_that_no_program_has_is_refused_before_a_process_is_made(
    all_in_one: Zygote,
    merged: Merged,  # noqa: F811
    tmp_path: Path,
) -> None:
    with all_in_one.create(tmp_path, EVERYTHING) as container:
        for entry in (len(merged.entries), -1, 1 << 32, (1 << 63) - 1):
            with pytest.raises(Refused, match="the module has no entry"):
                container.run("none", entry=entry)
