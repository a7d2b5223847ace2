"""Which programs there are, and how each is run."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.recompiler.lift.programs.executable import Run
from tests.recompiler.lift.programs.multicall import SOURCES

PLAIN_RUN: Final = (Run(),)
LINES: Final = b"one\ntwo words\n\nthree\nzeta\nalpha\nlast without newline"
ENDS: Final = (
    *("return", "exit", "_exit", "lost", "quick"),
    *("abort", "assert", "term", "kill", "null", "zero", "trap", "free", "usr1", "chld"),
)
RUNS: Final[dict[str, tuple[Run, ...]]] = {
    "ends": tuple(Run((how,)) for how in ENDS),
    "environment": (Run(), Run(("one", "", "two words", "x" * 1000))),
    "document": (Run(), Run((), b'{"x": [1, 2, {"y": "z"}]'), Run((), b"[[[1e5, -0]]]"), Run((), b"[" * 60)),
    "exceptions": (Run(), Run(("uncaught",)), Run(("noexcept",))),
    "files": (Run(), Run(("word",))),
    "filter": (
        Run((), LINES),
        Run(("-s", "-n4", "-p", "> "), LINES),
        Run(("-ur", "operand"), LINES * 500),
        Run(("-x",), LINES),
        Run(("-s",), b""),
    ),
    "streams": (Run(), Run((), b"to be or not to be\n\nthat is the question\n")),
}
C: Final = tuple(sorted(SOURCES.glob("*.c")))
# What a short run takes: each way of control and each kind of data once.
FEW_NAMES: Final = (
    *("detours", "ends", "environment", "faults", "files", "filter", "floats", "formats", "handlers", "interpreter"),
    *("jumps", "longdoubles", "memory", "overflow", "recursion", "structures", "switches", "tailcalls", "timer"),
    *("varargs", "wide"),
)
FEW: Final = tuple(path for path in C if path.stem in FEW_NAMES)
CXX: Final = tuple(sorted(SOURCES.glob("*.cc")))


def runs(program: Path) -> list[Run]:
    """The runs of a program of a multi-call executable."""
    table = RUNS.get(program.stem, PLAIN_RUN)
    return [Run((program.stem, *run.arguments), run.stdin, run.files) for run in table]
