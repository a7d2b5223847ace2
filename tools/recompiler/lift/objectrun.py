"""In: a lifted object with its artifact, and arguments. Out: this process becomes the program, in csrc/engine's host.

recompiler.lift | recompiler.elf (the ELF file itself: data and symbols to the guest, never executed)
                | recompiler.aot.TARGET (engine, settings, a NUL, the artifact)
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from blake3 import blake3

from recompiler import aot, files
from recompiler.errors import Error
from recompiler.lift import objectfile
from recompiler.merge import writer
from recompiler.trailer import SECTION_LIMITS, WASM

ELF: Final = b"recompiler.elf"
AOT: Final = b"recompiler.aot."
HOST: Final = Path(__file__).parents[1] / "engine" / "rc-lifted"


def target() -> str:
    """This machine's, as the manifest names it."""
    return f"{platform.machine()}-linux"


def complete(module: bytes, elf: bytes, *, compiled: bool = True) -> bytes:
    """A lifted object with its ELF and, unless told otherwise, its artifact for this machine.

    Raises Error: E_COMPILER, E_WASM_INVALID.
    """
    parts = [module, writer.custom(ELF, elf)]
    if compiled:
        head = f"{aot.engine()} {aot.settings(target())}".encode() + b"\0"
        parts.append(writer.custom(AOT + target().encode(), head + aot.compile_module(module, target())))
    return b"".join(parts)


def execute(path: Path, arguments: Sequence[str]) -> NoReturn:
    """Becomes the program; its argv[0] is the file's name. Nothing is compiled here, and no signature is asked for.

    Raises Error: E_WASM_*, E_AOT_MISSING, E_AOT_FOREIGN, E_DIGEST, E_OPEN.
    """
    module = files.read_file(path, SECTION_LIMITS[WASM])
    sections = objectfile.sections(module)
    lifted = objectfile.read(module)
    elf = sections.get(ELF, b"")
    if blake3(elf).hexdigest() != lifted.document["elf"]:
        raise Error("E_DIGEST", f"{path} does not hold the ELF file that was lifted")
    artifact = sections.get(AOT + target().encode())
    again = "make it with: recompiler lift"
    if artifact is None:
        raise Error("E_AOT_MISSING", f"{path} has no artifact for {target()}; {again}")
    head, _, code = artifact.partition(b"\0")
    if head.decode("utf-8", "replace") != f"{aot.engine()} {aot.settings(target())}":
        raise Error("E_AOT_FOREIGN", f"{path} was compiled for another engine or with other settings; {again}")
    if not HOST.exists():
        raise Error("E_OPEN", f"{HOST.name} is not built: python csrc/build.py lifted (x86-64 only)")
    paths = [_memfd(name, data) for name, data in (("elf", elf), ("cwasm", code), ("pcmap", objectfile.pc_map(lifted)))]
    os.execv(HOST, [HOST.name, *paths, str(path.with_suffix("")), *arguments])


def _memfd(name: str, data: bytes | bytearray) -> str:
    """A file of these bytes that the next program inherits; its path."""
    fd = os.memfd_create(name, 0)
    view = memoryview(data)
    step = 1 << 20
    for at in range(0, len(view), step):
        part = view[at : at + step]
        if part.tobytes().strip(b"\0"):  # a pc map is nearly all holes
            os.pwrite(fd, part, at)
    os.ftruncate(fd, len(view))
    return f"/proc/self/fd/{fd}"
