"""In: the first lines of an image's scripts. Out: which program runs each in the end, or why none does.

In rounds: the first finds the scripts whose interpreter is a program, the second those whose interpreter is one of
these, and so on, as deep as Linux goes. So no chain of scripts can loop, or take longer than that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from recompiler.errors import Error
from recompiler.format import shebang
from recompiler.format.shebang import DEPTH, Shebang

SETTLING = 8  # passes; each takes back scripts that another one hides from env


@dataclass(frozen=True, slots=True)
class Script:
    """A script's interpreter and the program at the end of the chain: hashes of files of the image."""

    interpreter: str
    program: str
    argument: str | None


@dataclass(slots=True)
class Scripts:
    """What became of each script, by hash."""

    resolved: dict[str, Script] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def resolve(
    lines: Mapping[str, Shebang | None],
    programs: Collection[str],
    at: Callable[[str], str | None],
    search: Sequence[str],
) -> Scripts:
    """Resolves scripts. at: the hash of the executable file that a path leads to; search: PATH's directories.

    Raises Error E_IMAGE for scripts that are made to be found by env under each other's names.
    """
    all_ = Scripts()
    for hash, line in lines.items():
        if line is None:
            all_.refused[hash] = "its first line names no interpreter"
        elif not _utf8(line):
            all_.refused[hash] = "its first line is not UTF-8"
    pending = {hash: line for hash, line in lines.items() if line is not None and hash not in all_.refused}

    def interpreter(line: Shebang) -> str:
        """The hash of the interpreter, as much as is known by now. Raises Error E_EXEC_INTERPRETER."""

        def known(path: str) -> bool:
            hash = at(path)
            return hash is not None and (hash in programs or hash in all_.resolved)

        hash = at(shebang.find(line, known, search).path)
        assert hash is not None
        return hash

    for _ in range(DEPTH):
        found: dict[str, Script] = {}
        for hash, line in pending.items():
            try:
                by = interpreter(line)
            except Error as error:
                all_.refused[hash] = error.message
                continue
            found[hash] = Script(by, by if by in programs else all_.resolved[by].program, line.argument)
        all_.resolved |= found
        pending = {hash: line for hash, line in pending.items() if hash not in found}
    _settle(all_, interpreter, lines)
    for hash, line in pending.items():
        try:
            interpreter(line)
            all_.refused[hash] = f"its interpreters are scripts, nested deeper than {DEPTH}"
        except Error as error:
            all_.refused[hash] = error.message
    all_.refused = {hash: why for hash, why in all_.refused.items() if hash not in all_.resolved}
    return all_


def _settle(all_: Scripts, interpreter: Callable[[Shebang], str], lines: Mapping[str, Shebang | None]) -> None:
    """Takes back what env finds elsewhere now that all is known: at run time it would be another interpreter."""
    for _ in range(SETTLING):
        wrong: dict[str, str] = {}
        for hash, script in all_.resolved.items():
            line = lines[hash]
            assert line is not None
            try:
                if interpreter(line) != script.interpreter:
                    wrong[hash] = "env finds another script before its interpreter"
            except Error as error:
                wrong[hash] = error.message
        if not wrong:
            return
        all_.refused |= wrong
        for hash in wrong:
            del all_.resolved[hash]
    raise Error("E_IMAGE", "scripts are interpreters of each other through env, in too many ways")


def _utf8(line: Shebang) -> bool:
    try:
        (line.interpreter + (line.argument or "")).encode()
    except UnicodeEncodeError:
        return False
    return True
