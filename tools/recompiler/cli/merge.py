"""recompiler merge: wasm programs in; one module, and the map from their hashes to its entries, out."""

from __future__ import annotations

from pathlib import Path

import click

from recompiler.cli import options
from recompiler.errors import Error
from recompiler.format import files, strictjson
from recompiler.format.trailer import SECTION_LIMITS, WASM


@click.command("merge", epilog="Example: recompiler merge cat.wasm wc.wasm -o container.wasm --map map.json")
@click.option("--names", metavar="A,B,...", help="names of the programs, in order [default: the files' names]")
@click.option("--map", "map_", type=options.PATH, metavar="FILE", help="where the map goes [default: standard output]")
@options.force
@options.output(text="the merged module")
@click.argument("programs", nargs=-1, required=True, metavar="WASM...", type=options.PATH)
def command(names: str | None, map_: Path | None, force: bool, output: Path, programs: tuple[Path, ...]) -> None:
    """Merge programs into one module. Its `_dispatch` runs the program of an id; an unknown id traps.

    The map is the `entries` of a manifest: the BLAKE3 of each program's file leads to its id. The same programs make
    the same bytes in any order.
    """
    from recompiler.merge.merger import merge

    titles = names.split(",") if names is not None else [path.name.removesuffix(".wasm") for path in programs]
    if len(titles) != len(programs):
        raise Error("E_USAGE", f"{len(titles)} names for {len(programs)} programs")
    limit = SECTION_LIMITS[WASM]
    merged = merge([(title, files.read_file(path, limit)) for title, path in zip(titles, programs, strict=True)])
    entries = strictjson.dumps(merged.entries)
    if map_ is not None:
        files.write_file(map_, [entries], force=force, inputs=[*programs, output])
    files.write_file(output, [merged.data], force=force, inputs=programs)
    if map_ is None:
        click.echo(entries, nl=False)
    figures = merged.figures
    click.echo(
        f"{figures['programs']} programs, {figures['bytes_in']} bytes -> {len(merged.data)}; "
        f"{figures['functions_in']} functions -> {figures['functions_out']}",
        err=True,
    )
