"""In: a seed and how many mutants. Out: what the lifter said to each, with its time and memory held within bounds.

Each worker is a process of its own with RLIMIT_AS; a mutant that takes more than its seconds of CPU time, that ends in
anything but a result or an E_LIFT_ error, or whose module wasmtime refuses, is a failure.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from types import FrameType

import wasmtime

from recompiler.errors import Error
from recompiler.lift import lifter
from recompiler.lift.elf import binary
from recompiler.lift.find import discover
from tests.recompiler.lift.elf.hostile.mutate import mutant
from tests.testbed import ROOT

SECONDS = 5.0  # of CPU time for one mutant of two KiB; most take some milliseconds
MEMORY = 3 << 30  # of address space: Python, wasmtime and what a mutant takes
WHOLE = 40  # one mutant of so many is lifted as a whole


@dataclass
class Endured:
    """kinds: outcome -> mutants. failures: (number, what was changed, what happened). Peaks of one mutant."""

    kinds: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str, str]] = field(default_factory=list)
    seconds: float = 0.0
    kib: int = 0

    def add(self, other: Endured) -> None:
        self.kinds += other.kinds
        self.failures += other.failures
        self.seconds, self.kib = max(self.seconds, other.seconds), max(self.kib, other.kib)


class _TooLong(BaseException):
    """Not an Exception, so that nothing in the lifter can take it for its own."""


def _stop(number: int, frame: FrameType | None) -> None:
    raise _TooLong


def endure(seed: int, numbers: range, jobs: int) -> Endured:
    """Runs the mutants of these numbers in jobs processes, which share nothing with this one."""
    command = [sys.executable, "-m", "tests.recompiler.lift.elf.hostile.endure", str(seed)]
    paths = [str(ROOT), *sys.path]
    workers = [
        subprocess.Popen(
            [*command, *map(str, (part.start, part.stop, part.step))],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdout=subprocess.PIPE,
        )
        for part in (numbers[at::jobs] for at in range(jobs))
    ]
    total = Endured()
    for worker in workers:
        output, _ = worker.communicate()
        if worker.returncode:
            total.failures.append((-1, "a worker", f"ended with {worker.returncode}"))
        else:
            part = json.loads(output)
            total.add(
                Endured(Counter(part["kinds"]), [tuple(row) for row in part["failures"]], part["seconds"], part["kib"])
            )
    return total


def run(seed: int, numbers: range) -> Endured:
    """Runs mutants in this process, whose memory is limited from then on."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGPROF, _stop)
    engine = wasmtime.Engine()
    done = Endured()
    for number in numbers:
        data, changes = mutant(seed, number)
        before = _spent()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            kind = _one(data, engine if number % WHOLE == 0 else None)
        except Error as error:
            kind = "refused" if error.code.startswith("E_LIFT_") else f"{error}"
        except _TooLong:
            kind = f"more than {SECONDS} s"
        except BaseException as error:  # a MemoryError, a RecursionError, whatever else
            kind = f"{type(error).__name__}: {error}"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if kind not in ("refused", "found", "lifted"):
            done.failures.append((number, changes, kind))
        done.kinds[kind] += 1
        done.seconds = max(done.seconds, _spent() - before)
    done.kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return done


def _spent() -> float:
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


def _one(data: bytes, engine: wasmtime.Engine | None) -> str:
    if engine is None:
        discover.discover(binary.load(data))
        return "found"
    wasmtime.Module.validate(engine, lifter.lift(data).module)
    return "lifted"


if __name__ == "__main__":
    print(json.dumps(vars(run(int(sys.argv[1]), range(*map(int, sys.argv[2:]))))))
