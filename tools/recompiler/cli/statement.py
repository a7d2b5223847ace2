"""recompiler statement: a file in, the 384 bytes to be signed elsewhere out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from recompiler.cli import inspect, options
from recompiler.errors import Error
from recompiler.format import bundle, files
from recompiler.signing import sign


@click.command(
    "statement",
    epilog="Example: recompiler statement hello -o hello.statement && "
    "openssl pkeyutl -sign -rawin -inkey release.pem -in hello.statement -out hello.sig",
)
@click.option("--print", "show", is_flag=True, help="print its fields instead")
@options.sections
@options.force
@options.output(required=False, text="the file for the 384 bytes [default: standard output]")
@click.argument("file", type=options.PATH)
def command(
    show: bool, blob: Path | None, manifest: Path | None, aot: Path | None, force: bool, output: Path | None, file: Path
) -> None:
    """Take the statement out of FILE: the 384 bytes that a KMS signs as they are (PureEd25519, no hash before it).

    The sections of FILE are read and compared with the statement first.
    """
    if show and output is not None:
        raise Error("E_USAGE", "--print and -o exclude each other")
    with bundle.open_sections(file, options.given_sections(blob, manifest, aot)) as fds:
        statement = sign.statement(file, fds)
    if show:
        click.echo("\n".join(inspect.statement_lines(statement)))
    elif output is not None:
        files.write_file(output, [statement.raw], force=force, inputs=[file])
    elif sys.stdout.isatty():
        raise Error("E_USAGE", "384 binary bytes do not go to a terminal: use -o OUT or --print")
    else:
        sys.stdout.buffer.write(statement.raw)
