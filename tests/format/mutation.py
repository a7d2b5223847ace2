"""In: a seeded random.Random. Out: small wrong steps in numbers and bytes, and the register of the families of mutants.

Each family bends one stage of docs/format.md; a mutant that is signed again passes the earlier stages and reaches it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.format import builder as b

KEYS = [b.key(n) for n in range(4)]
AOT = bytes(range(40))


@dataclass
class Mutant:
    file: bytes
    store: bytes
    now: int = b.NOW
    resigned: bool = True  # False: the attacker has no key, so nothing but the original may pass


Family = Callable[[random.Random], Mutant]
FAMILIES: dict[str, tuple[Family, int]] = {}  # name -> (family, weight)


def family(weight: int) -> Callable[[Family], Family]:
    def register(function: Family) -> Family:
        FAMILIES[function.__name__] = (function, weight)
        return function

    return register


def draw(rng: random.Random) -> tuple[str, Mutant]:
    name = rng.choices(list(FAMILIES), [weight for _, weight in FAMILIES.values()])[0]
    return name, FAMILIES[name][0](rng)


EDGES = [0, 1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 255, 256, 383, 384, 385, 1 << 16]
EDGES += [(1 << n) + d for n in (26, 30, 31, 32, 34, 40, 53, 62, 63, 64) for d in (-16, -1, 0, 1)]


def number(rng: random.Random, near: int) -> int:
    """A number at an edge, or close to the right one."""
    return rng.choice(
        [rng.choice(EDGES), near + rng.choice([-384, -112, -16, -15, -1, 1, 15, 16, 112, 384]), -1 - near]
    )


def edit(rng: random.Random, data: bytes, most: int = 3) -> bytes:
    """One to `most` small edits: bytes flipped, put in, taken out, copied."""
    out = bytearray(data)
    for _ in range(rng.randint(1, most)):
        at = rng.randrange(len(out) + 1)
        length = rng.choice([1, 1, 1, 2, 4, 8, 16])
        match rng.randrange(5):
            case 0 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 1:
                out[at:at] = rng.randbytes(length)
            case 2:
                del out[at : at + length]
            case 3:
                start = rng.randrange(len(out) + 1)
                out[at : at + length] = out[start : start + length]
            case _ if at < len(out):
                out[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, 0x22, 0x5C, 0x7B, 0x5D])
    return bytes(out)


def whole(rng: random.Random) -> b.File:
    """A right file of either number of sections and one to three signers."""
    signers = rng.randint(1, 3)
    return b.executable(aot=rng.choice([None, None, AOT]), signer_count=signers)


def seal(rng: random.Random, file: b.File) -> bytes:
    """Signed by the first signer_count keys, mostly; sometimes by too few or too many."""
    wanted = min(max(file.statement.signer_count, 1), len(KEYS)) + rng.choice([0] * 15 + [-1, 1])
    return file.signed(*KEYS[: min(max(wanted, 1), len(KEYS))])


def store_rows() -> list[dict[str, Any]]:
    return [b.key_row(k, n) for n, k in enumerate(KEYS[:3])]


STORE = b.store(store_rows())
BOTH = b.store(store_rows(), threshold=2)  # needs each signature of ORIGINAL, so that only ORIGINAL itself passes
ORIGINAL = b.executable(aot=AOT, signer_count=2).signed(*KEYS[:2])
