"""The command line: one file per command; a table names them, so that a command loads only what it needs."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from recompiler import __version__, stdio
from recompiler.errors import Error
from recompiler.stdio import printable

__all__ = ["COMMANDS", "Commands", "main", "printable", "recompiler"]

# name -> (module under recompiler.cli that has `command`, one line of help)
COMMANDS = {
    "cc": ("cc", "compile C to a wasm module (clang's arguments)"),
    "merge": ("merge", "merge wasm programs into one module with a dispatcher"),
    "lift": ("lift", "lift an x86-64 Linux program to wasm, without its source"),
    "keygen": ("keygen", "make an Ed25519 key pair"),
    "pubkeys": ("pubkeys", "make a key store of public keys"),
    "manifest": ("manifest", "make the manifest of a wasm module"),
    "compile": ("compile", "compile a bundle's module ahead of time"),
    "append": ("append", "make a signed file of stub, module and manifest"),
    "statement": ("statement", "take out the 384 bytes to be signed elsewhere (KMS)"),
    "attach": ("attach", "add signatures that were made elsewhere"),
    "sign": ("sign", "add signatures with private keys at hand"),
    "verify": ("verify", "check files against a key store"),
    "inspect": ("inspect", "show what is in a signed file or an image"),
    "run": ("run", "check a signed file or bundle and run it"),
    "exec": ("exec", "start a program in a container that runs"),
    "ps": ("ps", "list the programs that run in containers"),
    "completion": ("completion", "print shell completion"),
}


class Commands(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"recompiler.cli.{COMMANDS[cmd_name][0]}").command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # before click's own answer to it, exit status 1
            raise click.exceptions.Exit(_broken_pipe()) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 verified or done; 2 usage; 3 I/O or internal; 10 no trailer; 11 malformed; 12 signature or "
    "digest wrong; 13 no trusted key or threshold; 14 policy; 15 key store unusable; 16 unsigned.",
)
@click.version_option(__version__, prog_name="recompiler")
def recompiler() -> None:
    """One signed WebAssembly file per program: make it, check it, look into it, run it."""


def main(arguments: Sequence[str] | None = None, command: click.Command = recompiler) -> NoReturn:
    """Runs a command line and exits with the status that docs/format.md gives to the outcome."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_status(arguments, command))


def _status(arguments: list[str], command: click.Command) -> int:
    as_json = "--json" in arguments
    program = command.name or ""
    try:
        stdio.hold()
        result: Any = command.main(arguments, prog_name=program, standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.UsageError as e:
        hint = f" ({program} {e.ctx.command.name} --help)" if e.ctx and e.ctx.parent else f" ({program} --help)"
        return _refuse(Error("E_USAGE", " ".join(e.format_message().split()) + hint), as_json, program)
    except click.Abort:
        return 130
    except click.ClickException as e:
        return _refuse(Error("E_OUTPUT", e.format_message()), as_json, program)
    except Error as e:
        return _refuse(e, as_json, program)
    except BrokenPipeError:
        return _broken_pipe()
    except MemoryError:
        return _refuse(Error("E_NO_MEMORY", "out of memory"), as_json, program)


def _broken_pipe() -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter's own flush at exit must not fail again
    return 3


def _refuse(error: Error, as_json: bool, program: str) -> int:
    if as_json and not stdio.output_is_closed():
        click.echo(json.dumps({"result": "refused", "error": error.as_dict()}))
    else:
        click.echo(f"{program}: {printable(str(error))}", err=True)
    return error.exit_code
