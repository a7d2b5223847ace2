"""The seed of this run: RECOMPILER_SEED; else the same one every time, and for the long counts a new one."""

from __future__ import annotations

import os
import random

from tests.testbed import FIGURES

SEED = int(os.environ.get("RECOMPILER_SEED") or (random.SystemRandom().getrandbits(32) if FIGURES else 1))


def seed(part: int) -> int:
    """The seed of one part of the run; printed, as what a failing test shows."""
    print(f"seed {SEED} (RECOMPILER_SEED), part {part}")
    return SEED + part
