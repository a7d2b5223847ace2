"""The table of escape attempts: what a hostile program, its machine code or a client tries, and what comes of it.

    python -m tests.attacks.table > docs/attacks.md

A row is run by tests/attacks/test_attacks.py, as root and as an ordinary user, and through a vkernel.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final

CLASSES: Final = (
    "path tricks",
    "fd guessing",
    "pointers",
    "tables and stacks",
    "new code",
    "memfd",
    "ptrace",
    "/proc",
    "devices",
    "signals to others",
    "other containers",
    "network and sockets",
    "fork bomb",
    "memory bomb",
    "disk filling",
    "arguments and inherited fds",
    "native code",
    "control sockets",
)
HOW: Final = {
    "guest": "a C program (tests/attacks/attacker.c), one attempt per word of its arguments",
    "wat": "a function in WebAssembly text (tests/attacks/by_wat.py)",
    "syscall": "a syscall that ptrace puts into a guest (tests/csrc/engine/inject.py), as machine code would make it",
    "client": "records, lines and spawns of whoever holds a control socket (tests/attacks/by_client.py)",
}

_HEAD: Final = """\
# Escape attempts

{attempts} attempts in {classes} classes. `tests/attacks` makes each of them on every `make test`: against an engine as
root, one as an ordinary user, and through `vkernel serve --bundle`. After each attempt the host's files, processes,
mounts and listeners are as they were; after each class a neighbour container, the zygote and the vkernel still serve.
This page is made by `python -m tests.attacks.table`; a test holds it equal to the table."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One row. expected is what comes of it: a regular expression of the whole answer."""

    kind: str  # of CLASSES
    attempt: str
    how: str  # of HOW
    expected: str


def rows() -> list[Attack]:
    """All attempts, in the order of their classes."""
    from tests.attacks import by_client, by_guest, by_native, by_wat

    found = [*by_guest.ATTACKS, *by_wat.ATTACKS, *by_native.ATTACKS, *by_client.ATTACKS]
    return sorted(found, key=lambda row: CLASSES.index(row.kind))


def render() -> str:
    """docs/attacks.md."""
    table = rows()
    lines = [
        *_HEAD.format(attempts=len(table), classes=len({row.kind for row in table})).splitlines(),
        "",
        *(f"- **{how}**: {what}" for how, what in HOW.items()),
        "",
        "What comes of an attempt is the guest's own word (an error of Linux or of WASI), or the signal that ended it.",
    ]
    for kind in CLASSES:
        lines += ["", f"## {kind}", "", "| attempt | how | what comes of it |", "|---|---|---|"]
        lines += [
            f"| `{_cell(row.attempt)}` | {row.how} | {_cell(row.expected)} |" for row in table if row.kind == kind
        ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(render())
