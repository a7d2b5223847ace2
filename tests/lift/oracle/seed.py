"""The seed of this run: RECOMPILER_SEED, or a new one."""

from __future__ import annotations

import os
import random

SEED = int(os.environ.get("RECOMPILER_SEED") or random.SystemRandom().getrandbits(32))


def seed(part: int) -> int:
    """The seed of one part of the run; printed, as what a failing test shows."""
    print(f"seed {SEED} (RECOMPILER_SEED), part {part}")
    return SEED + part
