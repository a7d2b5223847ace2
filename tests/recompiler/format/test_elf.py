"""In: ELF files. Out: E_STUB_ELF, the extent, the recompiler note."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from recompiler.errors import Error
from recompiler.format import elf
from recompiler.signing import stubs
from tests.format import builder as b


def test_a_minimal_elf_passes_and_ends_where_it_ends() -> None:
    elf.check(b.elf())
    elf.check_extent(b.elf())


def test_this_interpreter_is_an_elf_whose_tables_reach_its_end() -> None:
    data = Path(sys.executable).resolve().read_bytes()
    elf.check(data)
    assert elf.extent(data) <= len(data)
    assert len(data) - elf.extent(data) < 64


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b.elf()[:63],
        b"\x7fELG" + b.elf()[4:],
        b.elf(class_=1),
        b.elf(data=2),
        b.elf(type=1),
        b.elf(type=4),
        b.elf(3),
    ],
    ids=["nothing", "63 bytes", "another name", "32-bit", "big-endian", "relocatable", "core", "i386"],
)
def test_what_is_no_stub_is_refused(data: bytes) -> None:
    with pytest.raises(Error, match="E_STUB_ELF"):
        elf.check(data)


@pytest.mark.parametrize("change", [b"", b"\0", b"x" * 16], ids=["cut", "one byte more", "16 bytes more"])
def test_a_stub_that_does_not_end_at_its_extent_is_refused(change: bytes) -> None:
    data = b.elf() + change if change else b.elf()[:-1]
    with pytest.raises(Error, match="E_STUB_EXTENT"):
        elf.check_extent(data)


@pytest.mark.parametrize(
    "fields",
    [{"phoff": 2**64 - 1}, {"phnum": 65535}, {"shnum": 65535, "shoff": 2**63}, {"filesz": 2**64 - 1}],
    ids=str,
)
def test_hostile_tables_are_refused_and_nothing_else(fields: dict[str, int]) -> None:
    with pytest.raises(Error, match="E_STUB_EXTENT"):
        elf.check_extent(b.elf(**fields))


def with_note(owner: bytes, text: bytes) -> bytes:
    note = struct.pack("<III", len(owner), len(text), 1) + owner.ljust(-(-len(owner) // 4) * 4, b"\0")
    note += text.ljust(-(-len(text) // 4) * 4, b"\0")
    head = bytearray(b.elf()[:64])
    struct.pack_into("<H", head, 56, 1)
    row = struct.pack("<IIQQQQQQ", 4, 4, 120, 0, 0, len(note), len(note), 4)
    return bytes(head) + row + note


def test_the_note_of_a_stub_is_read() -> None:
    assert elf.note(with_note(b"recompiler\0", b"stub 0.1.0 development x86_64-linux\0")) == (
        "stub 0.1.0 development x86_64-linux"
    )
    assert elf.note(with_note(b"GNU\0", b"x")) is None
    assert elf.note(b.elf()) is None


@pytest.mark.parametrize("name", stubs.NAMES)
def test_each_built_stub_names_itself_and_ends_at_its_extent(name: str) -> None:
    path = stubs.FOLDER / f"stub-{name}"
    if not path.exists():
        pytest.skip(f"the stub {name} is not built")
    data = path.read_bytes()
    elf.check(data)
    elf.check_extent(data)
    text = elf.note(data)
    assert text is not None
    kind = "development" if name.endswith("-dev") else "production"
    assert text.split()[0] == "stub"
    assert text.split()[2:] == [kind, name.removesuffix("-dev")]
