"""What a program can tell of its memories, tables, globals and segments is the same in the merged module."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from recompiler.merge.merger import merge
from recompiler.merge.slots import Layout
from tests.recompiler.merge.random_program import LOG
from tests.recompiler.merge.watlog import LAYOUTS, compare

QUESTIONS = {path.stem: path for path in sorted((Path(__file__).parent / "semantics").glob("*.wat"))}


def programs(question: Path) -> list[str]:
    """The modules of a file; each begins a line."""
    return ["(module" + text for text in ("\n" + question.read_text()).split("\n(module")[1:]]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("question", QUESTIONS)
def test_programs_end_as_they_do_alone(question: str, layout: Layout) -> None:
    texts = programs(QUESTIONS[question])
    _, results = compare(texts, layout)
    for text, (alone, merged) in zip(texts, results, strict=True):
        assert merged == alone, text
    assert any(logged for (logged, _), _ in results)


def test_every_question_merged_at_once() -> None:
    merged, results = compare([text for path in QUESTIONS.values() for text in programs(path)], Layout())
    assert len(results) > 30
    assert [ours for _, ours in results] == [alone for alone, _ in results]
    assert merged.figures["memories_out"] < merged.figures["memories_in"] / 2


def test_an_instance_runs_one_program_once() -> None:
    data = bytes(wasmtime.wat2wasm('(module (memory 1) (func (export "_start")))'))
    other = bytes(wasmtime.wat2wasm('(module (memory 2) (func (export "_start") nop))'))
    merged = merge([("a", data), ("b", other)])
    on = wasmtime.Engine()
    for first in (0, 1):
        for second in (0, 1):
            store = wasmtime.Store(on)
            dispatch = wasmtime.Instance(store, wasmtime.Module(on, merged.data), []).exports(store)["_dispatch"]
            assert isinstance(dispatch, wasmtime.Func)
            assert dispatch(store, first, 0, 0) == 0
            with pytest.raises(wasmtime.Trap, match="unreachable"):
                dispatch(store, second, 0, 0)


def test_mutually_recursive_functions_are_found_equal_and_different_ones_are_not() -> None:
    def pair(last: int) -> str:
        def turn(name: str, other: str, value: int) -> str:
            ways = f"(then (call {other} (i32.const 0))) (else (i32.const {value}))"
            return f"(func {name} (param i32) (result i32) (if (result i32) (local.get 0) {ways}))"

        log = "(call $log (call $a (i32.const 1))) (call $log (call $b (i32.const 1)))"
        functions = turn("$a", "$b", 1) + turn("$b", "$a", last)
        return f'(module {LOG} {functions} (func (export "_start") {log}))'

    same, results = compare([pair(2), pair(2).replace("(func $a", "(table 1 funcref) (func $a", 1)], Layout())
    assert same.figures["functions_in"] == 6
    assert same.figures["functions_out"] == 3
    assert all(ours == alone for alone, ours in results)
    other, results = compare([pair(2), pair(3)], Layout())
    assert other.figures["functions_out"] == 6
    assert [ours for _, ours in results] == [([2, 1], "returned"), ([3, 1], "returned")]
