"""In: the small signed file. Out: every one-step damage of it, none accepted, one code from C and Python.

Of each byte one bit is flipped; by `make figures` each of the eight.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.format.builder import small, small_store
from tests.format.verdicts import OK, verdict
from tests.testbed import FIGURES

# Inserted at each position: the two ends of a byte, a printable one and one that looks like a small integer field.
INSERTED = (0x00, 0xFF, 0x41, 0x01)


def bit_flips(file: bytes) -> Iterator[bytes]:
    for position in range(len(file)):
        for bit in range(8) if FIGURES else (position % 8,):
            yield file[:position] + bytes([file[position] ^ 1 << bit]) + file[position + 1 :]


def truncations(file: bytes) -> Iterator[bytes]:
    return (file[:length] for length in range(len(file)))


def head_truncations(file: bytes) -> Iterator[bytes]:
    return (file[start:] for start in range(1, len(file)))


def prefixes(file: bytes) -> Iterator[bytes]:
    for length in range(1, len(file) + 1):
        yield bytes(length) + file
        yield file[:length] + file


def suffixes(file: bytes) -> Iterator[bytes]:
    for length in range(1, len(file) + 1):
        yield file + bytes(length)
        yield file + file[:length]


def insertions(file: bytes) -> Iterator[bytes]:
    for position in range(len(file) + 1):
        for value in INSERTED:
            yield file[:position] + bytes([value]) + file[position:]


def deletions(file: bytes) -> Iterator[bytes]:
    return (file[:position] + file[position + 1 :] for position in range(len(file)))


def aligned_moves(file: bytes) -> Iterator[bytes]:
    """16 bytes in or out at each row: what the alignment rules alone would not see."""
    for position in range(0, len(file), 16):
        yield file[:position] + file[position + 16 :]
        yield file[:position] + bytes(16) + file[position:]
        yield file[:position] + file[position : position + 16] + file[position:]


DAMAGES: dict[Callable[[bytes], Iterator[bytes]], Callable[[int], int]] = {
    bit_flips: lambda n: (8 if FIGURES else 1) * n,
    truncations: lambda n: n,
    head_truncations: lambda n: n - 1,
    prefixes: lambda n: 2 * n,
    suffixes: lambda n: 2 * n,
    insertions: lambda n: 4 * (n + 1),
    deletions: lambda n: n,
    aligned_moves: lambda n: 3 * (n // 16),
}


def test_the_undamaged_file_is_accepted() -> None:
    assert verdict(small(), small_store()) == OK


@pytest.mark.figures
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_no_damage_is_accepted_and_both_readers_agree(damage: Callable[[bytes], Iterator[bytes]]) -> None:
    file = small()
    codes = Counter(verdict(damaged, small_store()) for damaged in damage(file))
    print(f"\n{damage.__name__}: {codes.total()} files of {len(file)} bytes: {dict(codes.most_common())}")
    assert codes.total() == DAMAGES[damage](len(file))
    assert codes[OK] == 0
