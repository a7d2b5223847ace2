"""In: what a scan found. Out: names for the merger; with its answer, the manifest's `entries`, `omitted`, `source`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from recompiler.errors import Error
from recompiler.image.read import Image
from recompiler.merge.program import check_name
from recompiler.pipeline import inert
from recompiler.pipeline.scan import Scan

NAME_MAX: Final = 200  # bytes of a file's name that a program is called by


def names(scan: Scan) -> dict[str, str]:
    """A name of its own for each program, by hash: that of its first path, numbered where another has it already."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    wanted = {hash: _name(file.paths[0]) for hash, file in scan.programs.items()}
    reserved = set(wanted.values())
    for hash, name in sorted(wanted.items(), key=lambda item: scan.programs[item[0]].paths[0]):
        candidate, number = name, 1
        while candidate in taken or (number > 1 and candidate in reserved):
            number += 1
            candidate = f"{name}.{number}"
        taken.add(candidate)
        found[hash] = candidate
    return found


def _name(path: str) -> str:
    base = path.rpartition("/")[2].removesuffix(".wasm")
    text = "".join(c if c.isprintable() else "_" for c in base).encode()[:NAME_MAX].decode("utf-8", "ignore")
    try:
        check_name(text)
    except Error:
        return f"program.{text}"
    return text


def entries(scan: Scan, merged: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The rows by the hash of the file as it lies in rootfs. merged: the merger's rows, by the hash of the program."""
    keys = {hash: inert.digest(hash) for hash in scan.programs}
    rows = {
        keys[hash]: {**merged[hash], "paths": sorted(file.paths), "original": hash}
        for hash, file in scan.programs.items()
    }
    for hash, (file, script) in scan.scripts.items():
        program = merged[script.program]
        row = {
            "entry": program["entry"],
            "export": program["export"],
            "kind": "script",
            "paths": sorted(file.paths),
            "interpreter": keys.get(script.interpreter, script.interpreter),
        }
        rows[hash] = row if script.argument is None else {**row, "argument": script.argument}
    return rows


def omitted(scan: Scan) -> list[dict[str, str]]:
    """The rows of what does not run."""
    return [{"path": row.path, "blake3": row.blake3, "reason": row.reason} for row in scan.omitted]


def source(image: Image) -> dict[str, Any] | None:
    """Where the bundle comes from, by digests: the same for a layout and its archive, wherever they lie on disk."""
    if image.config is None:
        return None  # a plain directory
    transport = "docker-archive" if image.format == "docker-archive" else "oci"
    reference = transport + (f":{image.tag}" if image.tag else "") + (f"@{image.manifest}" if image.manifest else "")
    return {"config": image.config, "diff_ids": [each.diff_id for each in image.layers], "reference": reference}
