"""In: a PROG.lifted with its artifact, and arguments. Out: this process becomes the program, in csrc/engine's host."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

import recompiler
from recompiler.errors import Error
from recompiler.lift.object import liftedfile, objectfile
from recompiler.lift.object.liftedfile import LiftedFile, target

HOST: Final = Path(recompiler.__file__).parent / "engine" / "rc-lifted"


def execute(path: Path, arguments: Sequence[str]) -> NoReturn:
    """Becomes the program; its argv[0] is the file's name. Nothing is compiled here, and no signature is asked for.

    Raises Error: as liftedfile.read; E_AOT_MISSING, E_AOT_FOREIGN, E_OPEN.
    """
    found = liftedfile.read(path)
    found.of_this_version()
    code = found.artifact(target())
    if not HOST.exists():
        raise Error("E_OPEN", f"{HOST.name} is not built: python csrc/build.py lifted (x86-64 only)")
    paths = [_memfd(name, data) for name, data in (("elf", found.elf), ("cwasm", code), ("pcmap", _map(found)))]
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them; a program expects the default
        signal.signal(number, signal.SIG_DFL)
    os.execv(HOST, [HOST.name, *paths, str(path).removesuffix(".lifted"), *arguments])


def _map(found: LiftedFile) -> bytearray:
    """The pc map; behind its last page the ledger's lines, for the host to name what is not lifted."""
    data = objectfile.pc_map(found.lifted)
    if found.unlifted:
        data += bytes(-len(data) % objectfile.PAGE)
        data += found.unlifted
    return data


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
