"""Guests of the loader's tests: WAT in, a signed program out, each made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from tests.loader.signed_stub import IMPORTS, MEMORY, STUBS, write_program


@pytest.fixture(scope="session", autouse=True)
def _stubs() -> None:
    if not STUBS.is_dir():
        pytest.skip("the stubs are not built: make build")


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """guest(functions, memory=MEMORY, **options of write_program): the signed program of this module."""
    made: dict[tuple[object, ...], Path] = {}

    def make(functions: str, memory: str = MEMORY, **options: int) -> Path:
        key = (functions, memory, *options.items())
        if key not in made:
            module = wat2wasm(f"(module {IMPORTS} {memory} {functions})")
            made[key] = write_program(tmp_path_factory.mktemp("guest"), bytes(module), **options)
        return made[key]

    return make


@pytest.fixture(scope="session")
def hello(guest: Callable[..., Path]) -> Path:
    """Writes "hello\\n" to fd 1 and exits with 7."""
    return guest(
        """(data (i32.const 16) "hello\\n") (data (i32.const 0) "\\10\\00\\00\\00\\06\\00\\00\\00")
        (func (export "_start")
          (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
          (call $exit (i32.const 7)))"""
    )
