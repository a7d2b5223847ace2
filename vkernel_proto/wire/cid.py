"""Container ids: text in, or an Error out. csrc/wire/sock.c has the same rule."""

from __future__ import annotations

import re
from typing import Final

from recompiler.errors import Error

CID: Final = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9_.-]{0,62}")


def check_cid(cid: str) -> None:
    """Raises Error (E_SOCK_ID) for what is not a container id."""
    if not CID.fullmatch(cid):
        raise Error("E_SOCK_ID", f"container id {cid[:64]!r} is not [a-z0-9][a-z0-9_.-]{{0,62}} without two dots")
