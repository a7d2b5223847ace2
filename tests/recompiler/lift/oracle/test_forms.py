"""Every row of the table of forms against this CPU: registers, vectors, memory, defined flags, faults."""

from __future__ import annotations

import platform

import pytest

from recompiler.lift import forms
from tests.recompiler.lift.oracle import encode
from tests.recompiler.lift.oracle.check import Cpu, Report, check
from tests.recompiler.lift.oracle.exclusions import NOT_COMPARED, absent
from tests.recompiler.lift.oracle.seed import SEED, seed
from tests.testbed import FIGURES

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the oracle is an x86-64 CPU")

forms.find("NOP")  # loads the families
SHARDS = 12
TABLE = sorted(text for text in forms.TABLE if text not in NOT_COMPARED and not absent(text))


def settle(report: Report) -> None:
    if report.mismatches:
        pytest.fail(f"seed {SEED}: {len(report.mismatches)} instructions differ\n" + "\n".join(report.mismatches[:4]))
    assert not report.unproved, "no instruction of these forms was run"


def test_every_form_is_one_of_the_manual() -> None:
    assert [text for text in forms.TABLE if text not in encode.codes()] == []


@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_few_instructions_of_each_form_do_as_this_cpu_does(cpu: Cpu, shard: int) -> None:
    report = check(cpu, TABLE[shard::SHARDS], seed(shard), instructions_each=4, states=48, every=False)
    settle(report)
    assert report.states > 0


@pytest.mark.figures
@pytest.mark.skipif(not FIGURES, reason="make figures")
@pytest.mark.parametrize("shard", range(SHARDS * 4))
def test_thousands_of_states_of_each_form_do_as_this_cpu_does(
    cpu: Cpu, shard: int, request: pytest.FixtureRequest
) -> None:
    report = check(cpu, TABLE[shard :: SHARDS * 4], seed(shard), instructions_each=12, states=2000, every=True)
    print(f"{report.forms} forms, {report.instructions} instructions, {report.states} states,", end=" ")
    print(f"{report.faults} of them faults, {len(report.unlifted)} unlifted encodings")
    settle(report)
