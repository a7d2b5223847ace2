"""Lifted objects that are not what they were: cut, turned over, of another version, lying. Each is refused by code."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from recompiler import aot
from recompiler.errors import Error
from recompiler.format.wasm import PREAMBLE
from recompiler.lift import lifter
from recompiler.lift.emit import objectwriter
from recompiler.lift.object import ledger, liftedfile, objectfile
from recompiler.lift.object.liftedfile import AOT, ELF, SEAL, SEAL_SIZE
from recompiler.wasm import writer
from tests.testbed import recompiler

Edit = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def whole(small: Path) -> bytes:
    """A lifted object without an artifact."""
    elf = small.read_bytes()
    return b"".join(objectwriter.complete(lifter.lift(elf).module, elf, compiled=False))


def sealed(data: bytes) -> bytes:
    """Sealed anew, as somebody who lies would."""
    return data + writer.custom(SEAL, blake3(data).digest())


def refusal(path: Path, data: bytes, act: Callable[[Path], object] = liftedfile.read) -> str:
    """The code with which an object of these bytes is refused; '' when it is not."""
    path.write_bytes(data)
    try:
        act(path)
    except Error as e:
        return e.code
    return ""


def document(**changes: Any) -> Edit:
    """The object with fields of its document set, or removed (None)."""

    def edit(data: bytes) -> bytes:
        contents = objectfile.sections(data)[objectfile.SECTION]
        size = int.from_bytes(contents[:4], "little")
        fields = {**json.loads(contents[4 : 4 + size]), **changes}
        text = json.dumps({name: value for name, value in fields.items() if value is not None}).encode()
        return replaced(data, objectfile.SECTION, len(text).to_bytes(4, "little") + text + contents[4 + size :])

    return edit


def replaced(data: bytes, name: bytes, contents: bytes) -> bytes:
    """The object with another section of this name behind all others: the last one counts."""
    return sealed(data[:-SEAL_SIZE] + writer.custom(name, contents))


def test_an_object_as_it_was_written_is_read(whole: bytes, small: Path, tmp_path: Path) -> None:
    assert refusal(tmp_path / "object", whole) == ""
    found = liftedfile.read(tmp_path / "object")
    assert found.elf == small.read_bytes()
    assert ledger.rows(found.unlifted) == lifter.lift(found.elf).ledger.rows
    assert liftedfile.is_lifted(tmp_path / "object")


def test_an_object_that_is_cut_off_anywhere_is_refused(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "object"
    places = [*range(64), *range(64, len(whole), len(whole) // 200), *range(len(whole) - 64, len(whole))]
    codes = {refusal(path, whole[:at]) for at in places}
    assert codes == {"E_WASM_HEADER", "E_WASM_INVALID"}
    assert refusal(path, whole + b"\0") == "E_WASM_INVALID"


def test_an_object_with_a_bit_turned_over_is_refused(whole: bytes, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for bit in [chance.randrange(len(whole) * 8) for _ in range(300)]:
        data = bytearray(whole)
        data[bit >> 3] ^= 1 << (bit & 7)
        assert refusal(tmp_path / "object", bytes(data)) in ("E_DIGEST", "E_WASM_HEADER", "E_WASM_INVALID"), bit


LIES: dict[str, tuple[Edit, str]] = {
    "another ELF file": (lambda data: replaced(data, ELF, b"\x7fELF"), "E_DIGEST"),
    "no document": (lambda data: replaced(data, objectfile.SECTION, b""), "E_WASM_INVALID"),
    "a document longer than its section": (
        lambda data: replaced(data, objectfile.SECTION, b"\xff\xff\xff\x7f{}"),
        "E_WASM_INVALID",
    ),
    "another schema": (document(schema="recompiler/lift/v9"), "E_WASM_INVALID"),
    "a field too many": (document(more=1), "E_WASM_INVALID"),
    "a field too few": (document(base=None), "E_WASM_INVALID"),
    "a text of 4 GiB": (document(text_size=1 << 32), "E_WASM_INVALID"),
    "a text of no bytes": (document(text_size=0), "E_WASM_INVALID"),
    "a negative address": (document(text_start=-1), "E_WASM_INVALID"),
    "entries outside the text": (document(text_start=0x7000_0000), "E_WASM_INVALID"),
    "entries behind the text": (document(text_size=16), "E_WASM_INVALID"),
    "more functions than there are": (document(functions=100_000), "E_WASM_INVALID"),
    "more functions than there can be": (document(functions=1 << 40), "E_WASM_INVALID"),
    "a coverage that is none": (document(coverage={"functions": {}}), "E_WASM_INVALID"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_object_that_lies_is_refused_though_it_is_sealed(lie: str, whole: bytes, tmp_path: Path) -> None:
    edit, code = LIES[lie]
    assert refusal(tmp_path / "object", edit(whole)) == code


@pytest.mark.parametrize(
    "lines",
    [
        b"x",
        b"0x1\n",
        b"0x1\tc3\tret\tno form",
        b"0x2\tc3\tret\tno\n0x1\tc3\tret\tno\n",
        b"0x1\tc3\tr\xff\tno\n",
        b"\0\n",
    ],
)
def test_lines_of_a_ledger_that_are_none_are_refused(lines: bytes) -> None:
    with pytest.raises(Error, match="E_WASM_INVALID"):
        ledger.rows(lines)


def test_objects_of_other_engines_and_versions_are_refused_when_they_run_and_can_be_looked_at(
    whole: bytes, tmp_path: Path
) -> None:
    target = liftedfile.target()
    head = f"{aot.engine()} {aot.settings(target)}".encode()
    path = tmp_path / "object.lifted"

    def use(path: Path) -> None:
        found = liftedfile.read(path)
        found.of_this_version()
        found.artifact(target)

    assert refusal(path, whole, use) == "E_AOT_MISSING"
    for section, code in ((head + b"\0code", ""), (b"x" + head + b"\0code", "E_AOT_FOREIGN"), (b"", "E_AOT_FOREIGN")):
        assert refusal(path, replaced(whole, AOT + target.encode(), section), use) == code
    path.write_bytes(document(lifter="0.0.7")(whole))
    run = recompiler("run", path, check=False)
    assert (run.returncode, run.stderr.startswith(b"recompiler: E_AOT_FOREIGN: ")) == (11, True)
    assert b"0.0.7" in run.stderr
    assert b"lift again" in recompiler("inspect", path).stdout


def test_commands_refuse_a_broken_object_in_one_line(whole: bytes, small: Path, tmp_path: Path) -> None:
    path = tmp_path / "object.lifted"
    damaged = bytearray(whole)
    damaged[5000] ^= 1
    for command, data, code in (
        ("run", whole[: len(whole) // 2], b"E_WASM_INVALID"),
        ("inspect", whole[: len(whole) // 2], b"E_WASM_INVALID"),
        ("run", bytes(damaged), b"E_DIGEST"),
        ("inspect", PREAMBLE, b"E_WASM_INVALID"),
        ("run", small.read_bytes(), b"E_WASM_HEADER"),
    ):
        path.write_bytes(data)
        result = recompiler(command, path, check=False)
        assert result.returncode in (11, 12)
        assert result.stderr.splitlines()[0].startswith(b"recompiler: " + code)
        assert len(result.stderr.splitlines()) == 1
