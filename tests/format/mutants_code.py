"""In: a seeded random.Random. Out: mutants of the module and of the stub, in files that are right otherwise."""

from __future__ import annotations

import random
from typing import Any

from tests.format import builder as b
from tests.format.mutation import KEYS, STORE, Mutant, edit, family


def wasm_imports(rng: random.Random) -> bytes:
    modules = (
        ["wasi_snapshot_preview1"] * 4
        + ["recompiler_sock_v1"] * 2
        + ["wasi_unstable", "", "env", "wasi_snapshot_preview1\0"]
    )
    names = [
        "fd_write",
        "proc_exit",
        "sock_accept",
        "sock_open",
        "sock_listen",
        "thread_spawn",
        "",
        "fd_writ",
        "fd_write2",
    ]
    kinds = [(0, b"\x01")] * 8 + [
        (1, b"\x70\0\x01"),
        (2, b"\0\x01"),
        (3, b"\x7f\0"),
        (4, b"\0\0"),
        (0, b"\xff\xff\xff\xff\x0f"),
        (5, b""),
    ]
    return b.vector(
        b.wasm_import(rng.choice(modules), rng.choice(names), *rng.choice(kinds)) for _ in range(rng.randint(0, 3))
    )


def wasm_exports(rng: random.Random) -> bytes:
    names: list[str | bytes] = ["_start", "memory", "_start", "memory", "run", "", "\u00e9", b"\xff"]
    wanted = [
        b.text(n) + bytes([rng.choice([0, 0, 2, 2, 1, 3, 4])]) + b.leb(rng.choice([0, 1, 2, 2**32 - 1]))
        for n in rng.sample(names, 3)
    ]
    return b.vector(wanted)


@family(8)
def module(rng: random.Random) -> Mutant:
    """A bent module in a file that is right otherwise: digest, size and manifest follow it."""
    sections: dict[str, bytes | None] = {}
    order = [1, 2, 3, 5, 7, 10]
    header = b.WASM_HEADER
    match rng.randrange(9):
        case 0:
            header = edit(rng, header, 1)
        case 1:
            sections["s2"] = wasm_imports(rng)
        case 2:
            sections["s7"] = wasm_exports(rng)
        case 3:
            extra = rng.choice([0, 0, 4, 6, 8, 9, 11, 12, 13, 127, 1, 10])
            sections.setdefault(
                f"s{extra}", rng.choice([b.text("name") + b"\1", b"\0", b"", b"\5abc", b"\x80\x80\x80\x80\x80\x00"])
            )
            order.insert(rng.randint(0, 6), extra)
        case 4:
            number_ = rng.choice(order)
            sections[f"s{number_}"] = edit(rng, b.WASM_SECTIONS[number_], 1)
        case 5:
            order = rng.sample(order, rng.randint(3, 6))
        case 6:
            counts = [b.leb(rng.randint(0, 3), rng.choice([0, 4, 5, 6])) for _ in range(2)]
            sections["s3"], sections["s10"] = counts[0] + bytes(rng.randint(0, 2)), counts[1] + b.WASM_SECTIONS[10][1:]
        case _:
            pass
    wasm = b.wasm(order, header, **sections)
    if rng.random() < 0.4:
        wasm = edit(rng, wasm, 2)
    return Mutant(b.executable(module=wasm or b"\0").signed(KEYS[0]), STORE)


@family(2)
def stub(rng: random.Random) -> Mutant:
    fields: dict[str, Any] = {
        "class_": [1, 3],
        "data": [2, 0],
        "type": [0, 1, 3, 4],
        "phnum": [0, 2, 65535],
        "shnum": [1, 65535],
    }
    fields |= {"phoff": [0, 63, 65, (1 << 64) - 1], "shoff": [64, 1 << 40], "filesz": [0, 1 << 40, (1 << 64) - 1]}
    name = rng.choice(list(fields))
    data = b.elf(machine=rng.choice([62, 62, 183, 3, 0]), **{name: rng.choice(fields[name])})
    if rng.random() < 0.5:
        data = rng.choice([edit(rng, data, 1), data + bytes(rng.randint(1, 16)), data[: rng.randint(1, len(data))]])
    return Mutant(b.executable(stub=data or b"\0").signed(KEYS[0]), STORE)
