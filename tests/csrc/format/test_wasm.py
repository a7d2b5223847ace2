"""The module in C (stage 8): section frames, imports, exports and counts, and one verdict with the Python reader."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from recompiler import native
from recompiler.errors import Error
from recompiler.format import wasm as python_reader
from tests.format.builder import WASM_HEADER, leb, text, vector, wasm, wasm_import, wasm_section

WASI = "wasi_snapshot_preview1"


def code_of(check: Callable[[bytes], Any], module: bytes) -> str:
    try:
        check(module)
    except Error as e:
        return e.code
    return "OK"


def verdict(module: bytes) -> str:
    c, python = code_of(native.wasm_check, module), code_of(python_reader.check, module)
    assert c == python, f"C says {c}, Python says {python}: {module[:400].hex()}"
    return c


def exports(*rows: tuple[str, int]) -> bytes:
    return vector([text(name) + bytes([kind, 0]) for name, kind in rows])


BOTH = (("_start", 0), ("memory", 2))
H, S, M, E = "E_WASM_HEADER", "E_WASM_SECTION", "E_WASM_IMPORT", "E_WASM_EXPORT"
MODULES: dict[str, tuple[bytes, str]] = {
    "a good module": (wasm(), "OK"),
    "nothing": (b"", H),
    "seven bytes": (WASM_HEADER[:7], H),
    "a component": (b"\0asm\x0d\0\1\0", H),
    "the header alone": (WASM_HEADER, E),
    "section 13": (wasm() + wasm_section(13, b""), S),
    "a section twice": (wasm() + wasm_section(10, vector([])), S),
    "sections out of order": (wasm(order=[2, 1, 3, 5, 7, 10]), S),
    "data count before code": (wasm(order=[1, 2, 3, 5, 7, 12, 10], s12=b"\0"), "OK"),
    "data count behind code": (wasm(order=[1, 2, 3, 5, 7, 10, 12], s12=b"\0"), S),
    "a section that is too long": (wasm()[:-1], S),
    "half a section header": (wasm() + b"\0", S),
    "a size of six bytes": (wasm() + b"\0\x82\x80\x80\x80\x80\0\0a", S),
    "a size of five bytes": (wasm() + b"\0\x82\x80\x80\x80\0\x01a", "OK"),
    "a size of 33 bits": (wasm() + b"\0\x82\x80\x80\x80\x10\x01a", S),
    "custom sections anywhere": (
        WASM_HEADER + wasm_section(0, text("a")) + wasm()[8:] + wasm_section(0, text("a")),
        "OK",
    ),
    "a custom name that does not fit": (wasm() + wasm_section(0, b"\x05abcd"), S),
    "a custom section without a name": (wasm() + wasm_section(0, b""), S),
    "no imports": (wasm(s2=None), "OK"),
    "an unknown function": (wasm(s2=vector([wasm_import(WASI, "proc_exec")])), M),
    "an unknown module": (wasm(s2=vector([wasm_import("env", "proc_exit")])), M),
    "a name that begins like one": (wasm(s2=vector([wasm_import(WASI, "proc_exit2")])), M),
    "a function of the other module": (wasm(s2=vector([wasm_import(WASI, "sock_open")])), M),
    "a socket function": (wasm(s2=vector([wasm_import("recompiler_sock_v1", "sock_open")])), "OK"),
    "an imported memory": (wasm(s2=vector([wasm_import(WASI, "proc_exit", 2, b"\0\1")])), M),
    "imports cut off": (wasm(s2=leb(2) + wasm_import(WASI, "proc_exit")), S),
    "a byte behind the imports": (wasm(s2=vector([wasm_import(WASI, "proc_exit")]) + b"\0"), S),
    "2^32 - 1 imports": (wasm(s2=leb((1 << 32) - 1)), S),
    "2^32 - 1 functions": (wasm(s3=leb((1 << 32) - 1) + b"\0"), S),
    "a function without a body": (wasm(s10=vector([])), S),
    "a body without a function": (wasm(s3=None), S),
    "neither functions nor bodies": (wasm(s3=None, s10=None), "OK"),
    "no memory export": (wasm(s7=exports(BOTH[0])), E),
    "no _start export": (wasm(s7=exports(BOTH[1])), E),
    "_start is a memory": (wasm(s7=exports(("_start", 2), ("memory", 2))), E),
    "more exports": (wasm(s7=exports(("a", 1), *BOTH, ("g", 3))), "OK"),
    "an export of kind 5": (wasm(s7=exports(("a", 5), *BOTH)), S),
    "an export name that does not fit": (wasm(s7=b"\x01\x7f_start\0\0"), S),
    "no export and no body": (wasm(s7=None, s10=None), E),
}


@pytest.mark.parametrize(("module", "code"), MODULES.values(), ids=MODULES.keys())
def test_a_module_has_this_verdict(module: bytes, code: str) -> None:
    assert verdict(module) == code


def test_every_truncation_of_a_module_has_one_verdict_and_is_refused() -> None:
    module = wasm()
    assert {verdict(module[:length]) for length in range(len(module))} <= {H, S, E}


def test_all_46_functions_of_wasi_can_be_imported_and_no_others() -> None:
    names = sorted(python_reader.IMPORTS[WASI])
    assert len(names) == 46
    assert verdict(wasm(s2=vector([wasm_import(WASI, name) for name in names]))) == "OK"
    for name in names:
        assert verdict(wasm(s2=vector([wasm_import(WASI, name[:-1])]))) == M


def test_c_and_python_agree_on_20_000_mutated_modules() -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    seeds = [module for module, _ in MODULES.values() if module]
    seen = set()
    for _ in range(20_000):
        module = bytearray(rng.choice(seeds))
        for _ in range(rng.choice((1, 1, 2, 4))):
            at = rng.randrange(len(module) + 1)
            module[at : at + rng.randrange(3)] = rng.choice(
                (b"", bytes([rng.randrange(256)]), leb(rng.randrange(300), 5))
            )
        try:
            seen.add(verdict(bytes(module)))
        except AssertionError as e:
            raise AssertionError(f"seed {seed}: {e}") from None
    assert seen == {"OK", H, S, M, E}
