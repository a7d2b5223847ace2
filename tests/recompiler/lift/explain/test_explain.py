"""recompiler lift --explain: an address in, its block beside its wasm out."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from recompiler.errors import Error
from recompiler.lift import lifter
from recompiler.lift.elf import binary
from recompiler.lift.emit import objectwriter
from recompiler.lift.emit.body import emit
from recompiler.lift.explain import explanation
from recompiler.lift.explain.wat import Printer
from recompiler.lift.find import discover
from recompiler.lift.lifter import plan
from recompiler.lift.plan.flow import FlagsAcross
from recompiler.lift.plan.links import Links
from tests.testbed import recompiler

Find = Callable[[Path, str], int]


def explained(path: Path, address: int) -> list[str]:
    return list(explanation.lines(path, hex(address)))


def test_a_block_is_shown_with_its_function_and_its_registers(small: Path, symbol: Find) -> None:
    address = symbol(small, "half")
    text = "\n".join(explained(small, address))
    assert f"function half at {address:#x}: wasm function " in text
    assert re.search(rf"block {address:#x}\.\.0x\w+: ret; then leaves", text)
    assert re.search(r"live at its start: .*\brsp\b.*\bxmm0\b", text)
    assert re.search(r"spilled where it leaves the function: .*\brsp\b.*\bxmm0\b", text)
    assert re.search(rf"(?m)^> {address:#x}  [0-9a-f ]+ \w+", text)
    assert re.search(r"f2 0f 59 .* mulsd xmm0, \[0x\w+\] ", text)
    assert "f64.mul" in text


def test_an_address_inside_an_instruction_names_the_instruction(small: Path, symbol: Find) -> None:
    start = symbol(small, "half")
    rows = [re.match(r"[> ] (0x\w+)  ((?:[0-9a-f]{2} )+)", line) for line in explained(small, start)]
    long = next(row for row in rows if row and len(row[2].split()) > 3)
    for offset in range(len(long[2].split())):
        chosen = [line for line in explained(small, int(long[1], 16) + offset) if line.startswith(">")]
        assert [line.split()[1] for line in chosen] == [long[1]]


def test_a_lifted_object_and_the_linked_address_of_a_pie_explain_the_same(
    small_pie: Path, symbol: Find, tmp_path: Path
) -> None:
    linked = symbol(small_pie, "half")
    elf = small_pie.read_bytes()
    lifted = tmp_path / "small.lifted"
    lifted.write_bytes(b"".join(objectwriter.complete(lifter.lift(elf).module, elf, compiled=False)))
    wanted = explained(small_pie, linked + lifter.BASE)
    assert f"function half at {linked + lifter.BASE:#x}" in wanted[0]
    assert explained(small_pie, linked) == wanted
    assert explained(lifted, linked + lifter.BASE) == wanted


def test_what_is_not_lifted_is_shown_with_its_reason(small: Path, symbol: Find) -> None:
    text = "\n".join(explained(small, symbol(small, "trap")))
    assert "vzeroupper" in text
    assert "call $unlifted" in text
    assert f"not lifted from {symbol(small, 'trap'):#x} on: no form: VZEROUPPER" in text


@pytest.mark.parametrize("address", ["0", "ffffffffffffffffff"])
def test_an_address_outside_the_text_is_refused_with_the_text(small: Path, address: str) -> None:
    result = recompiler("lift", f"--explain={address}", small, check=False)
    assert (result.returncode, result.stdout) == (2, b"")
    assert re.fullmatch(rb"recompiler: E_USAGE: \S+: \S+ is not in the text, which is 0x\w+\.\.0x\w+\n", result.stderr)


def test_data_in_the_text_and_what_is_no_address_are_refused(small: Path) -> None:
    start, end = discover.discover(binary.load(small.read_bytes())).gaps[0]
    with pytest.raises(Error, match="it is padding or data"):
        explained(small, (start + end) // 2)
    for place in ("main", "-1", "0x", "0xg", ""):
        with pytest.raises(Error, match="no function is called"):
            list(explanation.lines(small, place))


def test_a_function_is_found_by_its_name(small: Path, symbol: Find) -> None:
    assert list(explanation.lines(small, "half")) == explained(small, symbol(small, "half"))


def test_every_instruction_of_wasm_stands_beside_one_x86_instruction(small: Path) -> None:
    program = discover.discover(binary.load(small.read_bytes()))
    links = Links.of(program)
    for function in program.functions:
        marks: list[tuple[int, int]] = []
        code = emit(*plan(function, FlagsAcross()), links, marks)
        stops = [address for address, _ in code.unlifted]
        marked = {address for _, address in marks}
        for block in function.blocks.values():
            behind = [at for at in block.addresses() if not any(block.start <= stop < at for stop in stops)]
            assert marked.issuperset(behind)
        offsets = [offset for offset, _ in marks]
        assert offsets == sorted(offsets)
        pieces, whole = Printer(str), Printer(str)
        spans = zip(offsets, [*offsets[1:], len(code.code)], strict=True)
        beside = [line for begin, end in spans for line in pieces.lines(code.code[begin:end])]
        assert beside == list(whole.lines(code.code[offsets[0] :]))
        assert beside[-1] == "end"
        assert whole.depth == 0
