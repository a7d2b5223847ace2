"""recompiler inspect of a lifted object: what it was made of, what is lifted, and what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from recompiler import __version__
from recompiler.cli import printable
from recompiler.cli.lift import REASONS
from recompiler.cli.table import columns, two_columns
from recompiler.errors import Error
from recompiler.lift.object import ledger, liftedfile
from recompiler.lift.object.ledger import Ledger
from recompiler.lift.object.liftedfile import LiftedFile


def inspect_lifted(file: Path, as_json: bool, explain: bool) -> None:
    """Prints it; with explain each instruction that is not lifted. Raises Error as liftedfile.read."""
    found = liftedfile.read(file)
    kept = Ledger(found.lifted.document["coverage"], ledger.rows(found.unlifted))
    if as_json:
        click.echo(json.dumps(document(found, kept, explain)))
    else:
        click.echo("\n".join(lines(found, kept, explain)))


def document(found: LiftedFile, kept: Ledger, explain: bool) -> dict[str, Any]:
    """The one object of --json."""
    about = found.lifted.document
    result: dict[str, Any] = {
        "status": "NOT VERIFIED",
        "type": "lifted",
        "file": str(found.path),
        "size": found.size,
        "elf": {"blake3": about["elf"], "size": len(found.elf), "kind": about["kind"], "base": about["base"]},
        "lifter": about["lifter"],
        "artifacts": [
            {"target": name, "size": len(section), "usable": _state(found, name) == "usable"}
            for name, section in sorted(found.artifacts.items())
        ],
        **kept.coverage,
        "reasons": dict(kept.reasons()),
    }
    if explain:
        result["rows"] = [row.document() for row in kept.rows]
    return result


def lines(found: LiftedFile, kept: Ledger, explain: bool) -> list[str]:
    """The same for people."""
    about = found.lifted.document
    functions, sizes = kept.coverage["functions"], kept.coverage["bytes"]
    text = max(sizes["text"], 1)
    other = "" if about["lifter"] == __version__ else f", this is {__version__}: lift again to run it"
    rows = [
        ("elf", f"{about['kind']}, {len(found.elf)} bytes, blake3 {about['elf']}"),
        ("lifter", about["lifter"] + other),
        ("runs at", f"{about['text_start']:#x}..{about['text_start'] + about['text_size']:#x}"),
        ("functions", ", ".join(f"{count} {name}" for name, count in functions.items())),
        ("instructions", ", ".join(f"{count} {name}" for name, count in kept.coverage["instructions"].items())),
        ("text", ", ".join(f"{100 * n / text:.1f}% {name}" for name, n in sizes.items() if n and name != "text")),
    ]
    rows += [("artifact", f"{printable(name)}, {_state(found, name)}") for name in sorted(found.artifacts)]
    out = [f"{printable(str(found.path))}: lifted object of {found.size} bytes, NOT VERIFIED", *two_columns(rows)]
    reasons = kept.reasons() if explain else kept.reasons()[:REASONS]
    if reasons:
        table: list[list[str | int]] = [[count, reason] for reason, count in reasons]
        out += ["", "not lifted:", *(f"  {line}" for line in columns(table))]
    if explain and kept.rows:
        out += ["", *columns([[f"{row.address:#x}", row.raw.hex(), row.text, row.reason] for row in kept.rows])]
    return out


def _state(found: LiftedFile, target: str) -> str:
    try:
        found.artifact(target)
    except Error:
        return "of another engine or other settings"
    return "usable"
