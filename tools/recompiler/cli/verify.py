"""recompiler verify: files and a key store in, one verdict per file out; the exit status is the first failure's."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from recompiler import bundle, keystore, verify
from recompiler.cli import options, printable
from recompiler.cli.table import timestamp, two_columns
from recompiler.errors import Error
from recompiler.verify import Verified


@click.command("verify", epilog="Example: recompiler verify --pubkeys keys/pubkeys.json build/demo/hello")
@options.pubkeys
@options.as_json
@click.option("--strict", is_flag=True, help="refuse also when any signature does not count (an unknown key, say)")
@options.sections
@click.argument("files", nargs=-1, required=True, type=options.PATH)
def command(
    pubkeys: Path | None,
    as_json: bool,
    strict: bool,
    blob: Path | None,
    manifest: Path | None,
    aot: Path | None,
    files: tuple[Path, ...],
) -> int:
    """Check FILES with two independent readers, C and Python, that must agree. Only exit status 0 means verified."""
    given = options.given_sections(blob, manifest, aot)
    status = 0
    rows = []
    for path in files:
        try:
            with bundle.open_sections(path, given) as fds:
                verified = verify.verify_both(
                    path, pubkeys or keystore.DEFAULT_PATH, default_store=pubkeys is None, section_fds=fds
                )
            if strict:
                verify.require_all(verified)
            row = report(path, verified)
            text = human(path, verified)
        except Error as e:
            status = status or e.exit_code
            row = {"file": str(path), "result": "refused", "error": e.as_dict()}
            text = None
            if not as_json:
                click.echo(f"recompiler: {e.code}: {printable(str(path))}: {printable(e.message)}", err=True)
        rows.append(row)
        if text is not None and not as_json:
            click.echo(text)
    if as_json:
        result = {"result": "refused" if status else "verified", "exit_code": status, "files": rows}
        click.echo(json.dumps(result))
    return status


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
