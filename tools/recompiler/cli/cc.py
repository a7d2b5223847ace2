"""recompiler cc: C to a wasm32-wasi module."""

from __future__ import annotations

import sys

import click

from recompiler import cc


@click.command(
    "cc",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    short_help="compile C to a wasm module (clang's arguments)",
    epilog="Example: recompiler cc -O2 hello.c -o hello.wasm",
)
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Compile C to a wasm32-wasi module that wasm3 and wasmtime both accept.

    Arguments are clang's. -O2 and -s are added where no -O, -g or -s is given. <recompiler/socket.h> gives sockets.
    The exit status is the compiler's, or 11 when the module would be refused at signing.
    """
    sys.exit(cc.compile_c(arguments))
