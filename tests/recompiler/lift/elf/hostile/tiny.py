"""In: nothing. Out: an ELF of two KiB that has every table the lifter reads, and the place of every field in it.

A position-independent program: three segments that share the file's pages, a table jump, a cold part, a landing pad,
symbols, both hashes, RELA and RELR, TLS, init array, frame tables, Go's table of functions and sections.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

READ, CODE, DATA = 0x10000, 0x21000, 0x32000  # what is added to a file offset to give an address, by segment
LOAD, DYNAMIC, INTERP, TLS, EH_FRAME, STACK, RELRO = 1, 2, 3, 7, 0x6474E550, 0x6474E551, 0x6474E552
EHDR: Final = ("ident16", "type2", "machine2", "version4", "entry8", "phoff8", "shoff8", "flags4", "ehsize2")
EHDR_END: Final = ("phentsize2", "phnum2", "shentsize2", "shnum2", "shstrndx2")
PHDR: Final = ("type4", "flags4", "offset8", "vaddr8", "paddr8", "filesz8", "memsz8", "align8")
SHDR: Final = ("name4", "type4", "flags8", "addr8", "offset8", "size8", "link4", "info4", "align8", "entsize8")
SYM: Final = ("name4", "info1", "other1", "section2", "value8", "size8")
GO: Final = ("magic4", "rest4", "count8", "files8", "text8", "names8", "units8", "paths8", "counters8", "rows8")
RELA: Final = ("offset8", "kind4", "symbol4", "addend8")
# fmt: off
TAGS: Final = {
    "needed": 1, "pltrelsz": 2, "hash": 4, "strtab": 5, "symtab": 6, "rela": 7, "relasz": 8, "relaent": 9, "strsz": 10,
    "syment": 11, "init": 12, "soname": 14, "jmprel": 23, "init_array": 25, "init_arraysz": 27, "relrsz": 35,
    "relr": 36, "relrent": 37, "gnu_hash": 0x6FFFFEF5, "flags_1": 0x6FFFFFFB,
}
# fmt: on


@dataclass
class Tiny:
    """data: the file. fields: name of a field -> (offset, bytes), for all that is a number of its own."""

    data: bytearray = field(default_factory=bytearray)
    fields: dict[str, tuple[int, int]] = field(default_factory=dict)

    def put(self, name: str, size: int, value: int) -> int:
        at = len(self.data)
        self.fields[name] = at, size
        self.data += (value % (1 << 8 * size)).to_bytes(size, "little")
        return at

    def row(self, name: str, columns: tuple[str, ...], values: tuple[int, ...]) -> int:
        """A row of a table: each column's name ends in its size."""
        at = len(self.data)
        for column, value in zip(columns, values, strict=True):
            text = column.rstrip("0123456789")
            self.put(f"{name}.{text}", int(column[len(text) :]), value)
        return at

    def set(self, name: str, value: int) -> None:
        at, size = self.fields[name]
        self.data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, "little")

    def get(self, name: str) -> int:
        at, size = self.fields[name]
        return int.from_bytes(self.data[at : at + size], "little")

    def align(self, to: int) -> int:
        self.data += bytes(-len(self.data) % to)
        return len(self.data)


def tiny() -> Tiny:
    """The file; fields that are known only later are set at the end."""
    elf = Tiny()
    elf.row("ehdr", EHDR, (0x00010102464C457F, 3, 62, 1, 0, 64, 0, 0, 64))
    elf.row("ehdr", EHDR_END, (56, 9, 64, 0, 0))
    kinds = {"read": LOAD, "text": LOAD, "data": LOAD, "dynamic": DYNAMIC, "interp": INTERP, "tls": TLS}
    kinds |= {"frames": EH_FRAME, "stack": STACK, "relro": RELRO}
    for name, kind in kinds.items():
        elf.row(f"phdr.{name}", PHDR, (kind, 4, 0, 0, 0, 0, 0, 16))
    at = _read_only(elf)
    _text(elf, at)
    _data(elf, at)
    _sections(elf, at)
    return elf


def _segment(elf: Tiny, name: str, start: int, end: int, base: int, flags: int, more: int = 0) -> None:
    pairs = {"flags": flags, "offset": start, "vaddr": start + base, "paddr": start + base, "filesz": end - start}
    for column, value in {**pairs, "memsz": end - start + more}.items():
        elf.set(f"phdr.{name}.{column}", value)


def _read_only(elf: Tiny) -> dict[str, int]:
    """Names and symbols of the dynamic section, hashes, relocations, a switch's table."""
    at: dict[str, int] = {}
    at["interp"] = len(elf.data)
    elf.data += b"/lib/ld.so\0"
    _segment(elf, "interp", at["interp"], len(elf.data), READ, 4)
    at["dynstr"] = len(elf.data)
    elf.data += b"\0one\0two\0libc.so\0"
    at["dynstr.end"] = len(elf.data)
    at["dynsym"] = elf.align(8)
    elf.row("dynsym.0", SYM, (0, 0, 0, 0, 0, 0))
    elf.row("dynsym.1", SYM, (1, 0x12, 0, 1, 0, 8))
    elf.row("dynsym.2", SYM, (5, 0x12, 0, 0, 0, 0))
    at["hash"] = len(elf.data)
    elf.row("hash", ("buckets4", "chains4", "bucket4", "chain.a4", "chain.b4", "chain.c4"), (1, 3, 1, 0, 2, 0))
    at["gnu_hash"] = elf.align(8)
    elf.row("gnu_hash", ("buckets4", "first4", "bloom4", "shift4", "filter8"), (1, 1, 1, 6, -1))
    elf.row("gnu_hash", ("bucket4", "chain.a4", "chain.b4"), (1, 0x1234, 0x1235))
    at["rela"] = elf.align(8)
    elf.row("rela.0", RELA, (0, 8, 0, 0))
    at["jmprel"] = elf.row("jmprel.0", RELA, (0, 7, 2, 0))
    at["relr"] = len(elf.data)
    elf.row("relr", ("address8", "bits8"), (0, 0b11))
    at["relr.end"] = len(elf.data)
    at["table"] = elf.align(4)
    elf.row("table", ("a4", "b4", "c4", "d4"), (0, 0, 0, 0))
    at["lsda"] = elf.row("lsda", ("start1", "type1", "encoding1", "length1"), (0xFF, 0xFF, 1, 4))
    elf.row("lsda", ("from1", "size1", "pad1", "action1"), (0, 5, 6, 0))
    at["frames"] = elf.align(4)
    elf.row("frames", ("version1", "pointer1", "count1", "table1", "at4", "number4"), (1, 0x1B, 3, 0xFF, 4, 4))
    elf.set("frames.at", 8)
    at["cie"] = elf.row("cie", ("size4", "id4", "version1"), (24, 0, 1))
    elf.data += b"zLR\0"
    elf.row("cie", ("code1", "data1", "ra1", "length1", "lsda1", "pointers1"), (1, 0x78, 16, 2, 0x1B, 0x1B))
    elf.data += b"\x0c\x07\x08\x90\x01\0\0\0\0"
    for name in ("start", "other", "thrower", "cold"):
        at[f"fde.{name}"] = elf.row(f"fde.{name}", ("size4", "cie4", "start4", "length4", "more1"), (20, 0, 0, 0, 4))
        elf.row(f"fde.{name}", ("lsda4",), (0,))
        elf.data += b"\x0e\x10\0" if name == "cold" else bytes(3)
    elf.put("frames.end", 4, 0)
    at["go"] = elf.align(8)
    elf.row("go", GO, (0xFFFFFFF1, 0x08010000, 3, 1, 0, 72, 72, 72, 72, 72))
    for name in ("start", "other", "thrower", "end"):
        elf.row(f"go.{name}", ("entry4", "function4"), (0, 0))
    at["read.end"] = elf.align(16)
    _segment(elf, "read", 0, at["read.end"], READ, 4)
    _segment(elf, "frames", at["frames"], at["cie"], READ, 4)
    return at


def _text(elf: Tiny, at: dict[str, int]) -> None:
    """A switch, a call, a branch to a cold part, a function with a landing pad."""
    start = len(elf.data)
    jumps: list[tuple[int, str]] = []

    def code(text: str, label: str = "") -> None:
        elf.data += bytes.fromhex(text)
        if label:
            jumps.append((len(elf.data), label))
            elf.data += bytes(4)

    at["start"] = start
    code("31ed83ff03")
    code("0f87", "default")
    code("488d15", "table")
    code("48630cba4801d1ffe1")
    for name in "abcd":
        at[name] = len(elf.data)
        code("b801000000c3")
    at["default"] = len(elf.data)
    code("e8", "other")
    code("b83c0000000f05f4")
    at["other"] = elf.align(16)
    code("5385ff")
    code("0f84", "cold")
    at["back"] = len(elf.data)
    code("5bc3")
    at["thrower"] = elf.align(16)
    code("e8", "other")
    code("c358c3")
    at["cold"] = len(elf.data)
    code("ff25", "got")
    code("e9", "back")
    at["text.end"] = elf.align(16)
    at["got"] = at["text.end"] + 24
    for place, label in jumps:
        base = {"table": READ, "got": DATA}.get(label, CODE)
        struct.pack_into("<i", elf.data, place, at[label] + base - (place + 4 + CODE))
    for name in "abcd":
        elf.set(f"table.{name}", at[name] + CODE - at["table"] - READ)
    ends = {"start": "other", "other": "thrower", "thrower": "cold", "cold": "text.end"}
    for name, end in ends.items():
        row = elf.fields[f"fde.{name}.cie"][0]
        elf.set(f"fde.{name}.cie", row - at["cie"])
        elf.set(f"fde.{name}.start", at[name] + CODE - (row + 4 + READ))
        elf.set(f"fde.{name}.length", at[end] - at[name])
    elf.set("fde.thrower.lsda", at["lsda"] - elf.fields["fde.thrower.lsda"][0])
    elf.set("go.text", start + CODE)
    for name, place in {"other": "other", "thrower": "thrower", "end": "cold"}.items():
        elf.set(f"go.{name}.entry", at[place] - start)
    elf.set("dynsym.1.value", at["other"] + CODE)
    elf.set("ehdr.entry", start + CODE)
    _segment(elf, "text", start, len(elf.data), CODE, 5)


def _data(elf: Tiny, at: dict[str, int]) -> None:
    """Pointers to code, the dynamic section, thread-local data; half a page of zeros behind them."""
    start = len(elf.data)
    for name in ("first", "second", "third", "got"):
        elf.put(f"word.{name}", 8, at["other"] + CODE)
    assert at["got"] == elf.fields["word.got"][0]
    elf.set("relr.address", start + DATA)
    elf.set("rela.0.offset", start + 16 + DATA)
    elf.set("rela.0.addend", at["c"] + CODE)
    elf.set("jmprel.0.offset", at["got"] + DATA)
    values = {"needed": 9, "pltrelsz": 24, "relasz": 24, "relaent": 24, "strsz": at["dynstr.end"] - at["dynstr"]}
    values |= {"syment": 24, "soname": 1, "relrsz": 16, "relrent": 8, "flags_1": 0x08000001, "init_arraysz": 16}
    places = {"strtab": "dynstr", "symtab": "dynsym", "init": "start"}
    at["dynamic"] = len(elf.data)
    for name, tag in TAGS.items():
        if name == "init_array":
            value = start + DATA
        elif name in values:
            value = values[name]
        else:
            value = at[places.get(name, name)] + (CODE if name == "init" else READ)
        elf.row(f"dynamic.{name}", ("tag8", "value8"), (tag, value))
    elf.row("dynamic.end", ("tag8", "value8"), (0, 0))
    at["dynamic.end"] = len(elf.data)
    at["tls"] = len(elf.data)
    elf.data += b"thread!\0"
    at["data.end"] = len(elf.data)
    _segment(elf, "data", start, len(elf.data), DATA, 6, more=2048)
    _segment(elf, "relro", start, at["dynamic.end"], DATA, 4)
    _segment(elf, "dynamic", at["dynamic"], at["dynamic.end"], DATA, 6)
    _segment(elf, "tls", at["tls"], len(elf.data), DATA, 4, more=8)


def _sections(elf: Tiny, at: dict[str, int]) -> None:
    """What only tools read: symbols and the section table."""
    names = b"\0.text\0.eh_frame\0.symtab\0.strtab\0"
    at["strtab"] = len(elf.data)
    elf.data += names
    at["symtab"] = elf.align(8)
    elf.row("symtab.0", SYM, (0, 0, 0, 0, 0, 0))
    elf.row("symtab.1", SYM, (1, 0x02, 0, 1, at["start"] + CODE, at["other"] - at["start"]))
    elf.row("symtab.2", SYM, (7, 0x02, 0, 1, at["cold"] + CODE, at["text.end"] - at["cold"]))
    sections = {
        "null": (0, 0, 0, 0, 0, 0, 0),
        "text": (1, 1, 6, at["start"] + CODE, at["start"], at["text.end"] - at["start"], 0),
        "eh_frame": (7, 1, 2, at["cie"] + READ, at["cie"], at["read.end"] - at["cie"], 0),
        "symtab": (17, 2, 0, 0, at["symtab"], 72, 4),
        "strtab": (25, 3, 0, 0, at["strtab"], len(names), 0),
    }
    elf.set("ehdr.shoff", len(elf.data))
    elf.set("ehdr.shnum", len(sections))
    elf.set("ehdr.shstrndx", 4)
    for name, values in sections.items():
        elf.row(f"shdr.{name}", SHDR, (*values, 0, 1, 24 if name == "symtab" else 0))
