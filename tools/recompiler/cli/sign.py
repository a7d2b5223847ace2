"""recompiler sign: an unsigned file and private keys in, the signed file out."""

from __future__ import annotations

from pathlib import Path

import click

from recompiler.cli import options
from recompiler.format import bundle
from recompiler.signing import keyfile, sign


@click.command("sign", epilog="Example: recompiler sign --key dev.key hello")
@click.option("--key", "keys", multiple=True, required=True, type=options.PATH, help="private key; one for each signer")
@options.sections
@options.force
@options.output(required=False, text="the file to make [default: FILE itself is replaced]")
@click.argument("file", type=options.PATH)
def command(
    keys: tuple[Path, ...],
    blob: Path | None,
    manifest: Path | None,
    aot: Path | None,
    force: bool,
    output: Path | None,
    file: Path,
) -> None:
    """Sign the unsigned FILE, which was made by `recompiler append --unsigned`."""
    seeds = [keyfile.read_private(path) for path in keys]
    with bundle.open_sections(file, options.given_sections(blob, manifest, aot)) as fds:
        statement = sign.sign(file, seeds, output, force=force, section_fds=fds)
    click.echo(f"{output or file}: {statement.subject}, signed by {len(seeds)}")
