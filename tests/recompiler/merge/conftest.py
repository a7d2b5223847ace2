"""The programs of tests/recompiler/merge/programs, compiled once per session."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recompiler import cc
from recompiler.merge.merger import Merged, merge

SOURCES = sorted((Path(__file__).parent / "programs").glob("*.c"))


@pytest.fixture(scope="session")
def program_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The compiled programs, two at a time."""
    folder = tmp_path_factory.mktemp("programs")
    outputs = [folder / f"{source.stem}.wasm" for source in SOURCES]
    arguments = [
        [str(source), "-Wall", "-Wextra", "-o", str(out)] for source, out in zip(SOURCES, outputs, strict=True)
    ]
    with ThreadPoolExecutor(2) as pool:
        assert not any(pool.map(cc.compile_c, arguments))
    return outputs


@pytest.fixture(scope="session")
def programs(program_files: list[Path]) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in program_files}


@pytest.fixture(scope="session")
def merged(programs: dict[str, bytes]) -> Merged:
    return merge(list(programs.items()))
