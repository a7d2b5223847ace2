"""The fields of manifest and key store are the same in both readers and on the page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.testbed import ROOT

FILES = pytest.mark.parametrize(
    ("c_file", "python_file"), [("manifest.c", "manifest.py"), ("keys.c", "keystore.py")], ids=["manifest", "key store"]
)


def fields_of_c(name: str) -> set[str]:
    """The first words of the rows of every struct rc_field table."""
    return set(re.findall(r'^ +\{"(\w+)", &', (ROOT / "csrc" / "format" / name).read_text(), re.M))


def schemas(tree: ast.Module) -> Iterator[ast.Dict]:
    """The dictionaries at the top of a module that hold schemas of fields, those inside calls included."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            yield from (node for node in ast.walk(statement.value) if isinstance(node, ast.Dict))


def fields_of_python(name: str) -> set[str]:
    tree = ast.parse((ROOT / "tools" / "recompiler" / "format" / name).read_text())
    kinds = {"script", "polyfill"}  # words of `kind`, which choose the fields of an entry
    keys = (key.value for found in schemas(tree) for key in found.keys if isinstance(key, ast.Constant))
    return {key for key in keys if isinstance(key, str)} - kinds


@FILES
def test_both_readers_know_the_same_fields(c_file: str, python_file: str) -> None:
    assert len(fields_of_c(c_file)) > 10
    assert fields_of_c(c_file) == fields_of_python(python_file)


@FILES
def test_the_page_has_every_field(c_file: str, python_file: str) -> None:
    words = set(re.findall(r"\w+", (ROOT / "docs" / "format.md").read_text()))
    assert fields_of_python(python_file) - words == set()
