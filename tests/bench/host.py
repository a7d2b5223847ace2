"""Costs of the host of lifted programs beside a native process: python -m tests.bench.host (a minute).

In: tests/csrc/engine/lifted/host, compiled. Out: docs/lifted.md's figures as Markdown rows: boundaries in ns, starts in
ms, of CPU time, so that other work on the machine disturbs them less.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
from pathlib import Path

from tests.csrc.engine.lifted.test_host_programs import Program, build

ROUNDS, STARTS = 3, 60


def boundaries(program: Program, lifted: bool) -> dict[str, int]:
    command = [*program.command(lifted), "costs"]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()
    return {name: int(value) for name, _, value in (line.partition("\t") for line in lines)}


def start(program: Program, lifted: bool) -> float:
    """Milliseconds of a program that only begins and ends."""
    command = [*program.command(lifted), "die", "7"]
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_CLOSE, 1)])
    _, status, usage = os.wait4(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 7
    return (usage.ru_utime + usage.ru_stime) * 1000


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        program = build(Path(scratch) / "guest")
        best: tuple[dict[str, int], dict[str, int]] = ({}, {})
        for _ in range(ROUNDS):
            for lifted in (False, True):
                for name, value in boundaries(program, lifted).items():
                    best[lifted][name] = min(value, best[lifted].get(name, value))
        spent: tuple[list[float], list[float]] = ([], [])
        for _ in range(STARTS):
            for lifted in (False, True):
                spent[lifted].append(start(program, lifted))
        print("| | native | lifted |\n|---|---|---|")
        for name in best[False]:
            print(f"| {name} | {best[False][name]} ns | {best[True][name]} ns |")
        native, lifted_ = (f"{statistics.median(each):.2f} ms, {min(each):.2f} ms" for each in spent)
        print(f"| exec to exit: median, least | {native} | {lifted_} |")


if __name__ == "__main__":
    main()
