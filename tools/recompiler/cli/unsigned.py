"""In: what a person wants to run. Out: an Error that says what it is and what to do, when it has no trailer.

It lets nothing through: the verifier looks at every file again, and has the same codes for these (docs/format.md,
stages 0 and 1), with words that fit any file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from recompiler.errors import Error
from recompiler.format import bundle, files, trailer
from recompiler.format.source import FileSource
from recompiler.image import kind
from recompiler.image.kind import Program
from recompiler.image.stream import CHUNK

LOOKED_AT: Final = 64 << 20  # bytes: an ELF file's dynamic section is in the first few MiB
TAR: Final = (257, b"ustar")  # tar(5): offset, magic
TEXT: Final = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\n\r\f\x1b") | frozenset(range(0x80, 0x100))

_STATIC: Final = "a native program, which `recompiler lift` makes wasm of; or the end of a signed file was cut off"
_INSIDE: Final = "it runs only inside an image with its loader and libraries"
# (format, machine or None for any, linkage or None for any) -> what it is, and what to do. The first that fits.
_PROGRAMS: Final[list[tuple[tuple[str, str | None, str | None], str]]] = [
    (("elf", "x86_64", "static"), _STATIC),
    (("elf", "x86_64", "static-pie"), _STATIC),
    (("elf", "x86_64", "library"), f"a native library; {_INSIDE}"),
    (("elf", "x86_64", None), f"a native program, dynamically linked; {_INSIDE}"),
    (("elf", None, None), "a native program; only those of x86-64 can be lifted"),
    (("script", None, None), "a script; it runs in a bundle that has its interpreter (recompiler-build)"),
    (("wasm", None, "module"), "a wasm module; `recompiler append` makes a signed file of it"),
    (("wasm", None, None), "a wasm component; modules alone can be signed and run"),
]


def refuse_unsigned(path: Path) -> None:
    """Raises Error for what has no trailer: E_NOT_REGULAR, E_TOO_SMALL, E_NO_TRAILER; E_OPEN, E_READ.

    Every other defect is the verifier's to tell.
    """
    if path.is_dir():
        what = f"a directory without {bundle.SIGNATURE}: no bundle. recompiler-build makes one of an image"
        raise Error("E_NOT_REGULAR", f"{path} is {what}")
    fd, size = files.open_regular(path)
    try:
        if size < trailer.MIN_FILE:
            raise Error("E_TOO_SMALL", f"{path} is not signed: {_what(fd, size)}")
        try:
            trailer.read_footer(FileSource(fd))
        except Error as error:
            if error.code == "E_NO_TRAILER":
                raise Error(error.code, f"{path} is not signed: {_what(fd, size)}", error.offset) from None
    finally:
        os.close(fd)


def _what(fd: int, size: int) -> str:
    program = kind.program(files.chunks(fd, min(size, LOOKED_AT), CHUNK), size, stat.S_IXUSR)
    if program is not None:
        return next(text for row, text in _PROGRAMS if _fits(row, program))
    head = os.pread(fd, 4096, 0)
    return next(text for fits, text in _DATA if fits(head))


def _fits(row: tuple[str, str | None, str | None], program: Program) -> bool:
    given = (program.format, program.machine, program.linkage)
    return all(wanted in (None, found) for wanted, found in zip(row, given, strict=True))


def _is_tar(head: bytes) -> bool:
    return head.startswith(TAR[1], TAR[0])


_DATA: Final[list[tuple[Callable[[bytes], bool], str]]] = [
    (lambda head: not head, "an empty file"),
    (_is_tar, "an archive; of an image, recompiler-build makes a bundle"),
    (lambda head: TEXT.issuperset(head), "text, no program"),
    (lambda head: True, "no program that is known here, or a signed file whose end was cut off"),
]
