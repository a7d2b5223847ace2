"""A script's first bytes in, its interpreter and the words before the script's path out: execve(2)'s `#!` line.

`/usr/bin/env NAME` is resolved here when env itself is no program of the bundle.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from recompiler.errors import Error

LINE_MAX: Final = 256  # BINPRM_BUF_SIZE
DEPTH: Final = 4  # an interpreter may be a script itself, so often (execve(2))
ENV: Final = "env"

_BLANK = b" \t"
_WORDS = re.compile(rb"([^ \t\0]+)(?:[ \t]+([^\0]*))?")
# What `env -S` gives a meaning beyond words: quotes, escapes, variables, comments.
_QUOTING = re.compile(r"""["'\\$#\f\n\r\v]""")


@dataclass(frozen=True, slots=True)
class Shebang:
    """The two parts of a `#!` line; the argument is one string, however many blanks are in it."""

    interpreter: str
    argument: str | None


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The program that reads a script; words: its argv before the script's own path, words[0] included."""

    path: str
    words: tuple[str, ...]


def parse(head: bytes) -> Shebang | None:
    """The `#!` line that a file begins with, as binfmt_script.c (Linux 5.0 and later) splits it; None: not executable.

    A line that LINE_MAX cuts is accepted when the cut is after the interpreter. Bytes that are not UTF-8 are escaped
    as file names are (surrogateescape).
    """
    if not head.startswith(b"#!"):
        return None
    buffer = head[2:LINE_MAX].ljust(LINE_MAX - 2, b"\0")
    line, newline, _ = buffer.partition(b"\n")
    if not newline:
        if not re.search(rb"[ \t\0]", buffer.lstrip(_BLANK)):
            return None  # the interpreter itself may be cut
        line = buffer[:-1]
    found = _WORDS.match(line.strip(_BLANK))
    if not found:
        return None
    interpreter, argument = found.groups()
    return Shebang(_text(interpreter), None if argument is None else _text(argument))


def find(line: Shebang, known: Callable[[str], bool], search: Sequence[str]) -> Interpreter:
    """The interpreter of a line. known: is the file at this path a program of the bundle? search: PATH's directories.

    Raises Error E_EXEC_INTERPRETER.
    """
    path, argument = line.interpreter, line.argument
    if not path.startswith("/"):
        raise _unknown(f"the interpreter {path!a} depends on the working directory")
    if known(path):
        return Interpreter(path, (path,) if argument is None else (path, argument))
    if path.rpartition("/")[2] != ENV:
        raise _unknown(f"the interpreter {path!a} is no program of the bundle")
    name, *rest = _env(argument)
    places = [name] if "/" in name else [f"{each.rstrip('/')}/{name}" for each in search if each]
    for place in places:
        # What is found by the working directory is not what was looked at when the bundle was made.
        if place.startswith("/") and known(place):
            return Interpreter(place, (name, *rest))
    raise _unknown(f"{name!a}, which env is to find, is no program of the bundle")


def _env(argument: str | None) -> list[str]:
    """The command that env(1) would run for the argument: NAME, or with -S NAME and its arguments."""
    words = [argument or ""]
    if argument is not None and argument.startswith("-S"):
        words = re.findall(r"[^ \t]+", argument[2:])
        if _QUOTING.search(argument):
            raise _unknown(f"env {argument!a}: quotes, escapes, variables and comments are not resolved")
    if not words or not words[0]:
        raise _unknown("env without a program's name")
    if words[0].startswith("-") or "=" in words[0]:
        raise _unknown(f"env {argument!a}: options (but -S) and variables of env are not resolved")
    return words


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _unknown(why: str) -> Error:
    return Error("E_EXEC_INTERPRETER", why)
