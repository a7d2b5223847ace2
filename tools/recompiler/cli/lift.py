"""recompiler lift: an x86-64 Linux ELF in, its lifted object out; what could not be lifted is said."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from recompiler.cli import options, printable
from recompiler.errors import Error
from recompiler.format import files, strictjson
from recompiler.format.trailer import SECTION_LIMITS, WASM

if TYPE_CHECKING:
    from recompiler.lift.lifter import Result

REASONS: Final = 5  # that are said; the ledger has all
NAMED: Final = 3  # libraries, likewise


@click.command("lift", epilog="Example: recompiler lift busybox -o busybox.lifted; recompiler run busybox.lifted ls -l")
@options.output(required=False, text="the lifted object")
@click.option("--jobs", type=click.IntRange(1, 256), help="processes [default: as many as there are cores]")
@click.option("--ledger", type=options.PATH, metavar="FILE", help="what was found, lifted and left, as JSON")
@click.option("--compile/--no-compile", "compiled", default=True, help="with the AOT artifact for this machine")
@click.option("--explain", metavar="ADDRESS", help="make nothing: show the x86 and the wasm of the block there")
@click.option("--progress/--no-progress", default=None, help="say on stderr what is done [default: on a terminal]")
@options.force
@click.argument("program", type=options.PATH)
def command(
    output: Path | None,
    jobs: int | None,
    ledger: Path | None,
    compiled: bool,
    explain: str | None,
    progress: bool | None,
    force: bool,
    program: Path,
) -> None:
    """Lift PROGRAM, a static x86-64 Linux executable, to WebAssembly: no source is needed, nothing of it is executed.

    An instruction that cannot be lifted becomes a trap that names it; it is in the ledger and never fails the command.
    The same PROGRAM gives the same bytes for any number of jobs.

    With --explain, PROGRAM may also be a lifted object; ADDRESS is one of its code as it runs (0x401136), or the name
    of a function.
    """
    from recompiler.lift import lifter  # the decoder alone takes 40 ms
    from recompiler.lift.emit import objectwriter

    workers = jobs or len(os.sched_getaffinity(0))
    tell = Progress() if (sys.stderr.isatty() if progress is None else progress) else None
    if explain is not None:
        from recompiler.lift.explain import explanation

        lines = explanation.lines(program, explain, jobs=workers, progress=tell)
        click.echo("\n".join(map(printable, lines)))
        return
    if output is None:
        raise Error("E_USAGE", "-o OUT is needed, or --explain ADDRESS (recompiler lift --help)")
    for path in (output, ledger):
        if path is not None:
            files.check_output(path, force, [program])
    elf = files.read_file(program, SECTION_LIMITS[WASM])
    result = lifter.lift(elf, jobs=workers, progress=tell)
    if tell is not None and compiled:
        tell("compile", 0, 1)
    parts = objectwriter.complete(result.module, elf, compiled=compiled)
    if ledger is not None:
        document = strictjson.dumps(result.ledger.document(result.document, result.needs))
        files.write_file(ledger, [document], force=force, inputs=[program])
    files.write_file(output, parts, force=force, inputs=[program])
    for line in summary(output, result):
        click.echo(line, err=True)


def summary(output: Path, result: Result) -> list[str]:
    """What was made, in a line, and the most frequent reasons for what was not."""
    functions, sizes = result.ledger.coverage["functions"], result.ledger.coverage["bytes"]
    covered = 100 * sizes["lifted"] / max(sizes["text"], 1)
    rows = [f"  {count:6} {reason}" for reason, count in result.ledger.reasons()[:REASONS]]
    left = f"{len(result.ledger.rows)} instructions in {functions['stubbed']} functions are not"
    made = f"{printable(str(output))}: {result.instructions} instructions in {functions['found']} functions"
    return [made, f"{covered:.1f}% of the text is lifted; {left}", *rows, *_needs(output, result)]


def _needs(output: Path, result: Result) -> list[str]:
    """What a static program does not need, in a line that names at most NAMED libraries."""
    if result.needs is None:
        return []
    names = [result.needs.interpreter or "", *result.needs.libraries[:NAMED]]
    more = len(result.needs.libraries) - NAMED
    named = ", ".join([name for name in names if name] + ([f"{more} more"] if more > 0 else []))
    what = "a library" if result.document["kind"] == "library" else "a dynamic program"
    where = "runs only inside an image with its loader and libraries" + (f": {named}" if named else "")
    return [printable(f"{output}: {what}; it {where}")]


class Progress:
    """A line of stderr that is rewritten on a terminal, a few times a second; elsewhere a line for each step."""

    def __init__(self) -> None:
        self.step = ""
        self.shown = 0.0
        self.terminal = sys.stderr.isatty()

    def __call__(self, step: str, done: int, of: int) -> None:
        now = time.monotonic()
        if step == self.step and (not self.terminal or (done < of and now - self.shown < 0.2)):
            return
        self.shown = now
        if self.terminal:
            new = "\n" if self.step and step != self.step else "\r"
            click.echo(f"{new}{step} {done}/{of}" + ("\n" if done == of else ""), nl=False, err=True)
            self.step = "" if done == of else step
        else:
            click.echo(step, err=True)
            self.step = step
