"""recompiler manifest: a wasm module and a policy in, its canonical manifest out."""

from __future__ import annotations

from pathlib import Path

import click

from recompiler import files, manifest, wasm
from recompiler.cli import options
from recompiler.trailer import SECTION_LIMITS, WASM


@click.command(
    "manifest",
    epilog="Example: recompiler manifest --name demo/tcp --connect 127.0.0.1:8080 tcp.wasm -o tcp.json",
)
@click.option("--name", required=True, help="the subject, such as demo/hello")
@click.option(
    "--allow", multiple=True, help="syscalls to allow, separated by commas [default: those of files and clocks]"
)
@click.option("--connect", multiple=True, metavar="ADDRESS:PORT", help="what it may connect to; also CIDR, [IPv6], *")
@click.option("--bind", multiple=True, metavar="ADDRESS:PORT", help="what it may listen on")
@click.option("--memory-bytes", type=int, default=512 << 20, show_default=True)
@click.option("--processes", type=int, default=64, show_default=True)
@click.option("--open-files", type=int, default=256, show_default=True)
@options.force
@options.output(text="the manifest to make")
@click.argument("module", metavar="WASM", type=options.PATH)
def command(
    name: str,
    allow: tuple[str, ...],
    connect: tuple[str, ...],
    bind: tuple[str, ...],
    memory_bytes: int,
    processes: int,
    open_files: int,
    force: bool,
    output: Path,
    module: Path,
) -> None:
    """Make the manifest of the one program in WASM: its hash, and what it may do. Everything else is denied.

    --connect and --bind add the socket syscalls they need, unless --allow says exactly what is allowed.
    """
    data = files.read_file(module, SECTION_LIMITS[WASM])
    wasm.check(data, executable=False)
    text = manifest.build(
        data,
        name=name,
        allow=[call for row in allow for call in row.split(",")] if allow else None,
        connect=connect,
        bind=bind,
        memory_bytes=memory_bytes,
        processes=processes,
        open_files=open_files,
    )
    files.write_file(output, [text], force=force, inputs=[module])
