"""In: a file's bytes, chunk by chunk. Out: what kind of program it is, and its BLAKE3; None for what is no program."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from blake3 import blake3

from recompiler.format import shebang
from recompiler.format.trailer import MAGIC
from recompiler.image.stream import CHUNK

MACHINES = {3: "i386", 8: "mips", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
ET_EXEC, ET_DYN = 2, 3
PT_DYNAMIC, PT_INTERP = 2, 3
DT_SONAME, DT_FLAGS_1, DF_1_PIE = 14, 0x6FFFFFFB, 0x08000000
HEADERS_MAX = 1024  # program headers looked at
INTERPRETER_MAX = 1024
WASM = {b"\x01\0\0\0": "module", b"\x0d\0\x01\0": "component"}


@dataclass(frozen=True, slots=True)
class Program:
    """A file that a container could run, or load into what it runs."""

    format: str  # elf | script | wasm
    machine: str | None  # x86_64, aarch64, ... for elf
    linkage: str | None  # static | static-pie | dynamic | pie | library; for wasm module | component
    interpreter: str | None  # PT_INTERP, or what follows #!
    argument: str | None  # of a script's first line
    trailer: bool  # the last 16 bytes are a trailer's MAGIC; says nothing about its signature
    size: int
    blake3: str

    @property
    def kind(self) -> str:
        """In words: `elf x86_64 pie`, `script /bin/sh`."""
        words = [self.format, self.machine, self.linkage, self.interpreter if self.format == "script" else None]
        return " ".join(word for word in words if word) + (" +trailer" if self.trailer else "")


def program(chunks: Iterator[bytes], size: int, mode: int) -> Program | None:
    """Reads `chunks` (CHUNK bytes each but the last) to the end if they begin like a program, else only the first.

    A script counts only with an execute bit in `mode`; ELF and wasm files always do (libraries have none).
    """
    head = next(chunks, b"")
    format_ = _format(head, mode)
    if format_ is None:
        return None
    elf = _ElfParts(head) if format_ == "elf" else None
    digest = blake3()
    last = b""
    at = 0
    for chunk in chain([head], chunks):
        digest.update(chunk)
        last = (last + chunk)[-len(MAGIC) :]
        if elf:
            elf.feed(at, chunk)
        at += len(chunk)
    machine = linkage = interpreter = argument = None
    if elf:
        machine, (interpreter, linkage) = elf.machine, elf.verdict()
    elif format_ == "script":
        line = shebang.parse(head)
        interpreter, argument = (line.interpreter, line.argument) if line else (None, None)
    else:
        linkage = WASM[head[4:8]]
    trailer = elf is not None and last == MAGIC
    return Program(format_, machine, linkage, interpreter, argument, trailer, size, digest.hexdigest())


def _format(head: bytes, mode: int) -> str | None:
    if head.startswith(b"\x7fELF") and len(head) >= 52 and _elf_type(head) in (ET_EXEC, ET_DYN):
        return "elf"
    if head.startswith(b"#!") and mode & 0o111:
        return "script"
    return "wasm" if head.startswith(b"\0asm") and head[4:8] in WASM else None


def _elf_type(head: bytes) -> int:
    return _half(head, 16)


def _half(head: bytes, at: int) -> int:
    """A 16-bit field in the byte order that the ELF states (EI_DATA)."""
    return int.from_bytes(head[at : at + 2], "big" if head[5] == 2 else "little")


def _text(data: bytes) -> str | None:
    return data.partition(b"\0")[0].decode("utf-8", "surrogateescape") or None


class _ElfParts:
    """Collects PT_INTERP's string and the dynamic section while an ELF streams by; both may lie anywhere."""

    def __init__(self, head: bytes) -> None:
        number = _half(head, 18)
        self.machine = MACHINES.get(number, f"machine-{number}")
        self.type = _elf_type(head)
        self.readable = head[4] == 2 and head[5] == 1 and len(head) >= 64  # ELF64, little-endian
        self.parts: dict[int, tuple[int, bytearray]] = {}  # PT_* -> offset in the file, bytes
        self.sizes: dict[int, int] = {}
        if self.readable:
            self._headers(head)

    def _headers(self, head: bytes) -> None:
        offset, entry_size, count = *struct.unpack_from("<Q", head, 32), *struct.unpack_from("<HH", head, 54)
        if entry_size != 56 or count > HEADERS_MAX or offset + count * 56 > len(head):
            self.readable = count == 0
            return
        for i in range(count):
            kind, _, at, _, _, length = struct.unpack_from("<IIQQQQ", head, offset + 56 * i)
            if kind in (PT_INTERP, PT_DYNAMIC) and kind not in self.parts:
                self.parts[kind] = (at, bytearray())
                self.sizes[kind] = min(length, INTERPRETER_MAX if kind == PT_INTERP else CHUNK)

    def feed(self, at: int, chunk: bytes) -> None:
        for kind, (offset, held) in self.parts.items():
            begin = offset + len(held)
            end = min(offset + self.sizes[kind], at + len(chunk))
            if at <= begin < end:
                held += chunk[begin - at : end - at]

    def verdict(self) -> tuple[str | None, str | None]:
        """Interpreter and linkage."""
        if not self.readable:
            return None, None
        interpreter = _text(bytes(self.parts[PT_INTERP][1])) if PT_INTERP in self.parts else None
        if self.type == ET_EXEC:
            return interpreter, "dynamic" if interpreter else "static"
        tags = self._tags()
        pie = bool(tags.get(DT_FLAGS_1, 0) & DF_1_PIE)
        if interpreter and (pie or DT_SONAME not in tags):  # libc.so.6 has both an interpreter and a SONAME
            return interpreter, "pie"
        return interpreter, "static-pie" if pie else "library"

    def _tags(self) -> dict[int, int]:
        if PT_DYNAMIC not in self.parts:
            return {}
        held = self.parts[PT_DYNAMIC][1]
        tags: dict[int, int] = {}
        for tag, value in struct.iter_unpack("<QQ", held[: len(held) // 16 * 16]):
            if tag == 0:  # DT_NULL ends the table
                break
            tags[tag] = value
        return tags
