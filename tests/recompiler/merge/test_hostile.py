"""Modules that no compiler makes: a clear refusal or a merged module, never another exception, and never for long."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import wasmtime

from recompiler.errors import Error
from recompiler.format.wasm import PREAMBLE
from recompiler.merge import equal, routes
from recompiler.merge.merger import merge
from recompiler.wasm import leb, reader, writer
from recompiler.wasm.leb import Cursor
from recompiler.wasm.rewriter import Linked

MUTANTS = 2000
SEED = 11
SMALL = """(module (type $t (func (result i32))) (import "host" "log" (func (param i32))) (memory 1)
  (table 3 funcref) (elem (i32.const 0) $f $f) (global (mut i32) (i32.const 7)) (data (i32.const 8) "hello")
  (func $f (type $t) (i32.load offset=4 (global.get 0)))
  (func (export "_start") (local i64 f32) (block (result i32) (call_indirect (type $t) (i32.const 1))) (drop)
    (memory.copy (i32.const 0) (i32.const 8) (i32.const 4)) (br_if 0 (f32.eq (f32.const 1) (local.get 1)))))"""


@pytest.fixture(scope="module")
def small() -> bytes:
    return bytes(wasmtime.wat2wasm(SMALL))


@pytest.fixture
def believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the validator: what the reader lets through must not break what follows either."""
    monkeypatch.setattr(routes, "validate", lambda data, what: None)


def verdict(data: bytes) -> str:
    """The code of the refusal, or `merged`."""
    try:
        merge([("program", data)])
    except Error as e:
        return e.code if e.message.isprintable() else f"unprintable {e.code}"
    return "merged"


def test_every_truncation_is_refused_that_is_not_a_module_again(small: bytes) -> None:
    ends, cursor = {len(PREAMBLE)}, Cursor(small, len(PREAMBLE), len(small))
    while cursor.at < cursor.end:
        cursor.byte()
        cursor.take(cursor.u32())
        ends.add(cursor.at)
    assert verdict(small) == "merged"
    for size in range(len(small)):
        assert verdict(small[:size]) in ("E_WASM_HEADER", "E_WASM_INVALID", "E_WASM_EXPORT") or size in ends, size


def mutant(source: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(source.choice((1, 1, 1, 2, 4))):
        at = source.randrange(8, len(out))
        way = source.randrange(5)
        if way == 0:
            out[at] ^= 1 << source.randrange(8)
        elif way == 1:
            out[at] = source.choice((0, 1, 0x0B, 0x40, 0x7F, 0x80, 0xFC, 0xFD, 0xFF))
        elif way == 2:
            del out[at : at + source.randrange(1, 5)]
        elif way == 3:
            out[at:at] = source.randbytes(source.randrange(1, 5))
        else:
            out[at : at + 1] = leb.u32(source.choice((1 << 31, (1 << 32) - 1, 1 << 20, 1 << 33)))
    return bytes(out)


@pytest.mark.parametrize("validated", [True, False])
def test_mutants_are_refused_clearly_or_merged(
    small: bytes, programs: dict[str, bytes], validated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"seed {SEED}")
    if not validated:
        monkeypatch.setattr(routes, "validate", lambda data, what: None)
    source = random.Random(SEED)
    verdicts: dict[str, int] = {}
    for number in range(MUTANTS // 2):
        found = verdict(mutant(source, programs["base64"] if number % 4 == 0 else small))
        verdicts[found] = verdicts.get(found, 0) + 1
    print(verdicts)
    assert set(verdicts) <= {"merged", "E_WASM_HEADER", "E_WASM_INVALID", "E_WASM_EXPORT"}
    assert verdicts["E_WASM_INVALID"] > 100
    assert verdicts["merged"] > 20


def module(*sections: tuple[int, bytes]) -> bytes:
    return PREAMBLE + b"".join(writer.section(id_, body) for id_, body in sections)


BAD = "E_WASM_INVALID"
HUGE = leb.u32((1 << 32) - 1)
TYPE, FUNCTION = (1, b"\x01\x60\0\0"), (3, b"\x01\0")
START = (7, b"\x01\x06_start\0\0")


def body(code: bytes) -> tuple[int, bytes]:
    return 10, b"\x01" + writer.name(b"\0" + code)


CASES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "E_WASM_HEADER"),
    "text": (b"(module)", "E_WASM_HEADER"),
    "component": (b"\0asm\x0d\0\x01\0", "E_WASM_HEADER"),
    "nothing_but_a_preamble": (PREAMBLE, "E_WASM_EXPORT"),
    **{f"huge_count_in_section_{id_}": (module((id_, HUGE)), "E_WASM_INVALID") for id_ in (*range(1, 8), 9, 10, 11)},
    "section_past_the_end": (PREAMBLE + b"\x01\x7f\x00", "E_WASM_INVALID"),
    "size_of_six_bytes": (PREAMBLE + b"\x01\x80\x80\x80\x80\x80\0", "E_WASM_INVALID"),
    "size_with_too_many_bits": (PREAMBLE + b"\x01\xff\xff\xff\xff\x1f", "E_WASM_INVALID"),
    "unknown_section": (module((14, b"")), "E_WASM_INVALID"),
    "sections_out_of_order": (module(FUNCTION, TYPE), "E_WASM_INVALID"),
    "section_twice": (module(TYPE, TYPE), "E_WASM_INVALID"),
    "more_bodies_than_functions": (module(TYPE, body(b"\x0b")), "E_WASM_INVALID"),
    "locals_beyond_reason": (module(TYPE, FUNCTION, START, (10, b"\x01\x09\x01" + HUGE + b"\x7f\x0b\x0b")), BAD),
    "branch_table_beyond_its_body": (module(TYPE, FUNCTION, START, body(b"\x0e" + HUGE + b"\x0b")), "E_WASM_INVALID"),
    "body_without_end": (module(TYPE, FUNCTION, START, body(b"\x01\x01")), "E_WASM_INVALID"),
    "end_inside_an_immediate": (module(TYPE, FUNCTION, START, body(b"\x41\x0b")), "E_WASM_INVALID"),
    "call_of_nothing": (module(TYPE, FUNCTION, START, body(b"\x10\x63\x0b")), "E_WASM_INVALID"),
    "structure_types": (module((1, b"\x01\x5f\0")), "E_WASM_INVALID"),
    "recursive_types": (module((1, b"\x01\x4e\x01\x60\0\0")), "E_WASM_INVALID"),
    "type_that_names_a_later_one": (module((1, b"\x02\x60\x01\x63\x01\0\x60\0\0")), "E_WASM_EXPORT"),
    "start_with_a_parameter": (module((1, b"\x01\x60\x01\x7f\0"), FUNCTION, START, body(b"\x0b")), "E_WASM_EXPORT"),
    "no_start": (module(TYPE, FUNCTION, body(b"\x0b")), "E_WASM_EXPORT"),
    "start_that_is_a_memory": (module(TYPE, (5, b"\x01\0\x01"), (7, b"\x01\x06_start\x02\0")), "E_WASM_EXPORT"),
    "memory_of_four_billion_pages": (module(TYPE, FUNCTION, (5, b"\x01\0" + HUGE), START, body(b"\x0b")), BAD),
    "legacy_exceptions": (module(TYPE, FUNCTION, START, body(b"\x06\x40\x0b\x0b")), "E_WASM_INVALID"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_no_compiler_makes_is_refused(case: str) -> None:
    data, code = CASES[case]
    with pytest.raises(Error) as refused:
        merge([("program", data)])
    assert refused.value.code == code


@pytest.mark.parametrize("case", CASES)
def test_the_rest_of_the_merger_survives_what_the_reader_lets_through(case: str, believed: None) -> None:
    assert verdict(CASES[case][0]) in ("merged", CASES[case][1])


DEPTH = 200_000


@pytest.mark.parametrize("code", [b"\x02\x40" * DEPTH + b"\x0b" * DEPTH, b"\x41\0\x04\x40" * DEPTH + b"\x0b" * DEPTH])
def test_deep_nesting_needs_no_deep_stack(code: bytes) -> None:
    assert verdict(module(TYPE, FUNCTION, START, body(code + b"\x0b"))) in ("merged", "E_WASM_INVALID")


def test_a_long_constant_expression_is_read_in_one_pass() -> None:
    long = b"\x41\x01" + b"\x41\x01\x6a" * DEPTH + b"\x0b"
    data = module(TYPE, FUNCTION, (6, b"\x01\x7f\0" + long), START, body(b"\x0b"))
    assert verdict(data) == "merged"


def test_a_chain_of_calls_does_not_make_the_search_for_equal_functions_endless() -> None:
    chain = [Linked((b"x", b"y"), (number + 1,)) for number in range(499)] + [Linked((b"z",))]
    again = [Linked(each.parts, tuple(f + 500 for f in each.functions)) for each in chain]
    twice = [(0, each) for each in chain + again]
    assert equal.classes(0, twice) == [*range(500), *range(500)]
    assert equal.classes(0, twice, work=100_000) == list(range(1000))  # given up: correct all the same


@pytest.mark.parametrize(
    "spoil", [lambda text: text[:-1], lambda text: text[:3] + b"\xff" * 9, lambda text: b"\x01\x7f\x01"]
)
def test_a_broken_name_section_is_left_out(small: bytes, spoil: Callable[[bytes], bytes]) -> None:
    names = b"\x01" + writer.name(b"\x01" + b"\x01" + writer.name(b"\xff\xfe"))
    data = small + writer.custom(b"name", spoil(names))
    merged = merge([("program", data)])
    assert reader.read(merged.data).exported(b"program", 0) is not None


def test_one_program_that_cannot_be_instantiated_does_not_harm_the_others() -> None:
    bad = bytes(
        wasmtime.wat2wasm('(module (memory 1) (data (i32.const 65000) "' + "x" * 9000 + '") (func (export "_start")))')
    )
    good = bytes(wasmtime.wat2wasm('(module (memory 1) (func (export "_start")))'))
    merged = merge([("bad", bad), ("good", good)])
    ids = {row["export"]: row["entry"] for row in merged.entries.values()}
    on = wasmtime.Engine()
    module_ = wasmtime.Module(on, merged.data)
    store = wasmtime.Store(on)
    dispatch = wasmtime.Instance(store, module_, []).exports(store)["_dispatch"]
    assert isinstance(dispatch, wasmtime.Func)
    assert dispatch(store, ids["good"], 0, 0) == 0
    store = wasmtime.Store(on)
    dispatch = wasmtime.Instance(store, module_, []).exports(store)["_dispatch"]
    assert isinstance(dispatch, wasmtime.Func)
    with pytest.raises(wasmtime.Trap, match="out of bounds"):
        dispatch(store, ids["bad"], 0, 0)
