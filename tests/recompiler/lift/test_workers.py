"""Work that is spread over processes: its values, its failures, and nothing that is left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from recompiler.errors import Error
from recompiler.lift.workers import MOST, apart, spread


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def children() -> set[int]:
    """The processes of this one, those that nobody waited for too; fixtures of other tests may have some."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.add(int(stat.parent.name))
    return found


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    before = children()
    yield
    assert children() == before


@pytest.mark.parametrize("jobs", [1, 2, 5, 30])
def test_every_piece_is_worked_on_once_whatever_the_number_of_processes(jobs: int) -> None:
    before = descriptors()
    values = dict(spread(lambda text: text * 2, [str(n) for n in range(100)], jobs))
    assert values == {n: str(n) * 2 for n in range(100)}
    assert descriptors() == before


def test_as_many_pieces_as_there_may_be_and_values_larger_than_a_pipe() -> None:
    assert dict(spread(lambda n: n, range(MOST), 2)) == {n: n for n in range(MOST)}
    assert {len(value) for _, value in spread(lambda n: b"x" * (n << 20), [3, 2, 1, 0], 3)} == {
        n << 20 for n in range(4)
    }
    assert list(spread(lambda n: n, [], 4)) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_the_work_raises_is_raised_here(jobs: int) -> None:
    def work(n: int) -> int:
        if n == 7:
            raise Error("E_LIFT_ELF", "seven", 7)
        return n

    with pytest.raises(Error, match="seven") as caught:
        list(spread(work, range(20), jobs))
    assert (caught.value.code, caught.value.offset) == ("E_LIFT_ELF", 7)


def test_a_process_that_is_killed_is_noticed() -> None:
    def work(n: int) -> int:
        if n == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return n

    for jobs in (2, 3):
        with pytest.raises(Error, match="E_NO_MEMORY"):
            list(spread(work, range(50), jobs))
    with pytest.raises(Error, match="E_NO_MEMORY"):
        apart(lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_a_process_that_cannot_be_made_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    before = descriptors()
    forks = iter([os.fork])

    def fork() -> int:
        try:
            return next(forks)()
        except StopIteration:
            raise BlockingIOError(11, "Resource temporarily unavailable") from None

    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(Error, match="no process can be made"):
        list(spread(lambda n: n, range(50), 3))
    assert descriptors() == before


def test_an_iteration_that_is_given_up_leaves_no_process(tmp_path: Path) -> None:
    before = descriptors()
    values = spread(lambda n: signal.pause() if n else n, range(4), 2)
    assert next(values) == (0, 0)
    values.close()
    assert descriptors() == before


def test_work_apart_gives_its_value() -> None:
    assert apart(lambda: os.getpid()) != os.getpid()
    assert len(apart(lambda: bytes(5 << 20))) == 5 << 20
