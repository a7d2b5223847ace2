"""Random programs, merged: each logs what it logs alone, in every layout."""

from __future__ import annotations

import random

import pytest

from recompiler.merge.slots import Layout
from tests.recompiler.merge.random_program import write
from tests.recompiler.merge.watlog import LAYOUTS, compare

SEED = 3
PROGRAMS = 12


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_random_programs_end_as_they_do_alone(layout: Layout) -> None:
    endings, logged, kept = set(), 0, []
    for number in range(6):
        print(f"seed {SEED}:{number}")
        source = random.Random(f"{SEED}:{number}")
        texts = [write(source) for _ in range(PROGRAMS)]
        merged, results = compare(texts, layout)
        for text, (alone, ours) in zip(texts, results, strict=True):
            assert ours == alone, text
        endings |= {how for (_, how), _ in results}
        logged += sum(len(log) for (log, _), _ in results)
        kept.append(merged.figures["functions_out"] / merged.figures["functions_in"])
    assert endings == {"returned", "trapped"}
    assert logged > 100
    assert min(kept) < 1
