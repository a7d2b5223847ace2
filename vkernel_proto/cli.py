"""In: the command line of `vkernel`. Out: a serving vkernel or an answer on stdout; errors on stderr, exit codes."""

from __future__ import annotations

import gc
import json
import resource
import signal
import sys
from pathlib import Path
from typing import Any, Final

import click

from recompiler import stdio
from recompiler.errors import Error
from recompiler.format.keystore import DEFAULT_PATH
from vkernel_proto import audit as audit_log
from vkernel_proto.engine.server import BundleConfig, BundleServer
from vkernel_proto.stub.core import Config
from vkernel_proto.stub.server import VKernel
from vkernel_proto.wire.cid import check_cid
from vkernel_proto.wire.client import Control

RUN_DIR: Final = Path("/run/vkernel")
EXIT_CODES: Final = """\b
Exit codes: 0 done; 1 no such process (kill); 2 usage; 3 I/O, socket or internal;
12 the audit log is broken or in use; 14 denied; 15 key store unusable."""
FILE: Final = click.Path(path_type=Path, dir_okay=False)
DIRECTORY: Final = click.Path(path_type=Path, file_okay=False)

json_option = click.option("--json", "as_json", is_flag=True, help="Exactly one JSON object per answer on stdout.")
cid_option = click.option("--cid", required=True, metavar="ID", help="Container id.")
run_dir_option = click.option(
    "--run-dir", type=DIRECTORY, default=RUN_DIR, show_default=True, help="Where the sockets are."
)


class _Group(click.Group):
    """A group whose commands end with one line and the code of docs/format.md when they raise Error."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        try:
            stdio.hold()
            return super().main(*arguments, **options)
        except Error as error:
            if "--json" in sys.argv and not stdio.output_is_closed():
                click.echo(json.dumps({"status": "error", "error": error.as_dict()}))
            click.echo(f"vkernel: {stdio.printable(str(error))}", err=True)
            sys.exit(error.exit_code)


@click.group(cls=_Group, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="recompiler", message="vkernel %(version)s")
def main() -> None:
    """Serve signed guests: files, sockets, clocks and signals within the policy of their manifest.

    \b
    Examples:
      vkernel serve --cid demo --root ./rootfs --pubkeys keys/pubkeys.json
      vkernel ps --cid demo
      vkernel kill --cid demo -s TERM 1
      vkernel audit verify /run/vkernel/demo.jsonl
    """


@main.command(epilog=EXIT_CODES)
@click.option(
    "--cid", "cids", required=True, multiple=True, metavar="ID", help="Container id; repeat for more sockets."
)
@click.option("--root", type=DIRECTORY, help="The directory that guests see as /.  [default: a bundle's rootfs]")
@click.option("--bundle", type=DIRECTORY, help="Serve containers of this bundle, to control clients.")
@click.option("--pubkeys", type=FILE, help=f"Key store.  [default: {DEFAULT_PATH}]")
@run_dir_option
@click.option("--audit", type=FILE, help="Audit log.  [default: RUN_DIR/ID.jsonl of the first id]")
@click.option(
    "--allow-uid", type=click.IntRange(0), metavar="U", help="Guests may run as this user, who then owns the socket."
)
@click.option("--max-connections", type=click.IntRange(1, 4096), default=256, show_default=True)
@click.option(
    "--handshake-timeout", type=click.FloatRange(0.1, 3600), default=5.0, show_default=True, metavar="SECONDS"
)
@json_option
def serve(
    cids: tuple[str, ...],
    root: Path | None,
    bundle: Path | None,
    pubkeys: Path | None,
    run_dir: Path,
    audit: Path | None,
    allow_uid: int | None,
    max_connections: int,
    handshake_timeout: float,
    as_json: bool,
) -> None:
    """Serve guests until SIGTERM or SIGINT; then end them, in order, and remove the sockets.

    With --bundle: the bundle is verified, each id has a container of it, and `recompiler exec ID -- ARGV` starts
    programs in it.

    \b
    Examples:
      vkernel serve --bundle ./multitool --cid demo
      vkernel serve --cid demo --root ./rootfs --pubkeys keys/pubkeys.json --run-dir /run/user/1000/vkernel
      vkernel serve --cid web --cid db --root /srv/guests --audit /var/log/vkernel.jsonl --allow-uid 1000
    """
    for cid in cids:
        check_cid(cid)
    # A guest's open files are the vkernel's: as many as the host lets us have.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    run_dir = run_dir.absolute()
    run_dir.mkdir(mode=0o755, exist_ok=True)
    log = audit or run_dir / f"{cids[0]}.jsonl"
    limits = {"max_connections": max_connections, "handshake_timeout": handshake_timeout}
    vkernel: VKernel | BundleServer
    if bundle is not None:
        if allow_uid is not None:
            raise click.UsageError("--allow-uid is for guests that connect; those of a bundle are started by a client")
        vkernel = BundleServer(
            BundleConfig(bundle, pubkeys=pubkeys, root=root, run_dir=run_dir, audit=log, **limits)  # type: ignore[arg-type]
        )
    else:
        if root is None:
            raise click.UsageError("give --root, or --bundle")
        vkernel = VKernel(
            Config(root=root, pubkeys=pubkeys, run_dir=run_dir, audit=log, allow_uid=allow_uid, **limits)  # type: ignore[arg-type]
        )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: vkernel.stop())
    sockets = {cid: str(vkernel.listen(cid)) for cid in dict.fromkeys(cids)}
    gc.collect()
    gc.freeze()  # what is there now stays: a collection while guests wait shall not look at it
    if as_json:
        click.echo(json.dumps({"status": "serving", "sockets": sockets}))
    else:
        for cid, path in sockets.items():
            click.echo(f"vkernel: serving {cid} at {path}")
    sys.stdout.flush()
    vkernel.run()


@main.command(epilog=EXIT_CODES)
@cid_option
@run_dir_option
@json_option
def ps(cid: str, run_dir: Path, as_json: bool) -> None:
    """List the guests of a container.

    \b
    Example:
      vkernel ps --cid demo --json
    """
    check_cid(cid)
    with Control(run_dir.absolute(), cid) as control:
        rows = control.ps()
    if as_json:
        click.echo(json.dumps({"status": "ok", "processes": rows}))
        return
    click.echo(f"{'PID':>5} {'UID':>6} {'AGE':>9}  SUBJECT")
    for row in rows:
        what = row.get("subject") or row.get("path") or row.get("hash", "")  # a bundle's guests are named by file
        click.echo(f"{row['pid']:>5} {row.get('uid', '-'):>6} {row['age_ms'] / 1000:>8.1f}s  {stdio.printable(what)}")


@main.command(epilog=EXIT_CODES)
@cid_option
@run_dir_option
@click.option("-s", "--signal", "name", default="TERM", show_default=True, help="Name or number.")
@click.argument("pid", type=click.IntRange(1))
@json_option
def kill(cid: str, run_dir: Path, name: str, pid: int, as_json: bool) -> None:
    """Send a signal to a guest.

    \b
    Examples:
      vkernel kill --cid demo 1
      vkernel kill --cid demo -s KILL 1
    """
    check_cid(cid)
    number = _signal_number(name)
    with Control(run_dir.absolute(), cid) as control:
        found = any(row["pid"] == pid for row in control.ps())
        if found:
            control.signal(pid, number)
            control.ps()  # its answer comes after the signal has been sent
    if as_json:
        click.echo(json.dumps({"status": "ok" if found else "absent", "pid": pid, "signal": number}))
    if not found:
        click.echo(f"vkernel: container {cid} has no process {pid}", err=True)
        sys.exit(1)


@main.group()
def audit() -> None:
    """Work with audit logs."""


@audit.command(name="verify", epilog=EXIT_CODES)
@click.argument("file", type=FILE)
@click.option("--head", metavar="HASH", help="The log must end with the record of this hash.")
@json_option
def audit_verify(file: Path, head: str | None, as_json: bool) -> None:
    """Check every link of an audit log's hash chain.

    A changed, removed or inserted record shows. That the end was cut off shows only with --head: keep the hash that
    this command prints in another place.

    \b
    Examples:
      vkernel audit verify /run/vkernel/demo.jsonl
      vkernel audit verify demo.jsonl --head 3b0c...
    """
    chain = audit_log.verify(file, head)
    if as_json:
        click.echo(json.dumps({"status": "ok", "records": chain.records, "head": chain.head, "torn": chain.torn}))
        return
    click.echo(f"{file}: {chain.records} records, chain intact, head {chain.head}")
    if chain.torn:
        click.echo(f"{chain.torn} bytes of a last record that was not finished (in use, or its vkernel was killed)")


def _signal_number(name: str) -> int:
    if name.isdecimal() and int(name) <= 64:
        return int(name)
    try:
        return int(signal.Signals["SIG" + name.upper().removeprefix("SIG")])
    except KeyError:
        raise click.BadParameter(f"{name} is not a signal", param_hint="--signal") from None


if __name__ == "__main__":
    main()
