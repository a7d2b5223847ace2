"""The families of instruction forms: importing one fills the table."""

from __future__ import annotations

import importlib
from typing import Final

FAMILIES: Final = (
    *("move", "alu", "shift", "muldiv", "bit", "string", "system", "atomic"),
    *("sse_move", "sse_int", "sse_shuffle", "sse_float", "sse_convert", "sse_state"),
    *("x87_move", "x87_arith", "x87_state", "mmx"),
)


def load() -> None:
    """Imports every family."""
    for name in FAMILIES:
        importlib.import_module(f"recompiler.lift.forms.{name}")
