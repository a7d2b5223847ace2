"""In: modules, right and wrong in one way. Out: nothing, or the code of stage 8."""

from __future__ import annotations

import pytest

from recompiler.errors import Error
from recompiler.format import wasm
from tests.format import builder as b


def code_of(data: bytes) -> str:
    with pytest.raises(Error) as caught:
        wasm.check(data)
    return caught.value.code


def test_the_import_list_has_the_46_functions_of_preview_1() -> None:
    assert len(wasm.IMPORTS["wasi_snapshot_preview1"]) == 46


@pytest.mark.parametrize("name", sorted(wasm.IMPORTS["wasi_snapshot_preview1"]))
def test_each_of_them_can_be_imported(name: str) -> None:
    wasm.check(b.wasm(s2=b.vector([b.wasm_import("wasi_snapshot_preview1", name)])))


def test_a_small_module_passes_and_is_valid() -> None:
    wasm.check(b.wasm())
    wasm.validate(b.wasm())


def test_every_truncation_is_refused() -> None:
    module = b.wasm()
    for size in range(len(module)):
        code_of(module[:size])


def test_a_component_is_no_module() -> None:
    assert code_of(b"\0asm\x0d\0\x01\0" + b.wasm()[8:]) == "E_WASM_HEADER"


def test_a_detached_module_is_looked_at_up_to_its_preamble() -> None:
    wasm.check(b"\0asm\x01\0\0\0anything", executable=False)


@pytest.mark.parametrize(
    ("module", "code"),
    [
        (b.wasm(s7=None), "E_WASM_EXPORT"),
        (b.wasm(s7=b.vector([b.text("_start") + b"\0\x01"])), "E_WASM_EXPORT"),
        (b.wasm(s7=b.vector([b.text("_start") + b"\x03\x01", b.text("memory") + b"\x02\0"])), "E_WASM_EXPORT"),
        (b.wasm(s7=b.vector([b.text("_start") + b"\x05\x01"])), "E_WASM_SECTION"),
        (b.wasm(s2=b.vector([b.wasm_import("env", "memory", 2, b"\0\x01")])), "E_WASM_IMPORT"),
        (b.wasm(s2=b.vector([b.wasm_import("env", "proc_exit")])), "E_WASM_IMPORT"),
        (b.wasm(s2=b"\x05"), "E_WASM_SECTION"),
        (b.wasm(s2=b"\xff\xff\xff\xff\x0f"), "E_WASM_SECTION"),
        (b.wasm(s3=b"\x80\x80\x80\x80\x10"), "E_WASM_SECTION"),
        (b.wasm(s3=b"\x80\x80\x80\x80\x80\x00"), "E_WASM_SECTION"),
        (b.wasm(s3=b.vector([b"\0", b"\0"])), "E_WASM_SECTION"),
        (b.wasm(s3=b.vector([b"\0"]) + b"\0"), "E_WASM_SECTION"),
        (b.wasm(s10=None), "E_WASM_SECTION"),
        (b.wasm() + b"\0\x02\x05x", "E_WASM_SECTION"),
        (b.wasm() + b"\x0d\x00", "E_WASM_SECTION"),
        (b.wasm() + b.wasm_section(1, b"\0"), "E_WASM_SECTION"),
    ],
)
def test_a_module_that_no_stub_runs_is_refused(module: bytes, code: str) -> None:
    assert code_of(module) == code


def test_custom_sections_may_stand_anywhere() -> None:
    custom = b.wasm_section(0, b.text("name") + b"anything")
    wasm.check(b.WASM_HEADER + custom + b.wasm()[8:] + custom * 3)


def test_stretched_numbers_are_taken_up_to_five_bytes() -> None:
    wasm.check(b.wasm(s3=b.leb(1, 5) + b.leb(0, 5)))


def test_a_body_that_is_not_valid_is_found_when_a_file_is_made() -> None:
    broken = b.wasm(s10=b.vector([b.text(b"\0\x10\0\x0b")]))  # calls proc_exit without its argument
    wasm.check(broken)
    with pytest.raises(Error, match="E_WASM_INVALID"):
        wasm.validate(broken)
