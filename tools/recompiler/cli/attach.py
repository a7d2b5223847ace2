"""recompiler attach: an unsigned file and signatures made elsewhere in, the signed file out."""

from __future__ import annotations

from pathlib import Path

import click

from recompiler.cli import options
from recompiler.errors import Error
from recompiler.format import bundle
from recompiler.signing import keyfile, sign


@click.command("attach", epilog="Example: recompiler attach --sig hello.sig --pubkey release.pub hello")
@click.option("--sig", "signatures", multiple=True, required=True, type=options.PATH, help="64 bytes, hex or base64")
@click.option("--pubkey", "publics", multiple=True, required=True, type=options.PATH, help="PEM, DER or hex")
@options.sections
@options.force
@options.output(required=False, text="the file to make [default: FILE itself is replaced]")
@click.argument("file", type=options.PATH)
def command(
    signatures: tuple[Path, ...],
    publics: tuple[Path, ...],
    blob: Path | None,
    manifest: Path | None,
    aot: Path | None,
    force: bool,
    output: Path | None,
    file: Path,
) -> None:
    """Add signatures of the statement to the unsigned FILE; one --sig and one --pubkey for each signer, in order.

    A signature that does not fit is refused, and FILE stays as it was.
    """
    if len(signatures) != len(publics):
        raise Error("E_USAGE", f"{len(signatures)} --sig and {len(publics)} --pubkey do not pair up")
    pairs = [
        (keyfile.read_public(public).public, keyfile.read_signature(signature))
        for public, signature in zip(publics, signatures, strict=True)
    ]
    with bundle.open_sections(file, options.given_sections(blob, manifest, aot)) as fds:
        statement = sign.attach(file, pairs, output, force=force, section_fds=fds)
    click.echo(f"{output or file}: {statement.subject}, signed by {len(pairs)}")
