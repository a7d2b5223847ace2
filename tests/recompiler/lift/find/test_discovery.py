"""Shapes of table jumps and of parts of functions: what is found, what is proved, and that all of them run lifted."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from iced_x86 import Code

from recompiler.lift.elf import binary
from recompiler.lift.elf.model import STT_FUNC
from recompiler.lift.find import discover
from recompiler.lift.find.function import Function, Program
from recompiler.lift.object.objectrun import HOST
from recompiler.lift.plan.links import Links
from recompiler.lift.x86 import decode
from tests.recompiler.lift.find.discovery import build, stripped
from tests.recompiler.lift.programs.executable import Executable, Run
from tests.testbed import FIGURES

ALL = [("zig", level, kind) for level in range(4) for kind in ("exec", "pie")]
BUILDS = [ALL[0], ALL[1], ALL[2], ALL[5], ALL[7]]
EVERY = [*ALL, *(("gcc", level, kind) for _, level, kind in ALL)] if FIGURES else BUILDS
needs_host = pytest.mark.skipif(not HOST.exists(), reason="no host of lifted programs was built for this machine")
every_build = pytest.mark.parametrize(("compiler", "level", "kind"), EVERY)
one_of_each = pytest.mark.parametrize(("compiler", "level", "kind"), [ALL[4], ALL[5]])

# The shapes in assembly whose table is proved by the jump's own block; those that need a register's value; those whose
# targets are entries without a proof.
# fmt: off
PROVED = [
    "jmp_table_absolute", "load_then_jump", "offsets_add", "offsets_add_other", "offsets_lea", "notrack_offsets",
    "base_differs", "sub_then_ja", "cmp_in_other_block", "and_mask", "and_mask_16", "cmov_bound", "index_in_memory",
    "index_spilled", "index_copied", "jae_bound", "jump_over_bound", "byte_offsets", "word_offsets",
    "table_behind_code", "cold_part", "offsets_sub", "in_structures",
]
GUARDED = [
    "jmp_table_register", "base_outside_loop", "base_in_other_block", "base_spilled", "base_two_ways", "long_way",
    "walking_index",
]
# fmt: on
UNPROVED = ["backwards"]
MASKED = {f"{name}.case{case}" for name in ("and_mask", "and_mask_16") for case in (4, 5)}  # no index leads there
COLD = {"cold_part.cold": "cold_part", "cold_called.cold": "cold_called"}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder = tmp_path_factory.mktemp("discovery")

    @cache
    def program(compiler: str, level: int, kind: str) -> Path:
        return build(compiler, level, kind, folder / f"{compiler}{level}.{kind}")

    return program


@cache
def found(path: Path) -> Program:
    return discover.discover(binary.load(path.read_bytes()))


def code_of(program: Program) -> dict[int, int]:
    """Address of an instruction -> start of its function."""
    return {
        address: function.start
        for function in program.functions
        for block in function.blocks.values()
        for address in block.addresses()
    }


def named(program: Program) -> dict[str, int]:
    return {symbol.name: symbol.address for symbol in program.binary.symbols}


@needs_host
@every_build
def test_every_shape_gives_lifted_what_it_gives_natively(built, tmp_path, compiler, level, kind) -> None:  # type: ignore[no-untyped-def]
    executable = Executable(built(compiler, level, kind))
    assert executable.differences(Run(), tmp_path / "run") == []


@needs_host
@pytest.mark.parametrize("frames", [True, False])
@one_of_each
def test_stripped_programs_run_as_well(built, tmp_path, compiler, level, kind, frames) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "stripped"
    path.write_bytes(stripped(built(compiler, level, kind).read_bytes(), frames=frames))
    path.chmod(0o755)
    assert Executable(path).differences(Run(), tmp_path / "run") == []


@every_build
def test_every_function_is_found_and_has_its_own_code_alone(built, compiler, level, kind) -> None:  # type: ignore[no-untyped-def]
    program = found(built(compiler, level, kind))
    code = code_of(program)
    assert not program.gaps
    for symbol in program.binary.symbols:
        if symbol.type != STT_FUNC or not symbol.size:
            continue
        inside = {code[at] for at in range(symbol.address, symbol.address + symbol.size) if at in code}
        parent = re.sub(r"\.(cold|part|isra|constprop).*", "", symbol.name)
        if symbol.name.endswith(".cold"):
            assert inside == {named(program)[parent]}, symbol.name
        elif symbol.name == "cold_called":
            assert symbol.address in inside
        else:
            assert inside == {symbol.address}, symbol.name


@every_build
def test_no_instruction_lies_in_another(built, compiler, level, kind) -> None:  # type: ignore[no-untyped-def]
    program = found(built(compiler, level, kind))
    blocks = sorted(
        (block.start, block.end, block.flow) for function in program.functions for block in function.blocks.values()
    )
    assert [(before, after) for before, after in pairwise(blocks) if before[1] > after[0]] == []
    assert [block for block in blocks if block[2] == decode.INVALID] == []


@every_build
def test_every_case_is_an_entry(built, compiler, level, kind) -> None:  # type: ignore[no-untyped-def]
    program = found(built(compiler, level, kind))
    entries = {entry for function in program.functions for entry in function.entries}
    missing = {name for name, address in named(program).items() if ".case" in name and address not in entries}
    assert missing - MASKED == set()
    for function in program.functions:
        for table in (*function.tables.values(), *function.guarded.values()):
            assert {target for target in table.targets if program.binary.code_at(target)} <= entries


@every_build
def test_tables_are_proved_where_the_block_has_the_proof(built, compiler, level, kind) -> None:  # type: ignore[no-untyped-def]
    program = found(built(compiler, level, kind))
    addresses = named(program)

    def of(name: str) -> Function:
        function = program.owner(addresses[name])
        assert function is not None
        return function

    assert {name for name in PROVED if len(of(name).tables) != 1} == set()
    assert {name for name in GUARDED if len(of(name).guarded) != 1 or of(name).tables} == set()
    assert {name for name in UNPROVED if of(name).tables or of(name).guarded} == set()
    for name in (*PROVED, *GUARDED):
        cases = [addresses.get(f"{name}.case{n}") for n in range(6) if f"{name}.case{n}" not in MASKED]
        (table,) = (*of(name).tables.values(), *of(name).guarded.values())
        assert table.targets[: len(cases)] == cases or name == "base_two_ways"
    start = addresses["known_target.next"]
    (block,) = (block for block in of("known_target").blocks.values() if block.facts[-1].code == Code.JMP_RM64)
    assert (block.flow, block.taken, block.succ) == (decode.JUMP, start, (start,))


@every_build
def test_what_a_word_holds_at_first_is_what_calls_through_it_are_compared_with(built, compiler, level, kind) -> None:  # type: ignore[no-untyped-def]
    program = found(built(compiler, level, kind))
    addresses = named(program)
    links = Links.of(program)
    jump, end = links.stubs[addresses["held_word_stub"]]
    assert links.predicted[end + jump.rip] == addresses["into_a_loop_helper"]  # type: ignore[operator]


@every_build
def test_code_that_nothing_jumps_to_is_an_entry(built, compiler, level, kind) -> None:  # type: ignore[no-untyped-def]
    program = found(built(compiler, level, kind))
    entries = {entry for function in program.functions for entry in function.entries}
    assert entries >= {named(program)["behind_a_nop_goexit"] + 1, named(program)["behind_a_nop_invalid"]}


@pytest.mark.parametrize("frames", [True, False])
@one_of_each
def test_stripping_loses_no_code(built, compiler, level, kind, frames) -> None:  # type: ignore[no-untyped-def]
    path = built(compiler, level, kind)
    whole = found(path)
    bare = discover.discover(binary.load(stripped(path.read_bytes(), frames=frames)))
    lost = code_of(whole).keys() - code_of(bare).keys()  # without frames: what nothing leads to either
    entries = [{entry for function in each.functions for entry in function.entries} for each in (whole, bare)]
    assert len(lost) <= (0 if frames else len(code_of(whole)) // 1000)
    assert len(entries[0] - entries[1]) <= len(entries[0]) // 100
    if frames:
        assert [function.start for function in bare.functions] == [function.start for function in whole.functions]


@every_build
def test_what_is_handed_on_holds_together(built, compiler, level, kind) -> None:  # type: ignore[no-untyped-def]
    program = found(built(compiler, level, kind))
    for function in program.functions:
        assert function.entries[0] == function.start
        assert function.entries[1:] == sorted(set(function.entries[1:]) - {function.start})
        assert function.blocks.keys() >= {
            *function.entries,
            *(at for block in function.blocks.values() for at in block.succ),
        }
        assert {program.owners[start] for start in function.blocks} == {function.start}
