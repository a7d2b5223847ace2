"""In: a wasm file of an image. Out: nothing when it can be a program of a bundle, else an Error that says why not."""

from __future__ import annotations

from typing import Final

from recompiler import aot
from recompiler.errors import Error
from recompiler.format import wasm
from recompiler.pipeline import inert
from recompiler.wasm import reader
from recompiler.wasm.model import FUNC, I32, I64, FuncType

_LETTERS: Final = {"i": I32, "I": I64}


def judge(data: bytes) -> None:
    """Checks that the engine will run it whatever else is in the bundle: one wrong import would stop all of them.

    Raises Error: E_WASM_*.
    """
    if inert.is_inert(data):
        raise Error("E_WASM_INVALID", "an inert original: its code is in another bundle")
    wasm.check(data)
    aot.validate(data)
    module = reader.read(data)
    start = module.exported(b"_start", FUNC)
    if start is None or module.function_type(start) != FuncType((), ()):
        raise Error("E_WASM_EXPORT", "its `_start` has parameters or results: not a WASI command")
    for each in module.imports:
        name = each.name.decode()
        wanted = wasm.IMPORTS[each.module.decode()][name]
        assert isinstance(each.type, int)  # wasm.check has let functions pass alone
        if module.types[each.type] != _type(wanted):
            raise Error("E_WASM_IMPORT", f"imports {name} with another type than {wanted}")


def _type(text: str) -> FuncType:
    """`i(iI)` of docs/wasi.md."""
    params = tuple(_LETTERS[letter] for letter in text[2:-1])
    return FuncType(params, (I32,) if text[0] == "i" else ())
