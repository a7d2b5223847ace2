"""Random functions of a few blocks against this CPU: registers, memory and flags carried from one instruction to the
next, with the liveness and the control flow that emission makes of them."""

from __future__ import annotations

import platform

import pytest

from tests.recompiler.lift.oracle.check import Cpu, check_blocks
from tests.recompiler.lift.oracle.seed import SEED, seed
from tests.testbed import FIGURES

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the oracle is an x86-64 CPU")


def run(cpu: Cpu, part: int, programs: int, states: int) -> None:
    report = check_blocks(cpu, programs, seed(part), states=states)
    print(f"{programs} programs, {report.instructions} instructions, {report.states} states, {report.faults} faults")
    if report.mismatches:
        pytest.fail(f"seed {SEED}: {len(report.mismatches)} programs differ\n" + "\n".join(report.mismatches[:4]))
    assert report.states > 0


def test_random_blocks_do_as_this_cpu_does(cpu: Cpu) -> None:
    run(cpu, 0, 150, 32)


@pytest.mark.figures
@pytest.mark.skipif(not FIGURES, reason="make figures")
@pytest.mark.parametrize("part", range(20))
def test_thousands_of_random_blocks_do_as_this_cpu_does(cpu: Cpu, part: int) -> None:
    run(cpu, part, 1000, 200)
