"""recompiler append: stub, module and manifest in, one signed file out."""

from __future__ import annotations

from pathlib import Path

import click

from recompiler.cli import options
from recompiler.errors import Error
from recompiler.signing import keyfile, stubs
from recompiler.signing.append import Claims, Inputs, append


@click.command(
    "append",
    epilog="Example: recompiler append --blob hello.wasm --manifest hello.json --key dev.key x86_64-linux -o hello",
)
@click.option("--blob", required=True, type=options.PATH, help="the wasm module")
@click.option("--manifest", required=True, type=options.PATH, help="its manifest")
@click.option("--aot", type=options.PATH, help="AOT code that the manifest names")
@click.option("--key", "keys", multiple=True, type=options.PATH, help="private key; more than one for more signatures")
@click.option("--unsigned", is_flag=True, help="leave the signatures to statement and attach, or to sign")
@click.option("--signers", type=int, help="how many will sign an --unsigned file [default: 1]")
@options.claims
@click.option("--detached", is_flag=True, help="no STUB: make a bundle.sig for files that stay as they are")
@options.force
@options.output()
@click.argument("stub", required=False)
def command(
    blob: Path,
    manifest: Path,
    aot: Path | None,
    keys: tuple[Path, ...],
    unsigned: bool,
    signers: int | None,
    signed_at: int | None,
    expires_at: int,
    security_version: int,
    detached: bool,
    force: bool,
    output: Path,
    stub: str | None,
) -> None:
    """Make one file of STUB, module and manifest, with a trailer, and sign it.

    STUB is an ELF file, or x86_64-linux, aarch64-linux, or one of these with -dev for a development stub. The module
    is validated in full. The same inputs and the same --signed-at give the same bytes.
    """
    if detached == (stub is not None):
        raise Error("E_USAGE", "either STUB or --detached is needed")
    if unsigned == bool(keys):
        raise Error("E_USAGE", "either --key or --unsigned is needed")
    if signers is not None and not unsigned:
        raise Error("E_USAGE", "--signers goes with --unsigned; with --key each key signs")
    seeds = [keyfile.read_private(path) for path in keys]
    claims = Claims(options.moment(signed_at), expires_at, security_version, signers or max(len(seeds), 1))
    inputs = Inputs(blob, manifest, stubs.locate(stub) if stub is not None else None, aot)
    statement = append(inputs, output, claims, seeds, force=force)
    state = f"signed by {len(seeds)}" if seeds else f"unsigned, to be signed by {claims.signers}"
    click.echo(f"{output}: {statement.subject}, release {statement.release_id.hex()}, {state}")
