"""recompiler inspect: a signed file, a lifted object or an image in, what it says of itself out; no key is asked."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from recompiler.cli import options, printable
from recompiler.cli.table import columns, timestamp, two_columns
from recompiler.format import anatomy, files
from recompiler.format.anatomy import Anatomy
from recompiler.format.source import FileSource
from recompiler.format.trailer import DETACHED, SECTION_LIMITS, WASM, Statement
from recompiler.lift.object.liftedfile import is_lifted

DEVELOPMENT = "DEVELOPMENT STUB: takes its key store from the environment, not for production"


@click.command("inspect", epilog="Example: recompiler inspect --explain build/demo/hello")
@options.as_json
@click.option("--explain", is_flag=True, help="every field of the trailer; of a lifted object what is not lifted")
@click.option("--platform", help="of an image with several: linux/amd64, say")
@click.option("--tag", help="of an image archive or layout with several")
@click.option("--wat-dispatch", is_flag=True, help="of a merged module: its dispatcher and entries as WAT")
@click.argument("file", metavar="FILE|IMAGE", type=options.PATH)
def command(as_json: bool, explain: bool, platform: str | None, tag: str | None, wat_dispatch: bool, file: Path) -> int:
    """Show what is in a signed file: layout, statement, signatures; or the layers and programs of an OCI image; or how
    much of a program a lifted object has, and with --explain each instruction that it has not.

    This proves nothing: `recompiler verify` decides.
    """
    if wat_dispatch:
        from recompiler.merge.wat import dispatcher

        click.echo(dispatcher(files.read_file(file, SECTION_LIMITS[WASM])), nl=False)
        return 0
    if is_lifted(file):
        from recompiler.cli.lifted import inspect_lifted

        inspect_lifted(file, as_json, explain)
        return 0
    if _is_image(file):
        from recompiler.cli.image import inspect_image

        inspect_image(str(file), as_json, platform, tag)
        return 0
    fd, _ = files.open_regular(file)
    try:
        found = anatomy.examine(FileSource(fd))
    finally:
        os.close(fd)
    if as_json:
        click.echo(json.dumps(document(file, found, explain)))
    else:
        click.echo("\n".join(lines(file, found, explain)))
        if found.error is not None:
            click.echo(f"recompiler: {printable(str(found.error))}", err=True)
    return found.error.exit_code if found.error else 0


def _is_image(file: Path) -> bool:
    """A directory or a tar archive; what ends as a trailer does is none, whatever it begins with."""
    if file.is_dir():
        return True
    fd, size = files.open_regular(file)
    try:
        tail = os.pread(fd, 16, max(size - 16, 0))
        head = os.pread(fd, 4, 0)
    finally:
        os.close(fd)
    if tail.startswith(b"RCMPLR-TRAILER-") or head == b"\x7fELF":
        return False
    from recompiler.image.read import is_image

    return is_image(str(file))


def document(file: Path, found: Anatomy, explain: bool) -> dict[str, Any]:
    """The one object of --json."""
    result: dict[str, Any] = {
        "status": "NOT VERIFIED",
        "type": "trailer",
        "file": str(file),
        "size": found.size,
        "error": found.error.as_dict() if found.error else None,
    }
    if found.statement is not None:
        s = found.statement
        result |= {
            "kind": s.kind,
            "subject": s.subject,
            "release": s.release_id.hex(),
            "signed_at": s.signed_at,
            "expires_at": s.expires_at,
            "security_version": s.security_version,
            "signer_count": s.signer_count,
            "stub": {"machine": found.stub_machine, "note": found.stub_note, "development": found.development},
            "sections": [
                {"type": each.name, "offset": each.offset, "size": each.size, "blake3": each.blake3.hex()}
                for each in s.sections
            ],
            "signatures": [{"key_id": r.key_id.hex(), "signature": r.signature.hex()} for r in found.records],
        }
    if explain:
        result["fields"] = [
            {"offset": f.offset, "size": f.size, "name": f.name, "value": f.value, "meaning": f.meaning}
            for f in anatomy.fields(found)
        ]
    return result


def lines(file: Path, found: Anatomy, explain: bool) -> list[str]:
    """The human form."""
    out = ["NOT VERIFIED: what the file says of itself; `recompiler verify` decides", ""]
    if found.development:
        out += [DEVELOPMENT, ""]
    out += [f"{printable(str(file))}: {found.size} bytes"]
    if found.statement is None or found.footer is None:
        return out
    if found.stub_machine is not None:
        out += [f"stub: {found.stub_note or 'not one of this project'} ({found.stub_machine})"]
    out += ["", *statement_lines(found.statement), "", *columns(_layout(found))]
    if not found.records:
        out += ["", "no signature: not runnable until it is signed"]
    if explain:
        rows: list[list[str | int]] = [["offset", "size", "field", "meaning", "value"]]
        rows += [[f.offset, f.size, f.name, f.meaning, printable(f.value)] for f in anatomy.fields(found)]
        out += ["", *columns(rows)]
    return out


def statement_lines(statement: Statement) -> list[str]:
    """The signer's claims, one on a line."""
    s = statement
    rows = [
        ("subject", printable(s.subject)),
        ("release", s.release_id.hex()),
        ("kind", {1: "1 executable", 2: "2 detached"}.get(s.kind, str(s.kind))),
        ("signed at", timestamp(s.signed_at)),
        ("expires at", timestamp(s.expires_at) if s.expires_at else "never"),
        ("security version", str(s.security_version)),
        ("signers", str(s.signer_count)),
    ]
    rows += [(each.name.lower(), f"{each.size} bytes, blake3 {each.blake3.hex()}") for each in s.sections]
    return two_columns(rows)


def _layout(found: Anatomy) -> list[list[str | int]]:
    assert found.statement is not None
    assert found.footer is not None
    rows: list[list[str | int]] = [["offset", "end", "size", "what"]]
    end = 0
    for section in () if found.statement.kind == DETACHED else found.statement.sections:
        if section.offset > end:
            rows.append([end, section.offset, section.offset - end, "padding"])
        end = section.offset + section.size
        rows.append([section.offset, end, section.size, section.name])
    at = found.footer.statement_off
    if at > end:
        rows.append([end, at, at - end, "padding"])
    parts = [("statement", 384), *((f"signature of key {r.key_id.hex()[:16]}", 112) for r in found.records)]
    for what, size in [*parts, ("footer", 32)]:
        rows.append([at, at + size, size, what])
        at += size
    return rows
