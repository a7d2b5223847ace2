"""recompiler verify: files and a key store in, one verdict per file out; the exit status is the first failure's."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recompiler.both import verify_both
from recompiler.cli import options, printable
from recompiler.cli.table import columns, timestamp, two_columns
from recompiler.errors import Error
from recompiler.format import bundle, keystore, verify
from recompiler.format.trailer import DETACHED
from recompiler.format.verify import Verified

if TYPE_CHECKING:
    from recompiler.pipeline.proof import Proof


@click.command("verify", epilog="Example: recompiler verify --pubkeys keys/pubkeys.json build/demo/hello")
@options.pubkeys
@options.as_json
@click.option("--strict", is_flag=True, help="refuse also when any signature does not count (an unknown key, say)")
@options.sections
@click.option("--routes", is_flag=True, help="of bundles: also prove that each entry leads to its program")
@click.argument("files", nargs=-1, required=True, type=options.PATH)
def command(
    pubkeys: Path | None,
    as_json: bool,
    strict: bool,
    blob: Path | None,
    manifest: Path | None,
    aot: Path | None,
    routes: bool,
    files: tuple[Path, ...],
) -> int:
    """Check FILES with two independent readers, C and Python, that must agree. Only exit status 0 means verified.

    Of a bundle: its directory, or its bundle.sig. --routes shows its entries, and holds its rootfs against them.
    """
    given = options.given_sections(blob, manifest, aot)
    status = 0
    rows = []
    for named in files:
        path = bundle.signature_of(named)
        proof = None
        try:
            with bundle.open_sections(path, given) as fds:
                verified = verify_both(
                    path, pubkeys or keystore.DEFAULT_PATH, default_store=pubkeys is None, load=routes, section_fds=fds
                )
            if strict:
                verify.require_all(verified)
            if routes:
                proof = _prove(path, verified)
                if not as_json:
                    click.echo("\n".join(_table(proof)))
                if proof.messages:
                    raise Error("E_ROUTES", proof.messages[0])
            row = report(path, verified)
            text = human(path, verified)
        except Error as e:
            status = status or e.exit_code
            row = {"file": str(path), "result": "refused", "error": e.as_dict()}
            text = None
            if not as_json:
                click.echo(f"recompiler: {e.code}: {printable(str(path))}: {printable(e.message)}", err=True)
        if proof is not None:
            row["routes"] = proof.as_dict()
        rows.append(row)
        if text is not None and not as_json:
            click.echo(text)
    if as_json:
        result = {"result": "refused" if status else "verified", "exit_code": status, "files": rows}
        click.echo(json.dumps(result))
    return status


def _prove(path: Path, verified: Verified) -> Proof:
    from recompiler.pipeline import proof

    if verified.statement.kind != DETACHED:
        raise Error("E_USAGE", "--routes is for bundles: this is one program in one file")
    rootfs = path.parent / bundle.ROOTFS
    assert verified.wasm is not None
    there = rootfs.is_symlink() or rootfs.exists()
    return proof.prove(verified.manifest, bytes(verified.wasm), rootfs if there else None)


def _table(proof: Proof) -> list[str]:
    """The entries, and below them what is wrong; names of the image cannot move a terminal's cursor."""
    rows: list[list[str | int]] = [["entry", "export", "kind", "blake3", "route", "path"]]
    for row in proof.rows:
        state = "wrong" if row.problems else "proved"
        entry, paths = row.entry, [printable(path) for path in row.entry.paths]
        rows.append([entry.entry, printable(entry.export), entry.kind, row.hash, state, " ".join(paths)])
    lines = [f"wrong: {printable(message)}" for message in proof.messages]
    files = "no rootfs" if proof.files is None else f"rootfs of {proof.files} files"
    return [*columns(rows), *lines, f"{len(proof.rows)} entries, {files}, {len(lines)} problems"]


def report(path: Path, verified: Verified) -> dict[str, Any]:
    """What --json says of a file that passed."""
    statement = verified.statement
    return {
        "file": str(path),
        "result": "verified",
        "subject": statement.subject,
        "release": statement.release_id.hex(),
        "kind": statement.kind,
        "signed_at": statement.signed_at,
        "expires_at": statement.expires_at,
        "security_version": statement.security_version,
        "signatures_counted": verified.signatures_counted,
        "keys": [{"id": key.id.hex(), "label": key.label, "result": key.result} for key in verified.keys],
        "sections": {section.name: section.blake3.hex() for section in statement.sections},
        "size": verified.file_size,
    }


def human(path: Path, verified: Verified) -> str:
    """One line; on a terminal a table below it."""
    statement = verified.statement
    head = f"{printable(str(path))}: verified {statement.subject}"
    counted = ", ".join(key.label or "" for key in verified.keys if key.result == "good")
    if not sys.stdout.isatty():
        return f"{head} release {statement.release_id.hex()} signed by {counted}"
    rows = [
        ("release", statement.release_id.hex()),
        ("signed at", timestamp(statement.signed_at)),
        ("expires at", timestamp(statement.expires_at) if statement.expires_at else "never"),
        ("security version", str(statement.security_version)),
    ]
    rows += [("key", f"{key.id.hex()[:16]} {key.label or '-'}: {key.result}") for key in verified.keys]
    return "\n".join([click.style(head, fg="green"), *two_columns(rows)])
