"""In: two readers, one of them wrong on purpose. Out: E_DISAGREE, never an acceptance."""

from __future__ import annotations

from pathlib import Path

import pytest

from recompiler import native
from recompiler.both import verify_both
from recompiler.errors import Error
from recompiler.format import verify
from recompiler.format.keystore import KeyStore
from tests.format import builder as b

STORE = KeyStore.parse(b.small_store())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b.small())
    return path


def both(file: Path) -> verify.Verified:
    return verify_both(file, STORE, now=b.NOW, load=True)


def test_both_readers_accept_a_good_file(file: Path) -> None:
    found = both(file)
    assert found.wasm == b.wasm()
    assert [(key.label, key.result) for key in found.keys] == [("test-0", "good")]


def test_a_common_refusal_is_the_verdict(file: Path) -> None:
    file.write_bytes(b.small()[:-1])
    with pytest.raises(Error, match="E_NO_TRAILER"):
        both(file)


def test_a_missing_store_is_a_verdict_of_stage_5(file: Path, tmp_path: Path) -> None:
    with pytest.raises(Error, match="E_KEYS_OPEN"):
        verify_both(file, tmp_path / "none", now=b.NOW)
    file.write_bytes(b.small()[:-1])
    with pytest.raises(Error, match="E_NO_TRAILER"):
        verify_both(file, tmp_path / "none", now=b.NOW)


def test_a_c_reader_that_accepts_more_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = native.verify_bytes(b.small(), native.KeyStore.parse(b.small_store()), now=b.NOW)
    monkeypatch.setattr(native, "verify_fd", lambda *_, **__: accepted)
    file.write_bytes(b.small()[:-1])
    with pytest.raises(Error, match="E_DISAGREE: Python reader: E_NO_TRAILER, C reader: accepted"):
        both(file)


def test_a_c_reader_that_refuses_more_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Error("E_DIGEST", "wrong")

    monkeypatch.setattr(native, "verify_fd", refuse)
    with pytest.raises(Error, match="E_DISAGREE: Python reader: accepted, C reader: E_DIGEST"):
        both(file)


def test_a_c_reader_that_dies_is_no_acceptance(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "verify_fd", lambda *_, **__: 1 // 0)
    with pytest.raises(Error, match="E_DISAGREE"):
        both(file)


def test_a_file_that_changes_is_no_disagreement(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(*_: object, **__: object) -> None:
        raise Error("E_CHANGED", "the file changed")

    monkeypatch.setattr(native, "verify_fd", changed)
    with pytest.raises(Error, match="E_CHANGED"):
        both(file)


def test_the_stubs_extent_is_the_python_readers_to_check(file: Path) -> None:
    file.write_bytes(b.executable(stub=b.elf() + bytes(16)).signed())
    with pytest.raises(Error, match="E_STUB_EXTENT"):
        both(file)


def test_load_hands_out_exactly_the_bytes_that_were_checked(file: Path) -> None:
    assert verify.verify_path(file, STORE, now=b.NOW).wasm is None
    assert verify.verify_path(file, STORE, now=b.NOW, load=True).wasm == b.wasm()
