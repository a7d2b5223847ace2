"""recompiler lift: an x86-64 Linux ELF in, its lifted object out; what could not be lifted is said."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import click

from recompiler import files, strictjson
from recompiler.cli import options, printable
from recompiler.trailer import SECTION_LIMITS, WASM


@click.command("lift", epilog="Example: recompiler lift busybox -o busybox.lifted; recompiler run busybox.lifted ls -l")
@options.output(text="the lifted object")
@click.option("--jobs", type=click.IntRange(1, 256), help="processes [default: as many as there are cores]")
@click.option("--ledger", type=options.PATH, metavar="FILE", help="what was found, lifted and left, as JSON")
@click.option("--compile/--no-compile", "compiled", default=True, help="with the AOT artifact for this machine")
@options.force
@click.argument("program", type=options.PATH)
def command(output: Path, jobs: int | None, ledger: Path | None, compiled: bool, force: bool, program: Path) -> None:
    """Lift PROGRAM, a static x86-64 Linux executable, to WebAssembly: no source is needed, nothing of it is executed.

    An instruction that cannot be lifted becomes a trap that names it; it is in the ledger and never fails the command.
    The same PROGRAM gives the same bytes for any number of jobs.
    """
    from recompiler.lift import lifter, objectrun  # the decoder alone takes 40 ms

    elf = files.read_file(program, SECTION_LIMITS[WASM])
    progress = _progress if sys.stderr.isatty() else None
    result = lifter.lift(elf, jobs=jobs or len(os.sched_getaffinity(0)), progress=progress)
    data = objectrun.complete(result.module, elf, compiled=compiled)
    if ledger is not None:
        files.write_file(ledger, [strictjson.dumps(result.ledger)], force=force, inputs=[program])
    files.write_file(output, [data], force=force, inputs=[program])
    click.echo(
        f"{printable(str(output))}: {result.functions} functions, {result.instructions} instructions, "
        f"{len(result.unlifted)} not lifted",
        err=True,
    )
    for reason, count in Counter(reason for _, reason in result.unlifted).most_common(5):
        click.echo(f"  {count:6} {reason}", err=True)


def _progress(step: str, done: int, of: int) -> None:
    click.echo(f"\r{step} {done}/{of}" + ("\n" if done == of else ""), nl=False, err=True)
