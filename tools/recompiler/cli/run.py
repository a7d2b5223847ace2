"""recompiler run: become a signed program, or run one of a bundle's."""

from __future__ import annotations

import os
from pathlib import Path

import click

from recompiler.cli import options
from recompiler.errors import Error
from recompiler.lift.object.liftedfile import is_lifted


@click.command(
    "run",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    short_help="verify a signed file or bundle and run it",
    epilog="Example: recompiler run --pubkeys keys/pubkeys.json --root ./data build/demo/hello one two; or "
    "recompiler run ./multitool -- wc -l /etc/motd",
)
@options.pubkeys
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="the guest's / [default: BUNDLE/rootfs, or empty]",
)
@click.option("--audit", type=click.Path(path_type=Path), help="audit log of the private vkernel")
@click.option("--run-dir", type=click.Path(path_type=Path), help="use the vkernel that serves here, not a private one")
@click.option("--cid", help="container id at that vkernel [default: from the subject]")
@click.option("--encoding", type=click.Choice(["binary", "json"]), default="binary", show_default=True)
@click.option(
    "-e", "--env", "variables", multiple=True, metavar="NAME[=VALUE]", help="a variable of a bundle's program"
)
@click.option("--cwd", default="/", show_default=True, help="where a bundle's program starts")
@click.argument("file", metavar="FILE|BUNDLE", type=click.Path(path_type=Path))
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
    variables: tuple[str, ...],
    cwd: str,
) -> int:
    """Verify FILE, then become it: its pid, terminal, signals and exit status are the program's own.

    FILE is copied to a sealed memfd and verified there by both readers. A private vkernel serves its syscalls unless
    --run-dir names one. Exit: the program's status; 125 when the stub refuses; otherwise as `recompiler verify`.

    Of a BUNDLE (a directory with bundle.sig), `-- ARGV...` names the program, by path or by PATH, and its arguments. It
    runs in a container of its own: changes to files end with it. Exit: its status, or 128 + the signal it died of.

    Of a FILE.lifted (recompiler lift), this process becomes the lifted program, as this user, on this machine's files:
    for trying out, without signature and policy.
    """
    if is_lifted(file):
        from recompiler.lift.object import objectrun

        objectrun.execute(file, arguments[1:] if arguments[:1] == ("--",) else arguments)
    from recompiler import run  # with the vkernel: half of what a lifted program's start would take
    from recompiler.cli.unsigned import refuse_unsigned
    from recompiler.format import keystore  # with the vkernel: half of what a lifted program's start would take
    from vkernel_proto.engine.bundle import is_bundle

    bundled = is_bundle(file)
    if not bundled:
        refuse_unsigned(file)  # before a key store that nothing of it needs
    if bundled and arguments[:1] == ("--",):
        arguments = arguments[1:]
    if bundled and not arguments:
        raise Error("E_USAGE", f"{file} is a bundle: name the program, recompiler run {file} -- PROGRAM [ARGUMENT]...")
    if bundled and run_dir is not None:
        raise Error("E_USAGE", "--run-dir is for a signed file; a program in a container that runs: recompiler exec")
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
        env=environment(variables),
        cwd=cwd,
    )
    return run.execute_bundle(plan) if bundled else run.execute(plan)


def environment(variables: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE, and NAME for the caller's own value, if it has one. Raises Error (E_USAGE)."""
    found = {}
    for text in variables:
        name, equals, value = text.partition("=")
        if not name:
            raise Error("E_USAGE", f"-e {text}: NAME=VALUE is needed")
        if equals or name in os.environ:
            found[name] = value if equals else os.environ[name]
    return found
