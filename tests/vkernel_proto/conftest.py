"""What the tests of a listening vkernel share: one that serves, with a verifier that lets the fake stub in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vkernel_proto.stub.fake_stub import Served, serving


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as vkernel:
        yield vkernel
