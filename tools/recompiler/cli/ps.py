"""recompiler ps: what runs in the containers of a run directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from recompiler.cli import options, printable
from recompiler.errors import Error
from vkernel_proto.wire.cid import check_cid
from vkernel_proto.wire.client import Control


@click.command("ps", epilog="Example: recompiler ps demo --json")
@click.option("--run-dir", type=click.Path(path_type=Path), default=Path("/run/vkernel"), show_default=True)
@options.as_json
@click.argument("cid", required=False)
def command(cid: str | None, run_dir: Path, as_json: bool) -> None:
    """List the processes of container CID, or of all containers whose vkernel answers here."""
    run_dir = run_dir.absolute()
    if cid is not None:
        check_cid(cid)
    rows = [row for name in ([cid] if cid else _ids(run_dir)) for row in _processes(run_dir, name, quiet=cid is None)]
    if as_json:
        click.echo(json.dumps({"status": "ok", "processes": rows}))
        return
    click.echo(f"{'CID':<16} {'PID':>5} {'AGE':>9}  PROGRAM")
    for row in rows:
        program = row.get("path") or row.get("subject") or row.get("hash", "")
        click.echo(f"{row['cid']:<16} {row['pid']:>5} {row['age_ms'] / 1000:>8.1f}s  {printable(str(program))}")


def _ids(run_dir: Path) -> list[str]:
    try:
        return sorted(path.stem for path in run_dir.iterdir() if path.suffix == ".sock" and path.is_socket())
    except OSError as error:
        raise Error("E_OPEN", f"{run_dir}: {error.strerror}") from error


def _processes(run_dir: Path, cid: str, *, quiet: bool) -> list[dict[str, Any]]:
    """quiet: a socket that nobody serves is left out."""
    try:
        with Control(run_dir, cid) as control:
            return [{"cid": cid, **row} for row in control.ps()]
    except Error as error:
        if quiet and error.code == "E_SOCK_CONNECT":
            return []
        raise
