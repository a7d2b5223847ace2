"""Options that several commands share, and the values behind them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from recompiler.errors import Error
from recompiler.format import keystore
from recompiler.format.trailer import AOT, MANIFEST, WASM

F = TypeVar("F", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)

force = click.option("--force", is_flag=True, help="replace the output if it exists")
as_json = click.option("--json", "as_json", is_flag=True, help="print exactly one JSON object, also on failure")
pubkeys = click.option("--pubkeys", type=PATH, help=f"key store [default: {keystore.DEFAULT_PATH}]")


def output(*, required: bool = True, text: str = "the file to make") -> Callable[[F], F]:
    """-o OUT."""
    return click.option("-o", "--output", type=PATH, required=required, metavar="OUT", help=text)


def sections(command: F) -> F:
    """--blob, --manifest, --aot: the files that a detached trailer names."""
    for name, text in (("aot", "AOT code"), ("manifest", "manifest"), ("blob", "wasm module")):
        where = f"of a detached trailer: its {text} [default: as named in its directory]"
        command = click.option(f"--{name}", type=PATH, help=where)(command)
    return command


def terms(command: F) -> F:
    """What the programs may do, as manifest.build takes it: allow, connect, bind and the limits."""
    rows = (
        click.option("--open-files", type=int, default=256, show_default=True),
        click.option("--processes", type=int, default=64, show_default=True),
        click.option("--memory-bytes", type=int, default=512 << 20, show_default=True),
        click.option("--bind", multiple=True, metavar="ADDRESS:PORT", help="what it may listen on"),
        click.option(
            "--connect", multiple=True, metavar="ADDRESS:PORT", help="what it may connect to; also CIDR, [IPv6], *"
        ),
        click.option(
            "--allow",
            multiple=True,
            callback=_allowed,
            help="syscalls to allow, separated by commas [default: those of files and clocks]",
        ),
    )
    for row in rows:
        command = row(command)
    return command


def _allowed(_context: click.Context, _option: click.Parameter, rows: tuple[str, ...]) -> list[str] | None:
    return [call for row in rows for call in row.split(",")] if rows else None


def claims(command: F) -> F:
    """What the signer says: signed_at, expires_at, security_version."""
    rows = (
        click.option(
            "--security-version", type=int, default=0, show_default=True, help="rollback index of this subject"
        ),
        click.option("--expires-at", type=int, default=0, help="unix seconds [default: never]"),
        click.option("--signed-at", type=int, help="unix seconds [default: SOURCE_DATE_EPOCH or now]"),
    )
    for row in rows:
        command = row(command)
    return command


def given_sections(blob: Path | None, manifest: Path | None, aot: Path | None) -> Mapping[int, Path]:
    """The sections' files that were named, by type."""
    rows = {WASM: blob, MANIFEST: manifest, AOT: aot}
    return {type_: path for type_, path in rows.items() if path is not None}


def moment(given: int | None) -> int:
    """The time to write down: the given one, SOURCE_DATE_EPOCH, or now. Raises Error E_USAGE."""
    if given is not None:
        return given
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if text is None:
        return int(time.time())
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Error("E_USAGE", "SOURCE_DATE_EPOCH is not a number of seconds")
    return int(text)
