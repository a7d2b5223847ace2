"""recompiler exec: start a program in a container that runs; this process becomes the C client, vkexec."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import click

from recompiler.cli.run import environment
from recompiler.errors import Error
from vkernel_proto.engine.zygote import VKEXEC
from vkernel_proto.wire.cid import check_cid


@click.command(
    "exec",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    short_help="start a program in a container that runs",
    epilog="Example: recompiler exec demo -- wc -l /etc/motd",
)
@click.option("--run-dir", type=click.Path(path_type=Path), default=Path("/run/vkernel"), show_default=True)
@click.option("-t", "--tty", is_flag=True, help="a terminal of its own [default: when stdin is one]")
@click.option("-e", "--env", "variables", multiple=True, metavar="NAME[=VALUE]", help="a variable of the program")
@click.option("-C", "--cwd", default="/", show_default=True, help="where the program starts")
@click.argument("cid")
@click.argument("arguments", metavar="[--] ARGV...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    cid: str, arguments: tuple[str, ...], run_dir: Path, tty: bool, variables: tuple[str, ...], cwd: str
) -> NoReturn:
    """Start a program in the container CID of a vkernel that serves a bundle, with this stdin, stdout and stderr.

    Exit: the program's status, or 128 + the signal it died of.
    """
    check_cid(cid)
    options = [word for name, value in environment(variables).items() for word in ("-e", f"{name}={value}")]
    if tty or os.isatty(0):
        options.append("-t")
    argv = [str(VKEXEC), "--run-dir", str(run_dir.absolute()), *options, "-C", cwd, cid, "--"]
    try:
        os.execv(VKEXEC, [*argv, *(arguments[1:] if arguments[0] == "--" else arguments)])
    except OSError as error:
        raise Error("E_ENGINE_LINK", f"{VKEXEC}: {error.strerror}: run `make build`") from error
