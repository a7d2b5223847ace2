"""In: key stores wrong in one named way, as bytes. Out: the E_KEYS_* code of each, from both readers.

What a store may be as a file (symlinks, modes, owners) is in test_refusals_files.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.format import builder as b
from tests.format.builder import key, key_row, small, store, store_document
from tests.format.verdicts import OK, store_verdict, verdict

GOOD = store()


def swapped(old: bytes, new: bytes) -> bytes:
    """The store with one piece of its text replaced."""
    assert GOOD.count(old) >= 1
    return GOOD.replace(old, new, 1)


def without(name: str) -> bytes:
    return store(**{name: None})


def row(**fields: Any) -> bytes:
    """A store of one key with these fields; None leaves one out."""
    return store([key_row(key(0), 0, **fields)])


def padded(size: int) -> bytes:
    return GOOD + b" " * (size - len(GOOD))


PUB = key(0).public.hex().encode()

TEXT: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "E_KEYS_SYNTAX"),
    "white space": (b" \n", "E_KEYS_SYNTAX"),
    "null": (b"null", "E_KEYS_SYNTAX"),
    "an array": (b"[]", "E_KEYS_SYNTAX"),
    "a string": (b'"keys"', "E_KEYS_SYNTAX"),
    "cut": (GOOD[:-1], "E_KEYS_SYNTAX"),
    "cut in the middle": (GOOD[: len(GOOD) // 2], "E_KEYS_SYNTAX"),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, "E_KEYS_SYNTAX"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "E_KEYS_SYNTAX"),
    "UTF-16 without a mark": (GOOD.decode().encode("utf-16-le"), "E_KEYS_SYNTAX"),
    "a NUL at the end": (GOOD + b"\0", "E_KEYS_SYNTAX"),
    "a NUL inside": (swapped(b"test-0", b"test\0"), "E_KEYS_SYNTAX"),
    "a second value": (GOOD + b"{}", "E_KEYS_SYNTAX"),
    "a key twice": (swapped(b'"threshold"', b'"threshold": 0, "threshold"'), "E_KEYS_SYNTAX"),
    "a key of a row twice": (swapped(b'"status"', b'"status": "revoked", "status"'), "E_KEYS_SYNTAX"),
    "a key twice, once by an escape": (swapped(b'"threshold"', b'"\\u0074hreshold": 0, "threshold"'), "E_KEYS_SYNTAX"),
    "an escape where a plain character would do": (swapped(b"release", b"releas\\u0065"), "E_KEYS_SYNTAX"),
    "an escaped slash": (swapped(b"demo/", b"demo\\/"), "E_KEYS_SYNTAX"),
    "a character above ASCII": (swapped(b"test-0", "té".encode()), "E_KEYS_SYNTAX"),
    "a DEL in a string": (swapped(b"test-0", b"test\x7f"), "E_KEYS_SYNTAX"),
    "a float": (swapped(b'"threshold": 1', b'"threshold": 1.0'), "E_KEYS_SYNTAX"),
    "an exponent": (swapped(b'"threshold": 1', b'"threshold": 1e0'), "E_KEYS_SYNTAX"),
    "1e400": (swapped(b'"threshold": 1', b'"threshold": 1e400'), "E_KEYS_SYNTAX"),
    "NaN": (swapped(b'"threshold": 1', b'"threshold": NaN'), "E_KEYS_SYNTAX"),
    "Infinity": (swapped(b'"threshold": 1', b'"threshold": Infinity'), "E_KEYS_SYNTAX"),
    "minus zero": (swapped(b'"threshold": 1', b'"threshold": -0'), "E_KEYS_SYNTAX"),
    "a leading zero": (swapped(b'"threshold": 1', b'"threshold": 01'), "E_KEYS_SYNTAX"),
    "a plus sign": (swapped(b'"threshold": 1', b'"threshold": +1'), "E_KEYS_SYNTAX"),
    "2^53": (swapped(b"1853000000", b"9007199254740992"), "E_KEYS_SYNTAX"),
    "a number of 5000 digits": (swapped(b"1853000000", b"9" * 5000), "E_KEYS_SYNTAX"),
    "a trailing comma": (swapped(b'"threshold": 1,', b'"threshold": 1,,'), "E_KEYS_SYNTAX"),
    "a comment": (b"// keys\n" + GOOD, "E_KEYS_SYNTAX"),
    "single quotes": (GOOD.replace(b'"', b"'"), "E_KEYS_SYNTAX"),
    "depth 5": (swapped(b'"demo/*"', b"[]"), "E_KEYS_SYNTAX"),
    "depth 30000": (swapped(b'"demo/*"', b"[" * 30000 + b"]" * 30000), "E_KEYS_SYNTAX"),
    "30000 open brackets": (b"[" * 30000, "E_KEYS_SYNTAX"),
    "30000 open objects": (b'{"":' * 15000, "E_KEYS_SYNTAX"),
    "65537 bytes": (padded(65537), "E_KEYS_TOO_LARGE"),
    "65537 bytes of nothing": (bytes(65537), "E_KEYS_TOO_LARGE"),
    "{}": (b"{}", "E_KEYS_SCHEMA"),
    **{f"no {name}": (without(name), "E_KEYS_SCHEMA") for name in store_document()},
    **{f"a key without its {name}": (row(**{name: None}), "E_KEYS_SCHEMA") for name in key_row(key(0))},
    "a minimum without its subject": (store(minimum=[{"security_version": 1}]), "E_KEYS_SCHEMA"),
    "a minimum without its version": (store(minimum=[{"subject": "a"}]), "E_KEYS_SCHEMA"),
    "an unknown field": (store(comment="x"), "E_KEYS_SCHEMA"),
    "an unknown field of a key": (row(comment="x"), "E_KEYS_SCHEMA"),
    "an unknown field of a minimum": (
        store(minimum=[{"subject": "a", "security_version": 1, "x": 1}]),
        "E_KEYS_SCHEMA",
    ),
    "a field in capitals": (swapped(b'"threshold"', b'"Threshold"'), "E_KEYS_SCHEMA"),
    "another schema": (store(schema="recompiler/pubkeys/v2"), "E_KEYS_SCHEMA"),
    "the manifest's schema": (store(schema="recompiler/manifest/v1"), "E_KEYS_SCHEMA"),
    "a version that is a string": (store(version="7"), "E_KEYS_SCHEMA"),
    "a negative version": (store(version=-1), "E_KEYS_SCHEMA"),
    "a threshold that is true": (store(threshold=True), "E_KEYS_SCHEMA"),
    "a negative threshold": (store(threshold=-1), "E_KEYS_SCHEMA"),
    "no roles": (store(roles=[]), "E_KEYS_SCHEMA"),
    "an unknown role": (store(roles=["root"]), "E_KEYS_SCHEMA"),
    "a role twice": (store(roles=["release", "release"]), "E_KEYS_SCHEMA"),
    "roles that are a string": (store(roles="release"), "E_KEYS_SCHEMA"),
    "keys that are an object": (json.dumps(store_document() | {"keys": {}}).encode(), "E_KEYS_SCHEMA"),
    "65 keys": (store([key_row(key(0), n) for n in range(65)]), "E_KEYS_SCHEMA"),
    "a key that is a string": (json.dumps(store_document() | {"keys": ["x"]}).encode(), "E_KEYS_SCHEMA"),
    "another algorithm": (row(alg="Ed25519"), "E_KEYS_SCHEMA"),
    "an id in capitals": (row(id=key(0).id.hex().upper()), "E_KEYS_SCHEMA"),
    "an id of 63 digits": (row(id=key(0).id.hex()[:-1]), "E_KEYS_SCHEMA"),
    "a key of 66 digits": (row(pub=key(0).public.hex() + "00"), "E_KEYS_SCHEMA"),
    "a key with a letter that is no digit": (row(pub="g" + key(0).public.hex()[1:]), "E_KEYS_SCHEMA"),
    "a key with a space for a digit": (row(pub=" " + key(0).public.hex()[1:]), "E_KEYS_SCHEMA"),
    "a key in base64": (row(pub="p" * 43 + "="), "E_KEYS_SCHEMA"),
    "an empty label": (row(label=""), "E_KEYS_SCHEMA"),
    "a label of 65 characters": (row(label="a" * 65), "E_KEYS_SCHEMA"),
    "a label with a space": (row(label="a b"), "E_KEYS_SCHEMA"),
    "an unknown status": (row(status="disabled"), "E_KEYS_SCHEMA"),
    "not_before = not_after": (row(not_before=5, not_after=5), "E_KEYS_SCHEMA"),
    "not_before after not_after": (row(not_before=6, not_after=5), "E_KEYS_SCHEMA"),
    "a negative not_before": (row(not_before=-1), "E_KEYS_SCHEMA"),
    "no subjects": (row(subjects=[]), "E_KEYS_SCHEMA"),
    "17 subjects": (row(subjects=["*"] * 17), "E_KEYS_SCHEMA"),
    **{
        f"the pattern {pattern!r}": (row(subjects=[pattern]), "E_KEYS_SCHEMA")
        for pattern in (
            "",
            "/*",
            "**",
            "*/*",
            "demo*",
            "demo/**",
            "de*mo/x",
            "a//b/*",
            "../*",
            "Demo/*",
            "demo/*/x",
            "a" * 64,
        )
    },
    "257 minimums": (store(minimum=[{"subject": f"s{n}", "security_version": 1} for n in range(257)]), "E_KEYS_SCHEMA"),
    "a subject twice in minimum": (
        store(minimum=[{"subject": "a", "security_version": n} for n in (1, 2)]),
        "E_KEYS_SCHEMA",
    ),
    "a pattern in minimum": (store(minimum=[{"subject": "demo/*", "security_version": 1}]), "E_KEYS_SCHEMA"),
    "a negative minimum": (store(minimum=[{"subject": "a", "security_version": -1}]), "E_KEYS_SCHEMA"),
    "no keys": (store([]), "E_KEYS_EMPTY"),
    "one revoked key": (row(status="revoked"), "E_KEYS_EMPTY"),
    "two revoked keys": (store([key_row(key(n), n, status="revoked") for n in range(2)]), "E_KEYS_EMPTY"),
    "a small-order point": (store([key_row(bytes(32))]), "E_KEYS_POINT"),
    "a small-order point of a revoked key": (
        store([key_row(key(0)), key_row(bytes(32), 1, status="revoked")]),
        "E_KEYS_POINT",
    ),
    "a point that is none": (store([key_row(b"\x02" + bytes(31))]), "E_KEYS_POINT"),
    "an id of another key": (row(id=key(1).id.hex()), "E_KEYS_ID"),
    "an id that is the key": (row(id=key(0).public.hex()), "E_KEYS_ID"),
    "a wrong id of a revoked key": (
        store([key_row(key(0)), key_row(key(1), 1, status="revoked", id="0" * 64)]),
        "E_KEYS_ID",
    ),
    "the same key twice": (store([key_row(key(0), 0), key_row(key(0), 1)]), "E_KEYS_DUPLICATE"),
    "the same key twice, once revoked": (
        store([key_row(key(0), 0), key_row(key(0), 1, status="revoked")]),
        "E_KEYS_DUPLICATE",
    ),
    "a wrong id before a wrong point": (store([key_row(key(0), id="0" * 64), key_row(bytes(32), 1)]), "E_KEYS_ID"),
    "a wrong point with a wrong id": (store([key_row(bytes(32), id="0" * 64)]), "E_KEYS_POINT"),
    "threshold 0": (store(threshold=0), "E_KEYS_THRESHOLD"),
    "threshold 2 of one key": (store(threshold=2), "E_KEYS_THRESHOLD"),
    "threshold 2 of two keys, one revoked": (
        store([key_row(key(0)), key_row(key(1), 1, status="revoked")], threshold=2),
        "E_KEYS_THRESHOLD",
    ),
    "threshold 2^53 - 1": (store(threshold=2**53 - 1), "E_KEYS_THRESHOLD"),
}


@pytest.mark.parametrize(("text", "code"), TEXT.values(), ids=TEXT.keys())
def test_store_is_refused(text: bytes, code: str) -> None:
    assert verdict(small(), text) == code


ACCEPTED: dict[str, Callable[[], bytes]] = {
    "as it stands": lambda: GOOD,
    "65536 bytes": lambda: padded(65536),
    "white space everywhere": lambda: json.dumps(store_document(), indent=1).replace("\n", "\r\n\t").encode(),
    "64 keys": lambda: store([key_row(key(n), n) for n in range(64)]),
    "256 minimums": lambda: store(minimum=[{"subject": f"s{n}", "security_version": 1} for n in range(256)]),
    "16 patterns": lambda: row(subjects=["demo/*"] * 16),
    "numbers of 2^53 - 1": lambda: row(not_after=2**53 - 1),
    "version 0": lambda: store(version=0),
    "all roles": lambda: store(roles=["dev", "release", "recovery"]),
    "a label of 64 characters": lambda: row(label="aZ0._-" + "b" * 58),
    "a retired key": lambda: row(status="retired"),
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_the_last_right_store_beside_the_wrong_one_is_accepted(text: Callable[[], bytes]) -> None:
    assert verdict(small(), text()) == OK


def test_every_cut_of_a_store_is_refused() -> None:
    for length in range(len(GOOD)):
        assert store_verdict(GOOD[:length]) == "E_KEYS_SYNTAX", f"{length} bytes"


def test_the_default_store_may_not_accept_the_role_dev() -> None:
    for roles in (["dev"], ["release", "dev"]):
        assert store_verdict(store(roles=roles), default_store=True) == "E_KEYS_ROLE"
        assert store_verdict(store(roles=roles), default_store=False) == OK
    assert store_verdict(GOOD, default_store=True) == OK


def test_a_missing_store_refuses_the_file() -> None:
    assert verdict(small(), None) == "E_KEYS_OPEN"


def test_a_store_is_not_looked_at_before_the_file_is_well_formed() -> None:
    assert verdict(small()[:-1], b"") != "E_KEYS_SYNTAX"
    assert verdict(b.executable().pack(), b"") == "E_UNSIGNED"
