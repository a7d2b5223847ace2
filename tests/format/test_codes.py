"""In: csrc/base/codes.h and recompiler.errors. Out: one table of codes in both languages, each code explained."""

from __future__ import annotations

import re

import pytest
from recompiler._native import ffi, lib

from recompiler import native
from recompiler.errors import CODES, Error
from tests.testbed import ROOT


def table_of_the_header() -> dict[str, int]:
    text = re.sub(r"/\*.*?\*/", "", (ROOT / "csrc" / "base" / "codes.h").read_text(), flags=re.S)
    return {name: int(code) for name, code in re.findall(r"X\((E_[A-Z0-9_]+), (\d+)\)", text)}


def test_the_two_tables_are_equal_in_order_names_and_exit_codes() -> None:
    assert list(table_of_the_header().items()) == list(CODES.items())


def test_the_compiled_table_is_that_of_the_header() -> None:
    assert native.codes() == table_of_the_header()


@pytest.mark.parametrize("number", [-1, 0x7FFFFFFF, -0x80000000])
def test_a_number_outside_the_table_is_an_internal_error(number: int) -> None:
    assert ffi.string(lib.rc_code_name(number)) == b"E_INTERNAL"
    assert lib.rc_code_exit(number) == CODES["E_INTERNAL"]


def test_no_error_has_exit_code_0() -> None:
    assert 0 not in CODES.values()


def test_every_code_of_the_page_is_in_the_table() -> None:
    text = (ROOT / "docs" / "format.md").read_text()
    named = set(re.findall(r"\bE_[A-Z0-9]+(?:_[A-Z0-9]+)*\b(?!_?\*)", text))
    assert named - set(CODES) == set()


def test_an_error_of_an_unknown_code_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="E_NONSENSE"):
        Error("E_NONSENSE", "no such code")
