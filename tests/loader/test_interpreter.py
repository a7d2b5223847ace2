"""wasm3 inside the stub: what a guest's end looks like from outside, and what is refused before it begins."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from tests.loader.fake_vkernel import Call, FakeVkernel
from tests.loader.signed_stub import IMPORTS, MEMORY, MIB, process_of, run, write_program

Guest = Callable[..., Path]


def start(body: str) -> str:
    return f'(func (export "_start") {body})'


def exit_with(number: str) -> str:
    return start(f"(call $exit {number})")


# ---- the end of a guest

ENDS = [
    pytest.param(start(""), 0, id="_start returns"),
    pytest.param(exit_with("(i32.const 3)"), 3, id="proc_exit(3)"),
    pytest.param(exit_with("(i32.const 256)"), 0, id="only the low byte counts"),
    pytest.param(exit_with("(i32.const -1)"), 255, id="proc_exit(-1)"),
    pytest.param("(func $s (call $exit (i32.const 9))) (start $s)" + start("unreachable"), 9, id="the start section"),
]


@pytest.mark.parametrize("encoding", ["binary", "json"])
@pytest.mark.parametrize(("functions", "status"), ENDS)
def test_exit_status_is_the_guests(guest: Guest, encoding: str, functions: str, status: int) -> None:
    outcome = run(guest(functions), encoding=encoding)
    assert (outcome.status, outcome.stderr) == (status, b"")
    assert outcome.vkernel.calls[-1].name == "exit_group"


@pytest.mark.parametrize("encoding", ["binary", "json"])
def test_hello_goes_through_the_vkernel(hello: Path, encoding: str) -> None:
    outcome = run(hello, encoding=encoding)
    assert (outcome.status, outcome.stdout, outcome.stderr) == (7, b"hello\n", b"")
    assert outcome.vkernel.hello["encoding"] == encoding
    assert outcome.vkernel.hello["cid"] == "hello"


@pytest.mark.parametrize(("encoding", "bytes_"), [("binary", [1_000_000, 48_575]), ("json", [785_664])])
def test_a_long_write_travels_as_the_encoding_allows(guest: Guest, encoding: str, bytes_: list[int]) -> None:
    """One record holds 1,000,000 bytes, one line 785664; json's is a short write."""
    body = """(i32.store (i32.const 4) (i32.const 1048575))
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (call $exit (i32.ne (i32.load (i32.const 8)) (i32.const TOTAL)))""".replace("TOTAL", str(sum(bytes_)))

    def serve(vkernel: FakeVkernel, call: Call) -> bytes:
        return vkernel.reply(call, len(call.data))

    outcome = run(guest(start(body), '(memory (export "memory") 16)'), encoding=encoding, serve=serve)
    assert outcome.status == 0
    assert [len(call.data) for call in outcome.vkernel.calls if call.name == "write"] == bytes_


def calls_itself(parameters: int = 0, results: int = 0, loops: int = 0) -> str:
    """A function that calls itself for ever: with arguments, with results, out of nested loops."""
    type_ = f"(type $t (func {'(param ' + 'i64 ' * parameters + ')'} {'(result ' + 'i64 ' * results + ')'}))"
    call = "(loop " * loops + "(local.get 0)" * parameters + "(call $f)" + ")" * loops
    first = "(i64.const 1)" * parameters + "(call $f)" + "(drop)" * results
    return f"{type_} (func $f (type $t) {call}) {start(first)}"


OVERFLOW = "stack overflow"
GUARD = "stack overflow, stopped by the guard page"
TRAPS = [
    pytest.param(start("unreachable"), "unreachable executed", id="unreachable"),
    pytest.param(start("(drop (i32.load (i32.const 65533)))"), "out of bounds memory access", id="load"),
    pytest.param(start("(i64.store offset=4294967295 (i32.const -1) (i64.const 1))"), "out of bounds memory access"),
    pytest.param(start("(memory.fill (i32.const 1) (i32.const 0) (i32.const 65536))"), "out of bounds memory access"),
    pytest.param(start("(drop (i32.div_s (i32.const 1) (i32.const 0)))"), "integer divide by zero", id="div"),
    pytest.param(start("(drop (i32.trunc_f64_s (f64.const nan)))"), "invalid conversion to integer", id="trunc"),
    pytest.param("(table 1 funcref)" + start("(call_indirect (i32.const 0))"), "undefined element", id="no element"),
    pytest.param(calls_itself(), OVERFLOW, id="recursion"),
    pytest.param(calls_itself(parameters=3), OVERFLOW, id="recursion with arguments"),
    pytest.param(calls_itself(results=900), OVERFLOW, id="recursion with results"),
    pytest.param(calls_itself(loops=900), OVERFLOW, id="recursion out of loops: the C stack ends first"),
    # The arguments of the last call lie past wasm3's stack, and no check of its own comes before the write.
    pytest.param(calls_itself(parameters=990), GUARD, id="recursion past the stack's end"),
]


@pytest.mark.parametrize(("functions", "message"), TRAPS)
def test_a_trap_is_one_line_and_death_by_abort(guest: Guest, functions: str, message: str) -> None:
    outcome = run(guest(functions))
    assert outcome.status == -signal.SIGABRT
    assert outcome.line == f"E_ENGINE_TRAP: {message}"
    assert outcome.vkernel.said == [{"type": "signal", "sig": signal.SIGABRT}]
    assert outcome.vkernel.calls == []


def test_a_fault_is_a_trap_although_the_parent_had_faults_blocked(guest: Guest) -> None:
    faults = [signal.SIGSEGV, signal.SIGBUS]
    program = guest(calls_itself(parameters=990))
    outcome = run(program, preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, faults))
    assert (outcome.status, outcome.line) == (-signal.SIGABRT, f"E_ENGINE_TRAP: {GUARD}")


def test_long_arguments_count_towards_the_c_stack(guest: Guest) -> None:
    """They lie on it: 1.8 MB of the 64 MiB."""
    assert run(guest(calls_itself(loops=900)), *["x" * 120_000] * 15).line == f"E_ENGINE_TRAP: {OVERFLOW}"


# ---- memory


GROWS = [
    pytest.param("(i32.const 1)", 1, id="within the limit"),
    pytest.param("(i32.const 31)", 1, id="to the limit"),
    pytest.param("(i32.const 32)", 255, id="over the limit"),
    pytest.param("(i32.const 65535)", 255, id="over 4 GiB"),
    pytest.param("(i32.const -1)", 255, id="the sum wraps"),
]


@pytest.mark.parametrize(("pages", "status"), GROWS)
def test_memory_grows_to_the_manifests_limit_only(guest: Guest, pages: str, status: int) -> None:
    assert run(guest(exit_with(f"(memory.grow {pages})"), limit=2 * MIB)).status == status


def test_memory_of_no_pages_stays_within_a_limit_below_a_page(guest: Guest) -> None:
    none = '(memory (export "memory") 0)'
    assert run(guest(exit_with("(memory.grow (i32.const 1))"), none, limit=65535)).status == 255
    assert run(guest(exit_with("(memory.grow (i32.const 1))"), none, limit=65536)).status == 0


@pytest.mark.parametrize("pages", [0, 1])
def test_stack_and_memory_end_at_guards(guest: Guest, pages: int) -> None:
    """Also a memory that begins with no pages: two mappings of 1 MiB without access, each behind one with access."""
    seen: list[str] = []

    def serve(vkernel: FakeVkernel, call: Call) -> bytes:
        seen.append((process_of(program) / "maps").read_text())
        return vkernel.usual(call)

    write_nothing = "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 8)))"
    program_body = start(f"(drop (memory.grow (i32.const 2))) {write_nothing}")
    program = guest(program_body, f'(memory (export "memory") {pages})')
    assert run(program, serve=serve).status == 0
    assert len(guards(seen[0])) == 2


def guards(maps: str) -> list[int]:
    """The addresses at which 1 MiB without access follows memory that can be written."""
    found, end = [], 0
    for line in maps.splitlines():
        area, access, *_ = line.split()
        first, last = (int(part, 16) for part in area.split("-"))
        if access == "---p" and last - first == MIB and first == end:
            found.append(first)
        end = last if access == "rw-p" else 0
    return found


def test_memory_keeps_its_content_and_is_zero_when_it_grows(guest: Guest) -> None:
    body = """(local $i i32)
      (i32.store (i32.const 65532) (i32.const 40))
      (loop $more
        (if (i32.ne (memory.grow (i32.const 3)) (i32.const -1)) (then
          (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100))))))
      (call $exit (i32.add (i32.load (i32.const 65532)) (i32.add (i32.load (i32.const 65536))
        (i32.load (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4))))))"""
    assert run(guest(start(body))).status == 40


def test_refuses_a_module_that_begins_with_more_memory_than_allowed(guest: Guest) -> None:
    outcome = run(guest(start(""), '(memory (export "memory") 33)', limit=2 * MIB))
    assert (outcome.status, outcome.code) == (125, "E_ENGINE_MEMORY")


# ---- modules


def blocks(count: int, opens: str = "(block ") -> str:
    return start(opens * count + ")" * count)


def test_takes_1000_nested_blocks(guest: Guest) -> None:
    assert run(guest(blocks(1000))).status == 0


def test_takes_1000_nested_ifs_with_results(guest: Guest) -> None:
    deep = "(i32.const 1) (if (result i32) (then " * 999 + "(i32.const 5)" + ") (else (i32.const 0)))" * 999
    assert run(guest(start(f"(call $exit (block (result i32) {deep}))"))).status == 5


REFUSED = [
    pytest.param(blocks(1001), "E_ENGINE_NESTING", id="1001 blocks"),
    pytest.param(blocks(1001, "(loop "), "E_ENGINE_NESTING", id="1001 loops"),
    pytest.param(start("(drop (v128.const i32x4 1 2 3 4))"), "E_ENGINE_OPCODE", id="SIMD"),
    pytest.param("(func $f (return_call $f))" + start(""), "E_ENGINE_OPCODE", id="tail call"),
    pytest.param(start("(drop (ref.null func))"), "E_ENGINE_OPCODE", id="reference types"),
    pytest.param(start("(drop (select (result i32) (i32.const 1) (i32.const 2) (i32.const 0)))"), "E_ENGINE_OPCODE"),
    pytest.param(
        "(table 1 funcref) (table 1 funcref)" + start("(call_indirect 1 (i32.const 0))"),
        "E_ENGINE_MODULE",
        id="two tables",
    ),
    pytest.param('(data $d "x")' + start("(data.drop $d)"), "E_ENGINE_OPCODE", id="passive data"),
    pytest.param("(global i32 (i32.add (i32.const 1) (i32.const 2)))" + start(""), "E_ENGINE_MODULE", id="extended"),
    pytest.param("(memory 1)" + start(""), "E_ENGINE_MODULE", id="two memories"),
    pytest.param('(func (export "_start") (param i32))', "E_ENGINE_MODULE", id="_start has a parameter"),
    pytest.param('(export "_start" (func $exit))', "E_ENGINE_MODULE", id="_start is an import"),
    # wasm3 would run the first of them.
    pytest.param(start("").replace("_start", r"_start\00x") + start(""), "E_ENGINE_MODULE", id="_start and a NUL"),
    pytest.param(start("(local " + "i64 " * 3000 + ")"), "E_ENGINE_MODULE", id="more locals than wasm3 has slots"),
]


@pytest.mark.parametrize(("functions", "code"), REFUSED)
def test_refuses_what_wasm3_does_not_have(guest: Guest, functions: str, code: str) -> None:
    outcome = run(guest(functions))
    assert (outcome.status, outcome.code) == (125, code)
    assert outcome.vkernel.calls == []


def test_refuses_an_import_with_another_signature(tmp_path: Path) -> None:
    module = wat2wasm(f'(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i64))) {MEMORY} {start("")})')
    assert run(write_program(tmp_path / "p", bytes(module))).code == "E_ENGINE_LINK"


def test_a_debug_name_cannot_stand_in_for_an_export(tmp_path: Path) -> None:
    """wasm3 looks functions up by the name section too; the first of that name would win."""
    functions = '(func $_start (call $exit (i32.const 1))) (func $x (export "_start") (call $exit (i32.const 2)))'
    module = bytes(wat2wasm(f"(module {IMPORTS} {MEMORY} {functions})"))
    assert b"\x04name" in module
    assert run(write_program(tmp_path / "p", module)).status == 2
