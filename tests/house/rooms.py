"""The house as a table: each room, and the rooms that its files may use. docs/architecture.md says why.

A room is a folder, without the folders in it, or a single file of a source root. The rows stand lowest first, and a row
names rows above it alone, so no arrow leads back. A row holds what is used and no more.
"""

from __future__ import annotations

from typing import Final

# Rooms of csrc/ by includes and calls.
C: Final[dict[str, str]] = {
    "csrc/base": "",
    "csrc/format": "base",
    "csrc/sandbox": "base",
    "csrc/wasi": "base",
    "csrc/wire": "base",
    "csrc/vkexec": "base sandbox wire",
    "csrc/engine/control": "base",
    "csrc/engine/wasmtime": "base",
    "csrc/engine/lifted": "base engine/wasmtime",
    "csrc/engine/linux/lifted": "base sandbox engine/lifted",
    "csrc/engine/linux/wasi": "base engine/control",
    "csrc/engine/kind/lifted": "base engine/wasmtime engine/lifted engine/linux/lifted",
    "csrc/engine/kind/wasi": "base wasi engine/wasmtime",
    "csrc/engine": "base sandbox wasi engine/control engine/wasmtime engine/linux/wasi engine/kind/wasi",
    "csrc/fuzz": "base format wasi wire",
    "loader": "base format sandbox wasi wire",
}

# Rooms of tools/recompiler by imports; lift/ holds the lifter's stages in their order.
RECOMPILER: Final[dict[str, str]] = {
    "errors": "",
    "__init__": "errors",
    "stdio": "errors",
    "native": "errors",
    "memfd": "errors",
    "aot": "errors",
    "format": "errors",
    "both": "errors native format",
    "signing": "__init__ errors native format",
    "image": "errors format",
    "wasm": "errors format",
    "cc": "errors native format",
    "merge": "errors wasm",
    "lift/__init__": "",
    "lift/workers": "errors",
    "lift/x86": "",
    "lift/elf": "errors",
    "lift/find": "errors lift/x86 lift/elf",
    "lift/asm": "__init__ errors wasm lift/x86",
    "lift/forms": "lift/x86 lift/asm",
    "lift/plan": "lift/x86 lift/find lift/asm lift/forms",
    "lift/object": "__init__ errors aot format wasm lift/x86 lift/elf lift/find",
    "lift/emit": "__init__ errors aot format wasm lift/workers lift/x86 lift/find lift/asm lift/plan lift/object",
    "lift/lifter": "lift/workers lift/elf lift/find lift/plan lift/object lift/emit",
    "lift/explain": "errors format wasm lift/x86 lift/elf lift/find lift/asm lift/plan lift/object lift/emit "
    "lift/lifter",
    "pipeline": "errors aot format signing image wasm merge",
}

# Rooms of vkernel_proto: they see of recompiler the formats, both readers and what runs an artifact, and nothing else.
VKERNEL: Final[dict[str, str]] = {
    "denied": "",
    "signals": "",
    "linux": "recompiler/native",
    "paths": "linux",
    "policy": "recompiler/errors",
    "audit": "recompiler/errors recompiler/format",
    "wire": "recompiler/errors recompiler/native recompiler/format",
    "verdict": "recompiler/errors recompiler/format wire",
    "hashes": "recompiler/format denied linux paths",
    "controller": "recompiler/errors recompiler/format denied hashes paths",
    "stub": "recompiler/__init__ recompiler/errors recompiler/format audit linux paths policy signals verdict wire",
    "engine": "recompiler/__init__ recompiler/errors recompiler/aot recompiler/both recompiler/format recompiler/memfd "
    "audit controller hashes signals wire",
    "__init__": "recompiler/__init__ stub",
    "cli": "recompiler/errors recompiler/format recompiler/stdio audit engine stub wire",
    "__main__": "cli",
}

# What a person starts: above everything.
COMMANDS: Final[dict[str, str]] = {
    "run": "errors both format memfd vkernel_proto/__init__ vkernel_proto/controller vkernel_proto/engine",
    "cli": "__init__ errors stdio aot both format signing image cc merge lift/object lift/emit lift/lifter "
    "lift/explain pipeline vkernel_proto/engine vkernel_proto/wire run",
    "__main__": "cli",
}


def table() -> dict[str, frozenset[str]]:
    """Every row with whole paths, in order."""
    bases = (
        ("csrc/", C),
        ("tools/recompiler/", RECOMPILER),
        ("vkernel_proto/", VKERNEL),
        ("tools/recompiler/", COMMANDS),
    )
    return {
        _whole(room, base): frozenset(_whole(use, base) for use in uses.split())
        for base, part in bases
        for room, uses in part.items()
    }


def _whole(room: str, base: str) -> str:
    return {"recompiler": "tools/", "vkernel_proto": "", "csrc": "", "loader": ""}.get(room.split("/")[0], base) + room
