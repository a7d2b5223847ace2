"""In: a seeded random.Random. Out: mutants of stages 1 to 6: footer, statement, sections, records, trust."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from tests.format import builder as b
from tests.format.mutation import BOTH, KEYS, ORIGINAL, STORE, Mutant, edit, family, number, seal, whole


@family(2)
def bytes_without_a_key(rng: random.Random) -> Mutant:
    return Mutant(edit(rng, ORIGINAL), BOTH, resigned=False)


@family(2)
def fields_without_a_key(rng: random.Random) -> Mutant:
    """A field of statement, record or footer overwritten in place; lengths stay right."""
    out = bytearray(ORIGINAL)
    start = len(out) - 32 - 2 * 112 - 384
    at = start + rng.randrange(0, len(out) - start, 4)
    width = rng.choice([2, 4, 8])
    old = int.from_bytes(out[at : at + width], "little")
    out[at : at + width] = (number(rng, old) & ((1 << 8 * width) - 1)).to_bytes(width, "little")
    return Mutant(bytes(out)[: len(ORIGINAL)], BOTH, resigned=False)


@family(2)
def footer(rng: random.Random) -> Mutant:
    file = whole(rng).sign(*KEYS[:2])
    fields: dict[str, Callable[[], Any]] = {
        "sig_count": lambda: number(rng, len(file.records)),
        "statement_size": lambda: number(rng, 384),
        "statement_off": lambda: number(rng, len(file.body)),
        "magic": lambda: rng.choice([edit(rng, b.MAGIC, 1), b.MAGIC[:-1] + bytes([rng.randrange(256)])]),
    }
    chosen = rng.sample(list(fields), rng.choice([1, 1, 2]))
    data = replace(file, **{name: fields[name]() for name in chosen}).pack()
    return Mutant(data + rng.choice([b"", b"", b"\0", rng.randbytes(37), b.MAGIC]), STORE)


@family(4)
def statement(rng: random.Random) -> Mutant:
    file = whole(rng)
    right = file.statement
    fields: dict[str, Callable[[], Any]] = {
        "domain": lambda: (edit(rng, right.domain, 1) + bytes(32))[:32],
        "subject": lambda: subject(rng),
        "signed_at": lambda: rng.choice([1577836799, 1577836800, 1 << 40, (1 << 40) + 1, b.NOW + 300, b.NOW + 301]),
        "expires_at": lambda: rng.choice([right.signed_at, right.signed_at + 1, b.NOW, b.NOW + 1, (1 << 64) - 1]),
        "security_version": lambda: rng.choice([0, 1, 2, (1 << 63), (1 << 64) - 1]),
    }
    for name in ("version", "section_count", "kind", "signer_count"):
        fields[name] = partial(number, rng, getattr(right, name))
    chosen = rng.sample(list(fields), rng.choice([1, 1, 1, 2, 3]))
    for name in chosen:
        setattr(right, name, fields[name]())
    return Mutant(seal(rng, file), STORE, now(rng))


def subject(rng: random.Random) -> bytes:
    names = [
        *(b"demo/hello", b"demo/hell", b"demo/helloo", b"demo", b"demo/", b"demo//x", b"demo/..", b"a..b", b"other/x"),
        *(b"-a", b"A", b"_a", b"/a", b"0/1", b"\0", b"demo/x\0y", b"demo/\xff", b"demo/x y", b"demo/a.b_c-d"),
        *(b"a" * 63, b"a" * 64),
    ]
    return (edit(rng, rng.choice(names), 1) if rng.random() < 0.3 else rng.choice(names)).ljust(64, b"\0")[:64]


def now(rng: random.Random) -> int:
    edges = [0, 1577836799, 1577836800, b.SIGNED_AT - 301, b.SIGNED_AT - 300, 1_790_000_000 - 1, 1_790_000_000]
    edges += [1_853_000_000 - 1, 1_853_000_000, 1 << 62]
    return rng.choice([b.NOW] * 30 + edges)


@family(5)
def slots(rng: random.Random) -> Mutant:
    file = whole(rng)
    for _ in range(rng.choice([1, 1, 1, 2])):
        index = rng.randrange(4)
        slot = file.statement.slots[index]
        name = rng.choice(["type", "reserved", "offset", "size", "reserved2", "digest", "swap", "limit"])
        match name:
            case "digest":
                slot.digest = edit(rng, slot.digest, 1)[:32].ljust(32, b"\0")
            case "swap":
                other = rng.randrange(4)
                file.statement.slots[index], file.statement.slots[other] = file.statement.slots[other], slot
            case "limit":
                slot.size = rng.choice([64 << 20, 1 << 30, 16 << 30]) + rng.choice([0, 1])
            case _:
                setattr(slot, name, number(rng, getattr(slot, name)))
    return Mutant(seal(rng, file), STORE)


@family(3)
def layout(rng: random.Random) -> Mutant:
    """Bytes put into or taken out of the body, the slots moved along or not, the footer right."""
    file = whole(rng)
    at = rng.randrange(len(file.body) + 1)
    size = rng.choice([1, 15, 16, 16, 17, 32])
    body = bytearray(file.body)
    match rng.randrange(4):
        case 0:
            body[at:at] = rng.choice([bytes(size), rng.randbytes(size)])
        case 1:
            del body[at : at + size]
        case 2:  # a padding byte that is not zero
            pads = [s.offset + s.size for s in file.statement.slots if s.size % 16]
            body[rng.choice(pads)] = rng.randint(1, 255)
        case _:
            body += bytes(size)
    first = rng.randrange(5)
    for slot in file.statement.slots[first:]:
        if slot.type:
            slot.offset += len(body) - len(file.body)
    return Mutant(seal(rng, replace(file, body=bytes(body))), STORE)


@family(4)
def records(rng: random.Random) -> Mutant:
    file = whole(rng)
    file.sign(*KEYS[: file.statement.signer_count])
    listed = file.records
    for _ in range(rng.choice([1, 1, 2])):
        record = rng.choice(listed)
        match rng.randrange(9):
            case 0:
                record.alg = number(rng, 1)
            case 1:
                record.reserved = edit(rng, record.reserved, 1)[:12].ljust(12, b"\0")
            case 2:
                record.key_id = edit(rng, record.key_id, 1)[:32].ljust(32, b"\0")
            case 3:
                record.signature = edit(rng, record.signature, 1)[:64].ljust(64, b"\0")
            case 4:
                rng.shuffle(listed)
            case 5:
                listed.append(copy.copy(record))
            case 6 if len(listed) > 1:
                listed.remove(record)
            case 7:  # signed by one key, labelled as another
                record.key_id = rng.choice(KEYS).id
                listed.sort(key=lambda r: r.key_id)
            case _:  # a right record of a key that the store does not know
                record.key_id, record.signature = KEYS[3].id, KEYS[3].sign(file.statement.pack())
                listed.sort(key=lambda r: r.key_id)
    if rng.random() < 0.5:
        file.statement.signer_count = len(listed)
    return Mutant(file.pack(), STORE)


@family(5)
def trust(rng: random.Random) -> Mutant:
    """Right stores of several keys, roles, dates and thresholds: the trust verdict's own rules."""
    rows = []
    for n, k in enumerate(KEYS[: rng.randint(1, 4)]):
        row = b.key_row(k, n, role=rng.choice(["release", "release", "dev", "recovery"]))
        row["status"] = rng.choice(["active", "active", "active", "retired", "revoked"])
        row["not_before"], row["not_after"] = rng.choice(
            [
                *(
                    (1_790_000_000, 1_853_000_000),
                    (0, b.NOW),
                    (0, b.NOW + 1),
                    (b.NOW, b.NOW + 1),
                    (b.NOW + 1, b.NOW + 2),
                ),
                *((b.SIGNED_AT, b.SIGNED_AT + 1), (b.SIGNED_AT + 1, b.NOW + 9), (0, b.SIGNED_AT)),
            ]
        )
        row["subjects"] = rng.choice(
            [["demo/*"], ["*"], ["demo/hello"], ["demo/hell/*"], ["demo/hello/*"], ["other/*", "d/*"]]
        )
        rows.append(row)
    rng.shuffle(rows)
    roles = rng.sample(["release", "dev", "recovery"], rng.randint(1, 3))
    minimum = [
        {"subject": s, "security_version": rng.randint(0, 3)} for s in rng.sample(["demo/hello", "demo/hell", "x"], 2)
    ]
    store = b.store(rows, threshold=rng.choice([1, 1, 2, 3]), roles=roles, minimum=minimum)
    file = b.executable(signer_count=rng.randint(1, 4), expires_at=rng.choice([0, 0, b.NOW, b.NOW + 1]))
    data = file.signed(*rng.sample(KEYS, file.statement.signer_count))
    if rng.random() < 0.1:
        record = rng.choice(file.records)
        record.signature = edit(rng, record.signature, 1)[:64].ljust(64, b"\0")
        data = file.pack()
    return Mutant(data, store, rng.choice([b.NOW, now(rng)]))
