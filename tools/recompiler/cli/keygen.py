"""recompiler keygen: a label in, a private key file and its public key file out."""

from __future__ import annotations

from pathlib import Path

import click

from recompiler.cli import options
from recompiler.errors import Error
from recompiler.format import ed25519, files
from recompiler.format.keyid import key_id
from recompiler.signing import keyfile


@click.command(
    "keygen",
    epilog="Example: recompiler keygen --dev --label demo -o keys/dev.key (makes keys/dev.key and keys/dev.pub)",
)
@click.option("--dev", is_flag=True, help="mark the public key as one for development")
@click.option("--label", required=True, help="the key's name in reports: 1 to 64 of A-Z a-z 0-9 . _ -")
@options.force
@options.output(text="the private key file; the public one stands beside it as .pub")
def command(dev: bool, label: str, force: bool, output: Path) -> None:
    """Make an Ed25519 key pair: PKCS 8 PEM, mode 0600, and the public key beside it. openssl reads both.

    A release key is better made and kept in a KMS: see recompiler statement and attach.
    """
    keyfile.check_label(label)
    public_path = output.with_suffix(".pub") if output.suffix else output.with_name(output.name + ".pub")
    if public_path == output:
        raise Error("E_USAGE", "the private key file must not end in .pub")
    if public_path.exists() and not force:
        raise Error("E_OUTPUT", f"{public_path} exists; --force replaces it")
    seed = keyfile.generate()
    public = ed25519.public_of(seed)
    files.write_file(output, [keyfile.private_pem(seed)], mode=0o600, force=force)
    files.write_file(public_path, [keyfile.public_pem(public, label, "dev" if dev else None)], force=force)
    click.echo(f"{output}: private key, keep it\n{public_path}: public key {key_id(public).hex()}")
