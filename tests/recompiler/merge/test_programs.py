"""Thirty-odd C programs: in the merged module each does what it does by itself."""

from __future__ import annotations

import random

import pytest
import wasmtime
from blake3 import blake3

from recompiler.merge import routes
from recompiler.merge.merger import Merged, merge
from recompiler.merge.slots import Layout
from recompiler.wasm import reader
from tests.recompiler.merge.cases import FILES, RUNS
from tests.recompiler.merge.host import Outcome, run, showing

APART = Layout(share=False, copy_limit=-1)


@pytest.fixture(scope="module")
def engine() -> wasmtime.Engine:
    return wasmtime.Engine()


@pytest.fixture(scope="module")
def alone(programs: dict[str, bytes], engine: wasmtime.Engine) -> dict[int, Outcome]:
    """What each run gives when its program is by itself."""
    modules = {name: wasmtime.Module(engine, data) for name, data in programs.items()}
    return {
        number: run(modules[name], engine, "_start", (), [name, *arguments], stdin, FILES)
        for number, (name, arguments, stdin) in enumerate(RUNS)
    }


def entry_of(merged: Merged, name: str) -> int:
    entry = next(row["entry"] for row in merged.entries.values() if row["export"] == name)
    assert isinstance(entry, int)
    return entry


def differences(merged: Merged, engine: wasmtime.Engine, alone: dict[int, Outcome]) -> list[str]:
    """The runs that are not what they are alone; modules are compiled once per memory that programs use."""
    module = reader.read(merged.data)
    modules: dict[int | None, wasmtime.Module] = {}
    wrong = []
    for number, (name, arguments, stdin) in enumerate(RUNS):
        entry = entry_of(merged, name)
        memory = module.exported(b"memory.%d" % entry, 2)
        if memory not in modules:
            modules[memory] = wasmtime.Module(engine, showing(merged.data, entry))
        got = run(modules[memory], engine, "_dispatch", (entry, 0, 0), [name, *arguments], stdin, FILES)
        if got != alone[number]:
            wrong.append(f"{name} {arguments}: {got} is not {alone[number]}"[:2000])
    return wrong


def test_every_program_is_run_and_some_fail_and_some_change_files(
    alone: dict[int, Outcome], programs: dict[str, bytes]
) -> None:
    assert {name for name, *_ in RUNS} == set(programs)
    assert len(programs) >= 30
    assert {outcome.status for outcome in alone.values()} >= {0, 1, 2, 3, 7, 42}
    assert sum(isinstance(outcome.status, str) for outcome in alone.values()) == 3
    assert sum(set(outcome.files) != set(FILES) for outcome in alone.values()) == 4


def test_merged_programs_do_what_they_do_alone(
    merged: Merged, engine: wasmtime.Engine, alone: dict[int, Outcome]
) -> None:
    assert not differences(merged, engine, alone)


def test_programs_with_state_apart_do_what_they_do_alone(
    programs: dict[str, bytes], alone: dict[int, Outcome], engine: wasmtime.Engine
) -> None:
    """A memory per program: every memarg of all but the first program names its memory."""
    chosen = {name: programs[name] for name in ("sort", "sha256", "tables")}
    apart = merge(list(chosen.items()), APART)
    assert apart.figures["memories_out"] == 3
    for number, (name, arguments, stdin) in enumerate(RUNS):
        if name in chosen:
            entry = entry_of(apart, name)
            module = wasmtime.Module(engine, showing(apart.data, entry))
            assert run(module, engine, "_dispatch", (entry, 0, 0), [name, *arguments], stdin, FILES) == alone[number]


def test_one_module_merged_alone_keeps_its_behaviour(
    programs: dict[str, bytes], engine: wasmtime.Engine, alone: dict[int, Outcome]
) -> None:
    for chosen in ("expr", "tables"):
        one = merge([(chosen, programs[chosen])])
        module = wasmtime.Module(engine, one.data)
        for number, (name, arguments, stdin) in enumerate(RUNS):
            if name == chosen:
                got = run(module, engine, "_dispatch", (0, 0, 0), [name, *arguments], stdin, FILES)
                assert got == alone[number]


def test_an_unknown_id_traps_before_anything_runs(merged: Merged, engine: wasmtime.Engine) -> None:
    module = wasmtime.Module(engine, showing(merged.data, 0))
    count = len(merged.entries)
    for id_ in (count, count + 1, 1 << 20, (1 << 31) - 1, -1, -(1 << 31)):
        got = run(module, engine, "_dispatch", (id_, 0, 0), ["x"], b"", {})
        assert got.status == str(wasmtime.TrapCode.UNREACHABLE)
        assert (got.stdout, got.stderr, got.files) == (b"", b"", {})


def test_equal_functions_and_data_are_kept_once(merged: Merged, programs: dict[str, bytes]) -> None:
    figures = merged.figures
    total = sum(map(len, programs.values()))
    print(
        f"\n{figures['programs']} programs: {total} bytes -> {len(merged.data)}, "
        f"{figures['functions_in']} functions -> {figures['functions_out']}, "
        f"{figures['imports_in']} imports -> {figures['imports_out']}, memories {figures['memories_out']}"
    )
    assert figures["functions_out"] < figures["functions_in"] / 2
    assert len(merged.data) < total * 0.75
    assert figures["memories_out"] == 2  # that of all, and that of `tables`
    assert figures["data_out"] < figures["data_in"]


def test_the_same_programs_give_the_same_bytes_in_any_order(merged: Merged, programs: dict[str, bytes]) -> None:
    order = list(programs.items())
    random.Random(7).shuffle(order)
    again = merge([*order, order[3]])
    assert again.data == merged.data
    assert again.entries == merged.entries


def test_ids_follow_the_hashes_and_every_route_is_proved_by_the_module(
    merged: Merged, programs: dict[str, bytes]
) -> None:
    rows = routes.read(reader.read(merged.data))
    assert [row.digest for row in rows] == sorted(blake3(data).digest() for data in programs.values())
    assert [row.entry for row in rows] == list(range(len(programs)))
    for row in rows:
        assert row.digest == blake3(programs[row.name]).digest()
        assert merged.entries[row.digest.hex()] == {
            "entry": row.entry,
            "export": row.name,
            "kind": "wasi",
            "paths": [f"/{row.name}"],
        }
