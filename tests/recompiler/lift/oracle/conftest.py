"""The process that runs instructions on this CPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.recompiler.lift.oracle.check import Cpu, build


@pytest.fixture(scope="session")
def cpu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cpu]:
    cpu = Cpu(build(tmp_path_factory.mktemp("oracle")))
    yield cpu
    cpu.close()
