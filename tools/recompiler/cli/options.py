"""Options that several commands share, and the values behind them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from recompiler import keystore
from recompiler.errors import Error
from recompiler.trailer import AOT, MANIFEST, WASM

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
