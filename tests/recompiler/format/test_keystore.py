"""In: key stores and the places they lie in. Out: the store, or the code of the table in docs/format.md."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from recompiler.errors import Error
from recompiler.format import ed25519, keystore
from recompiler.format.keyid import key_id
from recompiler.format.keystore import KeyStore
from tests.format import builder as b


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Path:
    path = folder / "pubkeys.json"
    path.write_bytes(b.store())
    path.chmod(0o644)
    return path


def refusal(path: Path | str) -> str:
    with pytest.raises(Error) as caught:
        KeyStore.open(path)
    return caught.value.code


def test_a_store_is_read_into_keys_by_id(store: Path) -> None:
    found = KeyStore.open(store)
    assert (found.version, found.threshold, found.roles) == (7, 1, ("release",))
    assert found.by_id[b.key(0).id].public == b.key(0).public
    assert found.minimum == {"demo/hello": 1}
    assert found.raw == store.read_bytes()


def test_a_relative_path_is_walked_from_here(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.parent)
    assert KeyStore.open("./pubkeys.json").raw == store.read_bytes()
    assert KeyStore.open(f"../{store.parent.name}//pubkeys.json").raw == store.read_bytes()


def test_paths_that_name_no_file_are_refused(folder: Path) -> None:
    for path in ("", "/", ".", f"{folder}/", f"{folder}/none", f"{folder}/none/x", "a\0b"):
        assert refusal(path) == "E_KEYS_OPEN", path


def test_a_symlink_is_refused_as_the_file_and_as_a_directory(store: Path, folder: Path) -> None:
    (folder / "link.json").symlink_to(store)
    (folder / "up").symlink_to(folder)
    assert refusal(folder / "link.json") == "E_KEYS_OPEN"
    assert refusal(folder / "up" / "pubkeys.json") == "E_KEYS_OPEN"


def test_what_is_not_a_regular_file_is_refused_without_waiting(folder: Path) -> None:
    os.mkfifo(folder / "fifo", 0o600)
    (folder / "directory").mkdir(0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
    assert refusal(folder / "fifo") == "E_KEYS_UNSAFE"
    assert refusal(folder / "directory") == "E_KEYS_UNSAFE"
    assert refusal(folder / "socket") == "E_KEYS_OPEN"  # open(2) gives ENXIO
    assert refusal("/dev/null") == "E_KEYS_UNSAFE"


def test_a_hard_link_is_refused(store: Path, folder: Path) -> None:
    (folder / "other").hardlink_to(store)
    assert refusal(store) == "E_KEYS_UNSAFE"


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o602])
def test_a_file_that_others_can_write_is_refused(store: Path, mode: int) -> None:
    store.chmod(mode)
    assert refusal(store) == "E_KEYS_UNSAFE"


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_directory_that_others_can_write_is_refused(folder: Path, mode: int) -> None:
    outer = folder / "outer"
    (outer / "inner").mkdir(parents=True)
    path = outer / "inner" / "pubkeys.json"
    path.write_bytes(b.store())
    for each, bits in ((outer, 0o755), (outer / "inner", 0o755), (path, 0o644)):
        each.chmod(bits)
    assert KeyStore.open(path)
    outer.chmod(mode)
    assert refusal(path) == "E_KEYS_UNSAFE"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_a_file_or_directory_of_somebody_else_is_refused(store: Path) -> None:
    os.chown(store, 12345, 12345)
    assert refusal(store) == "E_KEYS_UNSAFE"
    os.chown(store, 0, 0)
    os.chown(store.parent, 12345, 12345)
    assert refusal(store) == "E_KEYS_UNSAFE"


def test_size_is_judged_before_syntax(store: Path) -> None:
    store.write_bytes(b.store().ljust(65536))
    assert KeyStore.open(store)
    store.write_bytes(b"x" * 65537)
    assert refusal(store) == "E_KEYS_TOO_LARGE"


def test_a_store_that_changes_while_it_is_read_is_refused(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = os.read

    def read_then_touch(fd: int, size: int) -> bytes:
        data = read(fd, size)
        os.utime(store, ns=(1, 1))
        return data

    monkeypatch.setattr(keystore.os, "read", read_then_touch)
    assert refusal(store) == "E_KEYS_CHANGED"


def test_the_default_store_must_not_accept_the_role_dev() -> None:
    data = b.store([b.key_row(b.key(0), role="dev")], roles=["dev"])
    assert KeyStore.parse(data).roles == ("dev",)
    with pytest.raises(Error, match="E_KEYS_ROLE"):
        KeyStore.parse(data, default_store=True)


@pytest.mark.parametrize(
    ("pattern", "subject", "matches"),
    [
        ("*", "demo/hello", True),
        ("demo/hello", "demo/hello", True),
        ("demo/hello", "demo/hello2", False),
        ("demo/*", "demo/hello", True),
        ("demo/*", "demo/a/b", True),
        ("demo/*", "demo", False),
        ("demo/*", "demonic/hello", False),
    ],
)
def test_a_subject_pattern_matches_whole_components(pattern: str, subject: str, matches: bool) -> None:
    (key,) = KeyStore.parse(b.store([b.key_row(b.key(0), subjects=[pattern])])).keys
    assert key.matches(subject) is matches


def test_a_written_store_is_canonical_and_reads_back() -> None:
    public = ed25519.public_of(bytes(range(32)))
    rows = [(public, "a")]
    data = keystore.dumps(rows, role="dev", not_before=1, not_after=2, subjects=["demo/*"])
    assert data == keystore.dumps(rows, role="dev", not_before=1, not_after=2, subjects=["demo/*"])
    assert KeyStore.parse(data).keys[0].id == key_id(public)
    assert data.endswith(b"}\n")
    assert list(json.loads(data)) == sorted(json.loads(data))
    with pytest.raises(Error, match="E_KEYS_DUPLICATE"):
        keystore.dumps(rows * 2, role="dev", not_before=1, not_after=2, subjects=["*"])
