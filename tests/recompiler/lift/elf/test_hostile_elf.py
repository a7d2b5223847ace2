"""Files that lie: each is refused with an error that says why, or read as what it is; mutants by the thousand."""

from __future__ import annotations

import os
import secrets
import struct
from collections.abc import Callable

import pytest

from recompiler.errors import Error
from recompiler.lift import lifter
from recompiler.lift.elf import binary
from recompiler.lift.find import discover
from tests.recompiler.lift.elf.hostile.endure import endure
from tests.recompiler.lift.elf.hostile.tiny import CODE, DATA, LOAD, READ, Tiny, tiny
from tests.testbed import FIGURES

TEXT = tiny().get("ehdr.entry")

Change = dict[str, int] | Callable[[Tiny], None]


def cut(size: int) -> Change:
    def change(elf: Tiny) -> None:
        del elf.data[size:]

    return change


def swap(first: str, second: str) -> Change:
    """Two rows of the program header table change places."""

    def change(elf: Tiny) -> None:
        a, b = (elf.fields[f"phdr.{name}.type"][0] for name in (first, second))
        elf.data[a : a + 56], elf.data[b : b + 56] = elf.data[b : b + 56], elf.data[a : a + 56]

    return change


def many_headers(elf: Tiny) -> None:
    """2,000 program headers, all of the whole file."""
    elf.set("ehdr.phoff", len(elf.data))
    elf.set("ehdr.phnum", 2000)
    elf.data += struct.pack("<IIQQQQQQ", LOAD, 5, 0, 0x100000, 0, 64, 64, 16) * 2000


def same_bytes(elf: Tiny) -> None:
    """1,000 segments, each of the same 100,000 bytes of the file."""
    start = len(elf.data)
    elf.data += bytes(100_000)
    elf.set("ehdr.phoff", len(elf.data))
    elf.set("ehdr.phnum", 1000)
    for n in range(1000):
        address = 0x1000000 + n * 0x20000 + start
        elf.data += struct.pack("<IIQQQQQQ", LOAD, 4, start, address, 0, 100_000, 100_000, 16)


def relr_bomb(elf: Tiny) -> None:
    """RELR words of ones from the dynamic section on: 63 relocations each."""
    at = elf.fields["word.first"][0]
    elf.set("relr.address", at + DATA)
    elf.set("relr.bits", (1 << 64) - 1)
    elf.set("dynamic.relrsz.value", 1 << 20)


def wide_relr(elf: Tiny) -> None:
    """RELR's ones run over the end of the data segment."""
    elf.set("relr.bits", (1 << 64) - 1)


def endless_chain(elf: Tiny) -> None:
    """DT_GNU_HASH without DT_HASH, whose chain has no end before the segment's."""
    elf.set("dynamic.hash.tag", 0x6FFFFFFF)
    for name in ("gnu_hash.chain.a", "gnu_hash.chain.b"):
        elf.set(name, 0)
    start = elf.fields["gnu_hash.chain.b"][0]
    elf.data[start : elf.get("phdr.read.filesz")] = bytes(elf.get("phdr.read.filesz") - start)
    elf.set("phdr.frames.type", 0)


REFUSED: dict[str, tuple[Change, str]] = {
    "empty": (cut(0), "not an ELF"),
    "a piece of the header": (cut(40), "cut off"),
    "a header without its table": (cut(64), "program header"),
    "half of the file": (cut(900), "ends behind the file"),
    "without its last byte": (lambda elf: elf.data.pop() and None, "section header"),
    "another magic": ({"ehdr.ident": 0x00010102464C4580}, "not an ELF"),
    "32 bits": ({"ehdr.ident": 0x00010101464C457F}, "64-bit"),
    "big-endian": ({"ehdr.ident": 0x00010202464C457F}, "little-endian"),
    "aarch64": ({"ehdr.machine": 183}, "x86-64"),
    "an object file": ({"ehdr.type": 1}, "neither an executable"),
    "a core dump": ({"ehdr.type": 4}, "neither an executable"),
    "no program headers": ({"ehdr.phnum": 0}, "no segment"),
    "program headers of another size": ({"ehdr.phentsize": 32}, "has 32 bytes"),
    "2,000 program headers": (many_headers, "more than"),
    "program headers behind the file": ({"ehdr.phoff": 1 << 40}, "program header"),
    "no segment to load": ({f"phdr.{name}.type": 0 for name in ("read", "text", "data")}, "no segment"),
    "a segment behind the file": ({"phdr.text.offset": 1 << 50}, "ends behind"),
    "more file than memory": ({"phdr.data.memsz": 3}, "in memory"),
    "a segment above 4 GiB": ({"phdr.data.vaddr": (1 << 32) + DATA}, "4 GiB"),
    "a segment that wraps": ({"phdr.data.memsz": (1 << 64) - 1}, "4 GiB"),
    "an offset in another page": ({"phdr.text.vaddr": CODE + 1}, "within a page"),
    "overlapping segments": ({"phdr.read.memsz": 0x20000}, "shares a page"),
    "segments out of order": (swap("read", "data"), "out of order"),
    "1,000 segments of the same bytes": (same_bytes, "map more than the file has"),
    "text 2 GiB wide": ({"phdr.data.flags": 7, "phdr.data.memsz": 1 << 31}, "apart"),
    "an entry outside": ({"ehdr.entry": 1 << 40}, "entry point"),
    "an entry in data": ({"ehdr.entry": DATA + 1000}, "entry point"),
    "no code": ({"phdr.text.flags": 4, "ehdr.entry": 0, "dynamic.flags_1.value": 1}, "no executable"),
    "sections behind the file": ({"ehdr.shoff": 1 << 40}, "section header"),
    "65,535 sections": ({"ehdr.shnum": 0xFFFF}, "section header"),
    "sections of another size": ({"ehdr.shentsize": 40}, "has 40 bytes"),
    "a section behind the file": ({"shdr.symtab.size": 1 << 40}, "a section"),
    "names in no section": ({"ehdr.shstrndx": 77}, "has the names"),
    "an interpreter behind the file": ({"phdr.interp.offset": 1 << 40}, "PT_INTERP"),
    "thread-local data outside": ({"phdr.tls.vaddr": 0}, "PT_TLS"),
    "thread-local data without room": ({"phdr.tls.memsz": 4}, "PT_TLS"),
    "a dynamic section outside": ({"phdr.dynamic.vaddr": 0x7000000}, "dynamic section"),
    "names of symbols outside": ({"dynamic.strsz.value": 1 << 40}, "DT_STRTAB"),
    "symbols outside": ({"dynamic.symtab.value": 1 << 60}, "DT_SYMTAB"),
    "4 G symbols": ({"hash.chains": 0xFFFFFFFF}, "DT_SYMTAB"),
    "a hash outside": ({"dynamic.hash.value": 0}, "DT_HASH"),
    "4 G buckets": ({"dynamic.hash.tag": 0x6FFFFFFF, "gnu_hash.buckets": 0xFFFFFFFF}, "buckets"),
    "4 G words of bloom filter": ({"dynamic.hash.tag": 0x6FFFFFFF, "gnu_hash.bloom": 0xFFFFFFFF}, "buckets"),
    "a chain without end": (endless_chain, "DT_GNU_HASH"),
    "relocations outside": ({"dynamic.relasz.value": 24 << 40}, "relocation"),
    "a relocation of nothing": ({"rela.0.offset": 0}, "in no segment"),
    "a relocation at the end": ({"rela.0.offset": (1 << 64) - 4}, "in no segment"),
    "a relocation of code": ({"rela.0.offset": TEXT + 8}, "text relocations"),
    "RELR behind its segment": (relr_bomb, "DT_RELR"),
    "RELR over the end of data": (wide_relr, "DT_RELR"),
    "a frame table of another version": ({"frames.version": 9}, "version"),
    "a frame header outside": ({"phdr.frames.vaddr": 0}, "PT_GNU_EH_FRAME"),
    "frames outside": ({"frames.at": 0x7FFFFFFF}, "frame table"),
    "an FDE behind the table": ({"fde.cold.size": 0x10000}, "cut off"),
    "an FDE of 64 bits": ({"fde.start.size": 0xFFFFFFFF}, "cut off"),
    "an FDE that is its own CIE": ({"fde.start.cie": 4}, "CIE"),
    "two FDEs in a circle": ({"fde.start.cie": 28, "fde.other.cie": 28}, "CIE|cut off"),
    "a CIE before the table": ({"fde.other.cie": 0x7FFFFFFF}, "CIE"),
    "a CIE without end": ({"cie.size": 5}, "frame record|cut off|CIE"),
    "a CIE of version 9": ({"cie.version": 9}, "version"),
    "an unknown encoding": ({"cie.pointers": 0x1E}, "encoding"),
    "pointers relative to data": ({"cie.pointers": 0x3B}, "not supported"),
}

ACCEPTED: dict[str, Change] = {
    "as it is": {},
    "2 GiB of zeros": {"phdr.data.memsz": 1 << 31},
    "no section table": {"ehdr.shoff": 0, "ehdr.shnum": 0, "ehdr.shstrndx": 0},
    "no frame table": {"phdr.frames.type": 0, "shdr.eh_frame.name": 0},
    "sections that call data code": {"shdr.text.addr": DATA, "shdr.text.size": 200},
    "sections that call nothing code": {"shdr.text.flags": 2},
    "symbols of another section's names": {"shdr.symtab.link": 1},
    "symbols without names": {"symtab.1.name": 0xFFFFFFFF, "symtab.2.name": 0x7FFFFFFF},
    "symbols anywhere": {"symtab.1.value": (1 << 64) - 1, "symtab.2.value": TEXT + 5, "dynsym.1.value": READ},
    "a symbol of all memory": {"symtab.1.size": (1 << 64) - 1},
    "landing pads outside": {"lsda.pad": 0x7F},
    "call sites without end": {"lsda.length": 0xFF},
    "an LSDA outside": {"fde.thrower.lsda": 0x7FFFFFFF},
    "an LSDA of another kind": {"lsda.encoding": 0xFE},
    "an FDE of everything": {"fde.start.length": 0x7FFFFFFF},
    "FDEs of the same code": {"fde.other.start": 0, "fde.thrower.length": 0x20},
    "4 G FDEs": {"frames.number": 0xFFFFFFFF},
    "a table that leads nowhere": {"table.a": 0x7FFFFFFF, "table.c": 0},
    "init functions outside": {"dynamic.init.value": 1, "dynamic.init_array.value": 1 << 50},
    "1 T init functions": {"dynamic.init_arraysz.value": 8 << 40},
    "Go functions without end": {"go.count": (1 << 64) - 1},
    "Go functions backwards": {"go.thrower.entry": 0},
    "Go functions outside": {"go.text": (1 << 64) - 1},
    "Go functions of an end outside": {"go.end.entry": 0xFFFFFFFF},
    "Go functions elsewhere": {"go.rows": 1 << 63},
    "a file that needs no file": {"dynamic.needed.value": 1 << 60, "dynamic.soname.value": (1 << 64) - 1},
}


def changed(change: Change) -> bytes:
    elf = tiny()
    if isinstance(change, dict):
        for name, value in change.items():
            elf.set(name, value)
    else:
        change(elf)
    return bytes(elf.data)


@pytest.mark.parametrize("what", REFUSED)
def test_a_hostile_file_is_refused_with_a_reason(what: str) -> None:
    change, reason = REFUSED[what]
    with pytest.raises(Error, match=reason) as caught:
        discover.discover(binary.load(changed(change)))
    assert caught.value.code == "E_LIFT_ELF"


@pytest.mark.parametrize("what", ACCEPTED)
def test_a_file_with_lying_hints_is_read_as_the_kernel_would(what: str) -> None:
    program = discover.discover(binary.load(changed(ACCEPTED[what])))
    assert program.owner(program.binary.entry) is not None


def test_the_mutants_are_of_a_file_that_is_lifted() -> None:
    assert lifter.lift(bytes(tiny().data)).functions == 3
    (table,) = discover.discover(binary.load(bytes(tiny().data))).functions[0].tables.values()
    assert len(table.targets) == 4


@pytest.mark.figures
def test_mutants_end_in_a_program_or_an_error() -> None:
    count = 100_000 if FIGURES else 300
    seed = secrets.randbits(32)
    endured = endure(seed, range(count), jobs=min(os.cpu_count() or 1, 4))
    print(
        f"\n{count} mutants of seed {seed}: {dict(endured.kinds)}, the worst {endured.seconds:.2f} s, {endured.kib} KiB"
    )
    assert endured.failures == [], f"seed {seed}"
    assert sum(endured.kinds.values()) == count
    assert {"found", "refused"} <= endured.kinds.keys()
