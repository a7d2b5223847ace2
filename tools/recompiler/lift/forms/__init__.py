"""Instruction forms: one row per form of the manual, one file per family. A row's text is the manual's own
("ROL r/m32, CL"), so that a search finds form, semantics and page.

A row expands braces: "ADD r/m{8,16,32,64}, r{8,16,32,64}" is four rows: all braces with the same number of items go
together, item by item. An emitter is called once per distinct instruction and set of wanted flags.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from recompiler.lift.asm.assembler import Asm

Emitter = Callable[["Asm"], None]


@dataclass(frozen=True, slots=True)
class Form:
    """One row. keeps: the flags it writes may also stay as they are (a shift by CL, a repeated comparison)."""

    text: str
    emit: Emitter
    page: str  # Intel SDM: volume 2 chapter and heading
    keeps: bool = False


TABLE: Final[dict[str, Form]] = {}
_LOADED: Final[list[bool]] = []  # families may be imported one by one before
_BRACES = re.compile(r"\{([^{}]*)\}")


def expand(text: str) -> list[str]:
    """The rows of a pattern."""
    lists = [found.split("|") if "|" in found else found.split(",") for found in _BRACES.findall(text)]
    if not lists:
        return [text]
    sizes = {len(items) for items in lists}
    assert len(sizes) == 1, text
    rows = []
    for number in range(sizes.pop()):
        row = text
        for items in lists:
            row = _BRACES.sub(items[number], row, count=1)
        rows.append(row)
    return rows


def form(*texts: str, page: str, keeps: bool = False) -> Callable[[Emitter], Emitter]:
    """Registers an emitter for forms."""

    def register(emit: Emitter) -> Emitter:
        for text in texts:
            for row in expand(text):
                assert row not in TABLE, row
                TABLE[row] = Form(row, emit, page, keeps)
        return emit

    return register


def find(text: str) -> Form | None:
    """The form of the manual's text; loads the families when it is first asked."""
    if not _LOADED:
        from recompiler.lift.forms import families

        _LOADED.append(True)
        families.load()
    return TABLE.get(text)
