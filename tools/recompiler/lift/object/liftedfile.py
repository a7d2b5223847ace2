"""In: the file PROG.lifted. Out: its parts: a lifted module, its ELF file, the artifact. objectwriter.py makes it.

The file is a wasm module with custom sections, the last of which proves that nothing was cut off or turned over:

    the module, with recompiler.lift and recompiler.unlifted (objectfile.py)
    recompiler.format.elf          the ELF file itself: data and symbols to the guest, never executed
    recompiler.aot.TARGET   engine, settings, a NUL, the artifact
    recompiler.blake3       BLAKE3 of every byte before this section
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blake3 import blake3

from recompiler import __version__, aot
from recompiler.errors import Error
from recompiler.format import files
from recompiler.format.trailer import SECTION_LIMITS, WASM
from recompiler.lift.object import objectfile
from recompiler.lift.object.objectfile import Lifted

ELF: Final = b"recompiler.format.elf"
AOT: Final = b"recompiler.aot."
SEAL: Final = b"recompiler.blake3"
SEAL_HEAD: Final = bytes((0, 1 + len(SEAL) + 32, len(SEAL))) + SEAL  # of the section; the digest follows
SEAL_SIZE: Final = len(SEAL_HEAD) + 32
AGAIN: Final = "make it with: recompiler lift"


@dataclass(frozen=True, slots=True)
class LiftedFile:
    """A PROG.lifted that is whole: what it says, its ELF file, the ledger's lines, and its artifacts by target."""

    path: Path
    size: int
    lifted: Lifted
    elf: bytes
    unlifted: bytes
    artifacts: dict[str, bytes]

    def artifact(self, target: str) -> bytes:
        """The code for a target. Raises Error: E_AOT_MISSING, E_AOT_FOREIGN (another engine, other settings)."""
        section = self.artifacts.get(target)
        if section is None:
            raise Error("E_AOT_MISSING", f"{self.path} has no artifact for {target}; {AGAIN}")
        maker, _, code = section.partition(b"\0")
        if maker != head(target):
            raise Error("E_AOT_FOREIGN", f"{self.path} was compiled for another engine or with other settings; {AGAIN}")
        return code

    def of_this_version(self) -> None:
        """Raises Error E_AOT_FOREIGN for an object of another version of the lifter: its host may be another."""
        version = self.lifted.document["lifter"]
        if version != __version__:
            raise Error("E_AOT_FOREIGN", f"{self.path} was lifted by version {version}, this is {__version__}; {AGAIN}")


def target() -> str:
    """This machine's, as the manifest names it."""
    return f"{platform.machine()}-linux"


def is_lifted(path: Path) -> bool:
    """Whether a file is named PROG.lifted, or begins and ends as one: one that was cut off is still one by its name.

    Raises Error: E_OPEN, E_NOT_REGULAR, E_TOO_LARGE.
    """
    if path.is_dir():
        return False
    fd, size = files.open_regular(path)
    try:
        start, tail = os.pread(fd, 4, 0), os.pread(fd, SEAL_SIZE, max(size - SEAL_SIZE, 0))
    finally:
        os.close(fd)
    return path.suffix == ".lifted" or (start == b"\0asm" and _sealed(tail))


def read(path: Path) -> LiftedFile:
    """Reads and checks a PROG.lifted.

    Raises Error: E_OPEN, E_NOT_REGULAR, E_TOO_LARGE, E_READ, E_CHANGED; E_WASM_HEADER, E_WASM_INVALID (none, or cut
    off); E_DIGEST (its bytes are not those that were written, or not of its ELF file).
    """
    data = files.read_file(path, SECTION_LIMITS[WASM])
    if not data.startswith(b"\0asm"):
        raise Error("E_WASM_HEADER", f"{path} is no lifted object: it does not begin as a module", 0)
    if not _sealed(data[-SEAL_SIZE:]):
        raise Error("E_WASM_INVALID", f"{path} is no lifted object, or its end is missing; {AGAIN}")
    if blake3(memoryview(data)[:-SEAL_SIZE]).digest() != data[-32:]:
        raise Error("E_DIGEST", f"{path} is damaged: its bytes are not those that were written; {AGAIN}")
    sections = objectfile.sections(data)
    lifted = objectfile.read(data)
    elf = sections.get(ELF, b"")
    if blake3(elf).hexdigest() != lifted.document["elf"]:
        raise Error("E_DIGEST", f"{path} does not hold the ELF file that was lifted")
    artifacts = {
        name.removeprefix(AOT).decode("ascii", "replace"): section
        for name, section in sections.items()
        if name.startswith(AOT)
    }
    return LiftedFile(path, len(data), lifted, elf, sections.get(objectfile.UNLIFTED, b""), artifacts)


def _sealed(tail: bytes) -> bool:
    return tail[:-32] == SEAL_HEAD


def head(target: str) -> bytes:
    """What stands before an artifact: who made it, how."""
    return f"{aot.engine()} {aot.settings(target)}".encode()
