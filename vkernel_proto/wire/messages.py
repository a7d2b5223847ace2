"""In: a guest's exec and spawn messages. Out: their answers: hash -> entry of the signed manifest, or denied."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from recompiler.errors import Error
from recompiler.format.manifest import Manifest
from vkernel_proto.wire.json_codec import check_fields

HASH: Final = re.compile(r"blake3:([0-9a-f]{64})")
EXEC: Final = {"type": str, "id": int, "path": str, "hash": str, "argv": list}
SPAWN: Final = {"type": str, "id": int, "argv": list, "env": dict, "cwd": str, "tty": bool}


def answer_exec(message: dict[str, Any], manifest: Manifest, audit: Callable[..., None]) -> dict[str, Any]:
    """The verdict on an execve: the entry whose file has this hash. The path decides nothing, it is only recorded.

    Raises Error (E_RPC_JSON, E_AUDIT).
    """
    check_fields(message, EXEC, {"cid": str})
    _check_strings(message["argv"], "argv")
    found = HASH.fullmatch(message["hash"])
    if not found:
        raise Error("E_RPC_JSON", "hash is not blake3: and 64 lower-case hex digits")
    entry = manifest.entries.get(found[1])
    if entry is None:
        audit("deny", message="exec", reason="unknown hash", hash=found[1], path=message["path"])
        return {"id": message["id"], "status": "denied", "reason": "unknown hash"}
    audit("exec", entry=entry.entry, hash=found[1], path=message["path"])
    return {"id": message["id"], "status": "ok", "entry_point": entry.export, "entry": entry.entry}


def answer_spawn(message: dict[str, Any], audit: Callable[..., None]) -> dict[str, Any]:
    """This vkernel has no bundle to start a process from. Raises Error (E_RPC_JSON, E_AUDIT)."""
    check_fields(message, SPAWN)
    _check_strings(message["argv"], "argv")
    _check_strings(message["env"].values(), "env")
    audit("deny", message="spawn", reason="no bundle", argv0=(message["argv"] or [""])[0])
    return {"id": message["id"], "status": "denied", "reason": "no bundle"}


def _check_strings(values: Any, field: str) -> None:
    if not all(isinstance(value, str) for value in values):
        raise Error("E_RPC_JSON", f"{field} holds something other than strings")
