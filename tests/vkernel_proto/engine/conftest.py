"""One serving vkernel for the tests that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bundles import TestBundle
from tests.vkernel_proto.engine.serving import Running, serving


@pytest.fixture(scope="module")
def running(bundle: TestBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A vkernel of `bundle` with the containers one and two."""
    with serving(bundle, tmp_path_factory.mktemp("run"), "one", "two", handshake_timeout=2.0) as running:
        yield running
