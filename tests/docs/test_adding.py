"""docs/adding.md names tests and files that are there."""

from __future__ import annotations

import re

import pytest

from tests.testbed import ROOT

PAGE = (ROOT / "docs" / "adding.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)))


def test_the_page_names_tests() -> None:
    assert len(NAMED) > 15
    assert len(NAMED) == len(set(re.findall(r"::(test_\w+)", PAGE))), "each with its whole path"


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_named_test_is_there(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / file).read_text()


def test_every_named_file_or_folder_is_there() -> None:
    paths = re.findall(r"`((?:csrc|tools|vkernel_proto|tests|docs)/[\w./]*)`", PAGE)
    assert len(paths) > 15
    assert [path for path in paths if "NAME" not in path and not (ROOT / path).exists()] == []
