"""The key store in C: where its file may lie, what may be in it, and in which order it is refused."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recompiler import native
from recompiler.errors import Error
from tests.format import builder

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files to another user")
NOBODY = 65534


def code_of(action: Callable[[], Any]) -> str:
    try:
        action()
    except Error as e:
        return e.code
    return "OK"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A good key store in a directory of its own."""
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o755)
    path = folder / "pubkeys.json"
    path.write_bytes(builder.store())
    path.chmod(0o644)
    return path


def opened(path: Path | str, default_store: bool = False) -> str:
    return code_of(lambda: native.KeyStore.open(path, default_store=default_store))


# ---- the file


def test_a_good_store_is_opened_by_absolute_and_relative_path(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened(store) == "OK"
    monkeypatch.chdir(store.parent)
    for path in (
        "pubkeys.json",
        "./pubkeys.json",
        "../keys/pubkeys.json",
        f"//{store}",
        f"{store.parent}//pubkeys.json",
    ):
        assert opened(path) == "OK", path


def test_what_is_not_there_or_not_a_path_is_refused(store: Path) -> None:
    for path in (store.parent / "none", f"{store}/", f"{store}/x", "", "/", "a" * 300, "a\0b"):
        assert opened(path) == "E_KEYS_OPEN", path


def test_a_symlink_anywhere_on_the_path_is_refused(store: Path, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(store)
    (tmp_path / "dir").symlink_to(store.parent)
    (tmp_path / "loop").symlink_to("loop")
    assert opened(tmp_path / "link.json") == "E_KEYS_OPEN"
    assert opened(tmp_path / "dir" / "pubkeys.json") == "E_KEYS_OPEN"
    assert opened(tmp_path / "loop") == "E_KEYS_OPEN"


def test_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "folder").mkdir()
    assert opened(tmp_path / "fifo") == "E_KEYS_UNSAFE"
    assert opened(tmp_path / "folder") == "E_KEYS_UNSAFE"
    assert opened("/dev/null") == "E_KEYS_UNSAFE"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        assert opened(tmp_path / "socket") == "E_KEYS_OPEN"  # open(2) refuses sockets itself


def test_a_second_name_is_refused(store: Path) -> None:
    os.link(store, store.with_name("second.json"))
    assert opened(store) == "E_KEYS_UNSAFE"


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o602, 0o620])
def test_a_file_that_others_can_write_is_refused(store: Path, mode: int) -> None:
    store.chmod(mode)
    assert opened(store) == "E_KEYS_UNSAFE"


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_a_directory_that_others_can_write_is_refused_at_any_height(store: Path, tmp_path: Path, mode: int) -> None:
    store.parent.chmod(mode)
    assert opened(store) == "E_KEYS_UNSAFE"
    store.parent.chmod(0o755)
    tmp_path.chmod(mode)
    assert opened(store) == "E_KEYS_UNSAFE"
    tmp_path.chmod(0o700)
    assert opened(store) == "OK"


@needs_root
def test_a_sticky_directory_of_root_s_is_accepted_and_one_of_another_s_is_not(store: Path) -> None:
    store.parent.chmod(0o1777)
    assert opened(store) == "OK"
    os.chown(store.parent, NOBODY, NOBODY)
    assert opened(store) == "E_KEYS_UNSAFE"


@needs_root
def test_another_owner_of_the_file_or_of_a_directory_is_refused(store: Path, tmp_path: Path) -> None:
    os.chown(store, NOBODY, NOBODY)
    assert opened(store) == "E_KEYS_UNSAFE"
    os.chown(store, 0, 0)
    os.chown(tmp_path, NOBODY, NOBODY)
    assert opened(store) == "E_KEYS_UNSAFE"


def test_more_than_64_kib_is_refused_and_64_kib_is_not(store: Path) -> None:
    text = builder.store()
    store.write_bytes(text.ljust(65536, b" "))
    assert opened(store) == "OK"
    store.write_bytes(text.ljust(65537, b" "))
    assert opened(store) == "E_KEYS_TOO_LARGE"
    assert code_of(lambda: native.KeyStore.parse(text.ljust(65537, b" "))) == "E_KEYS_TOO_LARGE"


# ---- the text


def row(number: int = 0, **fields: Any) -> dict[str, Any]:
    return builder.key_row(builder.key(number), number, **fields)


def document(**fields: Any) -> bytes:
    return builder.store(**fields)


def torsion_point() -> str:
    """The order-2 point: y = -1."""
    return ((1 << 255) - 20).to_bytes(32, "little").hex()


TEXTS: dict[str, tuple[bytes, str]] = {
    "as it should be": (document(), "OK"),
    "64 keys": (document(rows=[row(i) for i in range(64)]), "OK"),
    "256 minimum rows": (
        document(rows=[row()], minimum=[{"subject": f"demo/{i}", "security_version": i} for i in range(256)]),
        "OK",
    ),
    "16 patterns": (document(rows=[row(subjects=["a/*"] * 16)]), "OK"),
    "empty": (b"", "E_KEYS_SYNTAX"),
    "{}": (b"{}", "E_KEYS_SCHEMA"),
    "cut off": (document()[:-1], "E_KEYS_SYNTAX"),
    "a BOM": (b"\xef\xbb\xbf" + document(), "E_KEYS_SYNTAX"),
    "not ASCII": (document(rows=[row(label="é")]).replace(b"\\u00e9", "é".encode()), "E_KEYS_SYNTAX"),
    "an escape": (document(rows=[row(label="é")]), "E_KEYS_SYNTAX"),
    "DEL": (document(rows=[row(label="a\x7f")]), "E_KEYS_SYNTAX"),
    "a float": (document(version=1.5), "E_KEYS_SYNTAX"),
    "2^53": (document(version=1 << 53), "E_KEYS_SYNTAX"),
    "depth 5": (document(rows=[row(subjects=[["a"]])]), "E_KEYS_SYNTAX"),
    "a repeated key": (document().replace(b'"version"', b'"threshold"'), "E_KEYS_SYNTAX"),
    "5,000 keys, one repeated": (
        b"{" + b",".join(b'"%d":0' % i for i in [*range(5000), 77]) + b"}",
        "E_KEYS_SYNTAX",
    ),
    "5,000 unknown keys": (b"{" + b",".join(b'"%d":0' % i for i in range(5000)) + b"}", "E_KEYS_SCHEMA"),
    "an unknown field": (document(extra=1), "E_KEYS_SCHEMA"),
    "an unknown field of a key": (document(rows=[row(extra=1)]), "E_KEYS_SCHEMA"),
    "a field of another object": (document(rows=[row(threshold=1)]), "E_KEYS_SCHEMA"),
    "a negative version": (document(version=-1), "E_KEYS_SCHEMA"),
    "a negative threshold": (document(threshold=-1), "E_KEYS_SCHEMA"),
    "a string for a number": (document(threshold="1"), "E_KEYS_SCHEMA"),
    "true for a number": (document(threshold=True), "E_KEYS_SCHEMA"),
    "an array for an object": (document(rows=[[]]), "E_KEYS_SCHEMA"),
    "an object for an array": (document(keys={}), "E_KEYS_SCHEMA"),
    "another schema": (document(schema="recompiler/pubkeys/v2"), "E_KEYS_SCHEMA"),
    "another algorithm": (document(rows=[row(alg="ed448")]), "E_KEYS_SCHEMA"),
    "65 keys": (document(rows=[row(i) for i in range(65)]), "E_KEYS_SCHEMA"),
    "257 minimum rows": (
        document(minimum=[{"subject": f"demo/{i}", "security_version": i} for i in range(257)]),
        "E_KEYS_SCHEMA",
    ),
    "the same minimum twice": (
        document(minimum=[{"subject": "a", "security_version": i} for i in (1, 2)]),
        "E_KEYS_SCHEMA",
    ),
    "no role": (document(roles=[]), "E_KEYS_SCHEMA"),
    "a role twice": (document(roles=["dev", "release", "dev"]), "E_KEYS_SCHEMA"),
    "an unknown role": (document(roles=["root"]), "E_KEYS_SCHEMA"),
    "four roles": (document(roles=["dev", "release", "recovery", "dev"]), "E_KEYS_SCHEMA"),
    "an empty label": (document(rows=[row(label="")]), "E_KEYS_SCHEMA"),
    "a label of 65": (document(rows=[row(label="a" * 65)]), "E_KEYS_SCHEMA"),
    "a label with a space": (document(rows=[row(label="a b")]), "E_KEYS_SCHEMA"),
    "an unknown status": (document(rows=[row(status="lost")]), "E_KEYS_SCHEMA"),
    "not_before = not_after": (document(rows=[row(not_before=5, not_after=5)]), "E_KEYS_SCHEMA"),
    "capital hex": (document(rows=[row(pub="AB" * 32)]), "E_KEYS_SCHEMA"),
    "hex of 63": (document(rows=[row(pub="a" * 63)]), "E_KEYS_SCHEMA"),
    "hex of 65": (document(rows=[row(id="a" * 65)]), "E_KEYS_SCHEMA"),
    "no pattern": (document(rows=[row(subjects=[])]), "E_KEYS_SCHEMA"),
    "17 patterns": (document(rows=[row(subjects=["*"] * 17)]), "E_KEYS_SCHEMA"),
    "the pattern /*": (document(rows=[row(subjects=["/*"])]), "E_KEYS_SCHEMA"),
    "the pattern a*": (document(rows=[row(subjects=["a*"])]), "E_KEYS_SCHEMA"),
    "a pattern in the middle": (document(rows=[row(subjects=["a/*/b"])]), "E_KEYS_SCHEMA"),
    "no keys": (document(rows=[]), "E_KEYS_EMPTY"),
    "only revoked keys": (document(rows=[row(0, status="revoked"), row(1, status="revoked")]), "E_KEYS_EMPTY"),
    "a small-order key": (document(rows=[row(pub=torsion_point())]), "E_KEYS_POINT"),
    "not a point": (document(rows=[row(pub="02" + "00" * 31)]), "E_KEYS_POINT"),
    "the identity": (document(rows=[row(pub="01" + "00" * 31)]), "E_KEYS_POINT"),
    "another key's id": (document(rows=[row(0, id=row(1)["id"])]), "E_KEYS_ID"),
    "the same key twice": (document(rows=[row(0), row(1), row(0, label="other")]), "E_KEYS_DUPLICATE"),
    "a bad point behind a duplicate": (document(rows=[row(0), row(0), row(pub=torsion_point())]), "E_KEYS_DUPLICATE"),
    "threshold 0": (document(threshold=0), "E_KEYS_THRESHOLD"),
    "threshold 2 of 1": (document(threshold=2), "E_KEYS_THRESHOLD"),
    "threshold 2 of 2, one revoked": (
        document(rows=[row(0), row(1, status="revoked")], threshold=2),
        "E_KEYS_THRESHOLD",
    ),
    "threshold 2 of 2, one retired": (document(rows=[row(0), row(1, status="retired")], threshold=2), "OK"),
    "a bad value behind an empty key list": (document(rows=[], threshold="x"), "E_KEYS_SCHEMA"),
}


@pytest.mark.parametrize(("text", "code"), TEXTS.values(), ids=TEXTS.keys())
def test_the_text_of_a_store_has_this_verdict(text: bytes, code: str) -> None:
    assert code_of(lambda: native.KeyStore.parse(text)) == code


@pytest.mark.parametrize("field", json.loads(document()).keys())
def test_every_field_of_a_store_is_required(field: str) -> None:
    assert code_of(lambda: native.KeyStore.parse(document(**{field: None}))) == "E_KEYS_SCHEMA"


@pytest.mark.parametrize("field", row().keys())
def test_every_field_of_a_key_is_required(field: str) -> None:
    assert code_of(lambda: native.KeyStore.parse(document(rows=[row(**{field: None})]))) == "E_KEYS_SCHEMA"


def test_the_default_store_does_not_accept_development_keys(store: Path) -> None:
    text = document(rows=[row(role="dev")], roles=["release", "dev"])
    assert code_of(lambda: native.KeyStore.parse(text)) == "OK"
    assert code_of(lambda: native.KeyStore.parse(text, default_store=True)) == "E_KEYS_ROLE"
    store.write_bytes(text)
    assert opened(store, default_store=True) == "E_KEYS_ROLE"
    # A dev key in a store that does not accept the role is not what the check is about.
    assert code_of(lambda: native.KeyStore.parse(document(rows=[row(role="dev")]), default_store=True)) == "OK"
