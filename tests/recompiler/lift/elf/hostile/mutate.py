"""In: a seed and a number. Out: that mutant of the tiny ELF, always the same, and what was changed in it."""

from __future__ import annotations

import random

from tests.recompiler.lift.elf.hostile.tiny import tiny

EDGES = [0, 1, 2, 3, 4, 7, 8, 15, 16, 0x7F, 0x80, 0xFF, 0xFFF, 0x1000, 0xFFFF, 0x10000, 1 << 31, (1 << 31) - 1]
EDGES += [(1 << 32) - 1, (1 << 32) - 4096, 1 << 32, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 8]
_SEED = tiny()
_CODE = range(_SEED.get("phdr.text.offset"), _SEED.get("phdr.text.offset") + _SEED.get("phdr.text.filesz"))
_NUMBERS = [_SEED.get(name) for name in _SEED.fields]


def mutant(seed: int, number: int) -> tuple[bytes, str]:
    """The file and a line that says how it differs."""
    dice = random.Random(f"{seed}/{number}")
    elf = tiny()
    changes = []
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        changes.append(
            dice.choices((_field, _byte, _copy, _instructions, _cut), (60, 15, 10, 12, 3))[0](elf.data, dice)
        )
    return bytes(elf.data), ", ".join(changes)


def _field(data: bytearray, dice: random.Random) -> str:
    """A number is set to an edge, to another field's number, or moved a little."""
    name = dice.choice(list(_SEED.fields))
    at, size = _SEED.fields[name]
    old = int.from_bytes(data[at : at + size], "little")
    value = dice.choice(
        (dice.choice(EDGES), dice.choice(_NUMBERS), old + dice.randint(-16, 16), old ^ 1 << dice.randrange(64))
    )
    value %= 1 << 8 * size
    if at + size <= len(data):
        data[at : at + size] = value.to_bytes(size, "little")
    return f"{name} = {value:#x}"


def _byte(data: bytearray, dice: random.Random) -> str:
    at = dice.randrange(len(data)) if data else 0
    data[at : at + 1] = bytes([dice.randrange(256)])
    return f"[{at:#x}] = {data[at]:#x}"


def _copy(data: bytearray, dice: random.Random) -> str:
    """A piece of the file over another piece."""
    source, target, size = dice.randrange(len(data) + 1), dice.randrange(len(data) + 1), dice.randrange(1, 65)
    piece = bytes(data[source : source + size])
    data[target : target + len(piece)] = piece
    return f"{len(piece)} bytes of {source:#x} at {target:#x}"


def _instructions(data: bytearray, dice: random.Random) -> str:
    """Other code: random bytes, or a table jump with registers and distances of its own."""
    at = dice.choice(_CODE)
    rex, register = dice.choice((0x48, 0x49, 0x4C)), dice.randrange(8)
    forms = (
        dice.randbytes(dice.randrange(1, 16)),
        bytes((rex, 0x8D, 0x05 | register << 3)) + dice.randrange(-64, 64).to_bytes(4, "little", signed=True),
        bytes((rex, 0x63, 0x04 | register << 3, dice.randrange(256))),
        bytes((0xFF, 0xE0 | register)),
        bytes((0xFF, 0x24, 0xC5 | register << 3)) + dice.randrange(0x40000).to_bytes(4, "little"),
        bytes((0xEB, dice.randrange(256))),
        bytes((dice.randrange(0x70, 0x80), dice.randrange(256))),
        bytes((rex, 0x83, 0xF8 | register, dice.randrange(256))),
    )
    piece = dice.choice(forms)
    data[at : at + len(piece)] = piece
    return f"{piece.hex()} at {at:#x}"


def _cut(data: bytearray, dice: random.Random) -> str:
    del data[dice.randrange(len(data) + 1) :]
    return f"cut to {len(data)} bytes"
