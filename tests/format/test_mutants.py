"""In: seeded mutants by field. Out: C and Python agree on each; one that passes is right by a third, plain reading."""

from __future__ import annotations

import json
import os
import random
import struct
import time
from collections import Counter
from typing import Any

import nacl.exceptions
import nacl.signing
import pytest
from blake3 import blake3

from tests.format import builder as b
from tests.format import mutants_code, mutants_json, mutants_trailer
from tests.format.mutation import FAMILIES, ORIGINAL, Mutant, draw
from tests.format.verdicts import OK, verdict

FAMILY_MODULES = (mutants_code, mutants_json, mutants_trailer)  # each registers its families
SEED = int(os.environ.get("RECOMPILER_SEED", "1"))
FIGURES = os.environ.get("RECOMPILER_FIGURES") == "1"
COUNT = 100_000 if FIGURES else 3_000

# Codes that the families exist for: one that is never seen says that a stage is no longer reached.
REACHED = [
    "E_TRAILING_DATA",
    "E_SIG_COUNT",
    "E_STATEMENT_SIZE",
    "E_STATEMENT_OFFSET",
    "E_DOMAIN",
    "E_VERSION",
    "E_KIND",
    "E_SECTION_COUNT",
    "E_SIGNERS",
    "E_TIME",
    "E_SUBJECT",
    "E_SECTION_TYPE",
    "E_RESERVED",
    "E_LAYOUT",
    "E_SECTION_SIZE",
    "E_PADDING",
    "E_SIG_ALG",
    "E_SIG_ORDER",
    "E_KEYS_SYNTAX",
    "E_KEYS_SCHEMA",
    "E_KEYS_EMPTY",
    "E_KEYS_POINT",
    "E_KEYS_ID",
    "E_KEYS_DUPLICATE",
    "E_KEYS_THRESHOLD",
    "E_SIG_INVALID",
    "E_KEY_REVOKED",
    "E_KEY_EXPIRED",
    "E_KEY_NOT_YET",
    "E_KEY_ROLE",
    "E_KEY_UNKNOWN",
    "E_THRESHOLD",
    "E_EXPIRED",
    "E_CLOCK",
    "E_ROLLBACK",
    "E_SUBJECT_DENIED",
    "E_DIGEST",
    "E_STUB_ELF",
    "E_WASM_HEADER",
    "E_WASM_SECTION",
    "E_WASM_IMPORT",
    "E_WASM_EXPORT",
    "E_MANIFEST_SYNTAX",
    "E_MANIFEST_SCHEMA",
    "E_MANIFEST_PATH",
    "E_MANIFEST_NAME",
    "E_MANIFEST_WASM",
    "E_AOT_MANIFEST",
]


def counts(row: dict[str, Any], roles: list[str], now: int, signed_at: int) -> bool:
    """Whether a key of the store may count for a file signed then, read now."""
    moment = {"active": now, "retired": signed_at}.get(row["status"], -1)
    return row["role"] in roles and row["not_before"] <= moment < row["not_after"]


def good_signers(mutant: Mutant, statement: bytes, records: bytes) -> set[str]:
    """Public keys of the store that count and whose record verifies with libsodium alone."""
    found = set()
    store = json.loads(mutant.store)
    signed_at = int.from_bytes(statement[40:48], "little")
    by_id = {bytes.fromhex(r["id"]): r for r in store["keys"] if counts(r, store["roles"], mutant.now, signed_at)}
    for at in range(0, len(records), b.RECORD_SIZE):
        row = by_id.get(records[at + 16 : at + 48])
        if row:
            try:
                nacl.signing.VerifyKey(bytes.fromhex(row["pub"])).verify(statement, records[at + 48 : at + 112])
            except nacl.exceptions.BadSignatureError:
                raise AssertionError("a bad signature of a key that counts was accepted") from None
            found.add(row["pub"])
    return found


def assert_truly_valid(mutant: Mutant) -> None:
    """A third reading, as plain as can be: fixed offsets, json.loads, libsodium, blake3."""
    assert mutant.resigned or mutant.file == ORIGINAL
    file, store = mutant.file, json.loads(mutant.store)
    count, size, start = struct.unpack_from("<IIQ", file, len(file) - 32)
    assert file.endswith(b.MAGIC)
    assert 1 <= count <= 8
    assert size == 384
    assert start == len(file) - 32 - 112 * count - 384
    statement, records = file[start : start + 384], file[start + 384 : -32]
    assert len(good_signers(mutant, statement, records)) >= store["threshold"] >= 1
    version, section_count, kind, signers, signed_at, expires_at, security = struct.unpack_from("<4H3Q", statement, 32)
    assert (version, kind, signers) == (1, 1, count)
    assert signed_at <= mutant.now + 300
    assert expires_at == 0 or mutant.now < expires_at
    subject = statement[64:128].rstrip(b"\0").decode()
    assert all(row["security_version"] <= security for row in store["minimum"] if row["subject"] == subject)
    end, contents = 0, {}
    for index in range(section_count):
        type_, _, offset, length, _ = struct.unpack_from("<IIQQQ", statement, 128 + 64 * index)
        assert offset == b.align16(end)
        assert not any(file[end:offset])
        end = offset + length
        contents[type_] = file[offset:end]
        assert blake3(contents[type_]).digest() == statement[160 + 64 * index : 192 + 64 * index]
    assert b.align16(end) == start
    assert contents[b.STUB].startswith(b"\x7fELF")
    assert contents[b.WASM].startswith(b.WASM_HEADER)
    manifest = json.loads(contents[b.MANIFEST])
    assert manifest["name"] == subject
    assert manifest["megabinary"] == {"blake3": blake3(contents[b.WASM]).hexdigest(), "size": len(contents[b.WASM])}
    assert manifest["policy"]["syscalls"]["default"] == "deny"


@pytest.mark.figures
def test_mutants_get_one_verdict_and_none_passes_that_is_not_right() -> None:
    rng = random.Random(SEED)
    codes: Counter[str] = Counter()
    by_family = {name: Counter[str]() for name in FAMILIES}
    started = time.monotonic()
    print(f"\nseed {SEED} (RECOMPILER_SEED), {COUNT} mutants")
    for index in range(COUNT):
        name, mutant = draw(rng)
        code = verdict(mutant.file, mutant.store, mutant.now, name=f"seed {SEED}, mutant {index}, {name}")
        if code == OK:
            assert_truly_valid(mutant)
        codes[code] += 1
        by_family[name][code] += 1
    print(f"{time.monotonic() - started:.0f} s; by code: {dict(codes.most_common())}")
    for name, seen in by_family.items():
        print(f"  {name}: {dict(seen.most_common(8))}")
    missing = [code for code in REACHED if not codes[code]]
    assert missing == []
    assert 0 < codes[OK] < COUNT / 2
