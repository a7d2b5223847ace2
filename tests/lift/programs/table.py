"""Which programs there are, and how each is run."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lift.programs.executable import Run
from lift.programs.multicall import SOURCES

RUNS: Final[dict[str, tuple[Run, ...]]] = {}
PLAIN_RUN: Final = (Run(),)
C: Final = tuple(sorted(SOURCES.glob("*.c")))
CXX: Final = tuple(sorted(SOURCES.glob("*.cc")))


def runs(program: Path) -> list[Run]:
    """The runs of a program of a multi-call executable."""
    table = RUNS.get(program.stem, PLAIN_RUN)
    return [Run((program.stem, *run.arguments), run.stdin, run.files) for run in table]
