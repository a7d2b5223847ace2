"""recompiler manifest: a wasm module and a policy in, its canonical manifest out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from recompiler.cli import options
from recompiler.format import files, manifest, wasm
from recompiler.format.trailer import SECTION_LIMITS, WASM


@click.command(
    "manifest",
    epilog="Example: recompiler manifest --name demo/tcp --connect 127.0.0.1:8080 tcp.wasm -o tcp.json",
)
@click.option("--name", required=True, help="the subject, such as demo/hello")
@options.terms
@options.force
@options.output(text="the manifest to make")
@click.argument("module", metavar="WASM", type=options.PATH)
def command(name: str, force: bool, output: Path, module: Path, **terms: Any) -> None:
    """Make the manifest of the one program in WASM: its hash, and what it may do. Everything else is denied.

    --connect and --bind add the socket syscalls they need, unless --allow says exactly what is allowed.
    """
    data = files.read_file(module, SECTION_LIMITS[WASM])
    wasm.check(data, executable=False)
    text = manifest.build(data, name=name, **terms)
    files.write_file(output, [text], force=force, inputs=[module])
