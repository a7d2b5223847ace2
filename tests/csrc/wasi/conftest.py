"""What the tests of WASI share: the harness as a library, and guests that are freed."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.csrc.wasi.wasi_guest import Guest, NewGuest, build


@pytest.fixture(scope="session")
def wasi_library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build(tmp_path_factory.mktemp("wasi"))


@pytest.fixture
def new_guest(wasi_library: ctypes.CDLL, tmp_path: Path) -> Iterator[NewGuest]:
    guests: list[Guest] = []
    (tmp_path / "root").mkdir()

    def make(**options: object) -> Guest:
        guests.append(Guest(wasi_library, tmp_path / "root", **options))  # type: ignore[arg-type]
        return guests[-1]

    yield make
    for guest in guests:
        guest.close()


@pytest.fixture
def guest(new_guest: NewGuest) -> Guest:
    return new_guest()
