"""recompiler pubkeys: public key files in, a key store out."""

from __future__ import annotations

import re
from pathlib import Path

import click

from recompiler.cli import options
from recompiler.format import files, keystore
from recompiler.signing import keyfile

VALIDITY = 2 * 365 * 86400  # seconds


@click.command("pubkeys", epilog="Example: recompiler pubkeys --role dev keys/dev.pub -o keys/pubkeys.json")
@click.option("--role", type=click.Choice(keystore.ROLES), default="release", show_default=True)
@click.option(
    "--subject", "subjects", multiple=True, default=["*"], show_default=True, help="pattern the keys may sign"
)
@click.option("--threshold", type=int, default=1, show_default=True, help="how many of the keys must have signed")
@click.option("--version", "version", type=int, default=1, show_default=True, help="of this store, for your records")
@click.option("--not-before", type=int, help="unix seconds [default: SOURCE_DATE_EPOCH or now]")
@click.option("--not-after", type=int, help="unix seconds [default: two years later]")
@options.force
@options.output(text="the key store to make")
@click.argument("pub", nargs=-1, required=True, type=options.PATH)
def command(
    role: str,
    subjects: tuple[str, ...],
    threshold: int,
    version: int,
    not_before: int | None,
    not_after: int | None,
    force: bool,
    output: Path,
    pub: tuple[Path, ...],
) -> None:
    """Make a key store (pubkeys.json) that trusts the public keys PUB..., all active, all in one role.

    PUB is PEM or DER as openssl and KMS give it, or 64 hex digits. The label comes from keygen, else from the name.
    """
    keys = [(path, keyfile.read_public(path)) for path in pub]
    rows = [(key.public, key.label or re.sub(r"[^A-Za-z0-9._-]", "-", path.stem)[:64] or "key") for path, key in keys]
    begin = options.moment(not_before)
    data = keystore.dumps(
        rows,
        role=role,
        not_before=begin,
        not_after=begin + VALIDITY if not_after is None else not_after,
        subjects=list(subjects),
        version=version,
        threshold=threshold,
    )
    files.write_file(output, [data], force=force, inputs=pub)
    click.echo(f"{output}: {len(rows)} key{'s' if len(rows) > 1 else ''}, role {role}, threshold {threshold}")
