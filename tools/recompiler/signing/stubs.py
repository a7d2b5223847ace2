"""Loader stubs: the name of a target, or a path, in; the path of the ELF file out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import recompiler
from recompiler.errors import Error

NAMES: Final = ("x86_64-linux", "aarch64-linux", "x86_64-linux-dev", "aarch64-linux-dev")
FOLDER: Final = Path(recompiler.__file__).parent / "stubs"


def locate(stub: str) -> Path:
    """The file of a stub that was built here (NAMES), or stub itself as a path. Raises Error E_OPEN."""
    if stub not in NAMES:
        return Path(stub)
    path = FOLDER / f"stub-{stub}"
    if not path.exists():
        raise Error("E_OPEN", f"the stub {stub} is not built here: make build")
    return path
