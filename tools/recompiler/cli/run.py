"""recompiler run: become a signed program."""

from __future__ import annotations

from pathlib import Path

import click

from recompiler import keystore, run


@click.command(
    "run",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    short_help="verify a signed file and become the program",
    epilog="Example: recompiler run --pubkeys keys/pubkeys.json --root ./data build/demo/hello one two",
)
@click.option("--pubkeys", type=click.Path(path_type=Path), help=f"key store [default: {keystore.DEFAULT_PATH}]")
@click.option(
    "--root", type=click.Path(path_type=Path, file_okay=False, exists=True), help="the guest's / [default: empty]"
)
@click.option("--audit", type=click.Path(path_type=Path), help="audit log of the private vkernel")
@click.option("--run-dir", type=click.Path(path_type=Path), help="use the vkernel that serves here, not a private one")
@click.option("--cid", help="container id at that vkernel [default: from the subject]")
@click.option("--encoding", type=click.Choice(["binary", "json"]), default="binary", show_default=True)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(
    file: Path,
    arguments: tuple[str, ...],
    pubkeys: Path | None,
    root: Path | None,
    audit: Path | None,
    run_dir: Path | None,
    cid: str | None,
    encoding: str,
) -> None:
    """Verify FILE, then become it: its pid, terminal, signals and exit status are the program's own.

    FILE is copied to a sealed memfd and verified there by both readers. A private vkernel serves its syscalls unless
    --run-dir names one. Exit: the program's status; 125 when the stub refuses; otherwise as `recompiler verify`.
    """
    plan = run.Plan(
        path=file,
        arguments=arguments,
        pubkeys=pubkeys or Path(keystore.DEFAULT_PATH),
        default_store=pubkeys is None,
        root=root,
        audit=audit,
        run_dir=run_dir,
        cid=cid,
        encoding=encoding,
    )
    run.execute(plan)
