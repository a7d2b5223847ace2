"""In: static x86-64 programs. Out: how fast each is lifted, by phase, and how large what comes out is, in Markdown.

python -m tests.bench.lifting [PROGRAM...]      (LIFTING_ROUNDS=3: the best of so many runs; two jobs beside one)

Rates are thousands of instructions by CPU seconds, not by the clock, so that other work on the machine counts little;
so is what two jobs gain: the parent's seconds and half of the workers', beside one job's. Each run is a process of its
own: its peak memory is the lift's. Without PROGRAM: the kernels of lift.py, and a static busybox (BUSYBOX=path).
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ROUNDS: Final = int(os.environ.get("LIFTING_ROUNDS", "3"))
PHASES: Final = ("discover", "flow", "shape", "emit", "settle", "link")


class Clock:
    """CPU seconds by phase; a phase within another is not counted twice."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.inner = [0.0]

    def timed(self, phase: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            begin = time.process_time()
            self.inner.append(0.0)
            try:
                return work(*given, **named)
            finally:
                spent = time.process_time() - begin
                self.spent[phase] += spent - self.inner.pop()
                self.inner[-1] += spent

        return run


def one(path: str, jobs: int) -> dict[str, Any]:
    """One lift in this process, and the artifact: seconds, sizes, memory."""
    from recompiler import aot
    from recompiler.lift import lifter
    from recompiler.lift.find import discover
    from recompiler.lift.object import objectfile, objectrun

    clock = Clock()
    for phase, module, name in (
        ("discover", discover, "discover"),
        ("flow", lifter, "plan"),
        ("shape", lifter, "shape"),
        ("emit", lifter, "emit"),
        ("settle", lifter, "solve"),
        ("link", lifter, "_link"),
    ):
        setattr(module, name, clock.timed(phase, getattr(module, name)))
    data = Path(path).read_bytes()
    begin, before = time.monotonic(), _cpu()
    result = lifter.lift(data, jobs=jobs)
    wall, cpu = time.monotonic() - begin, _cpu() - before
    workers = _used(resource.RUSAGE_CHILDREN)
    peak = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    lines = objectfile.sections(result.module)[objectfile.UNLIFTED]
    begin_aot, before_aot = time.monotonic(), _cpu()
    artifact = aot.compile_module(result.module, objectrun.target()) if jobs == 1 else b""
    return {
        "instructions": result.instructions,
        "text": result.ledger.coverage["bytes"]["text"],
        "wasm": len(result.module) - len(lines),
        "ledger": len(lines),
        "cwasm": len(artifact),
        "aot": _cpu() - before_aot,
        "aot wall": time.monotonic() - begin_aot,
        "wall": wall,
        "cpu": cpu,
        "ideal": cpu - workers + workers / jobs,
        "peak": peak[0] + jobs * peak[1] * (jobs > 1),
        "phases": clock.spent,
    }


def _cpu() -> float:
    return _used(resource.RUSAGE_SELF) + _used(resource.RUSAGE_CHILDREN)


def _used(who: int) -> float:
    row = resource.getrusage(who)
    return row.ru_utime + row.ru_stime


def best(path: str, jobs: int) -> dict[str, Any]:
    """The least of each number over the rounds."""
    rows = []
    for _ in range(ROUNDS):
        run = subprocess.run([sys.executable, __file__, "--one", path, str(jobs)], stdout=subprocess.PIPE, check=True)
        rows.append(json.loads(run.stdout))
    return {name: _least([row[name] for row in rows]) for name in rows[0]}


def _least(values: list[Any]) -> Any:
    if isinstance(values[0], dict):
        return {name: min(value[name] for value in values) for name in values[0]}
    return min(values)


def usual(folder: Path) -> list[str]:
    """The kernels, built static for musl, and busybox where there is one."""
    source, output = Path(__file__).with_name("lift_kernels.c"), folder / "kernels"
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-musl", "-mcpu=x86_64", "-O2", "-s", "-w"]
    subprocess.run([*command, source, "-o", output], check=True)
    busybox = os.environ.get("BUSYBOX") or shutil.which("busybox")
    return [str(output), *([busybox] if busybox else [])]


def main(paths: list[str]) -> None:
    """Prints the two tables."""
    measured = {path: (best(path, 1), best(path, 2)) for path in paths}
    print("| program | instructions | " + " | ".join(PHASES) + " | all | with two jobs | peak MiB, one and two jobs |")
    print("|---" * (len(PHASES) + 5) + "|")
    for path, (alone, both) in measured.items():
        count = alone["instructions"]
        rates = [f"{count / alone['phases'][phase] / 1000:.0f}" for phase in PHASES]
        whole = f"{count / alone['cpu'] / 1000:.0f} | {alone['cpu'] / both['ideal']:.2f}x"
        peaks = f"{alone['peak'] >> 10}, {both['peak'] >> 10}"
        print(f"| {Path(path).name} | {count} | {' | '.join(rates)} | {whole} | {peaks} |")
    print()
    print(
        "| program | x86 text | wasm | over text | its ledger | cwasm | over text | Cranelift, CPU s per MB of wasm |"
    )
    print("|---" * 8 + "|")
    for path, (alone, _) in measured.items():
        text, wasm, cwasm = alone["text"], alone["wasm"], alone["cwasm"]
        sizes = f"{text} | {wasm} | {wasm / text:.2f} | {alone['ledger']} | {cwasm} | {cwasm / text:.2f}"
        print(f"| {Path(path).name} | {sizes} | {alone['aot'] / wasm * 1e6:.2f} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        json.dump(one(sys.argv[2], int(sys.argv[3])), sys.stdout)
    else:
        with tempfile.TemporaryDirectory(prefix="recompiler-lifting-") as name:
            main(sys.argv[1:] or usual(Path(name)))
