"""In: the three tables of syscalls, each as its kind of guest has it. Out: docs/syscalls.md, and where they differ.

    python -m tests.docs.syscalls > docs/syscalls.md

The vkernel's table is imported; the engine and the host of lifted programs print theirs.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from recompiler.lift.object.objectrun import HOST
from vkernel_proto.stub.syscalls import TABLE

ENGINE = HOST.with_name("rc-engine")
STATUSES = ("full", "partial", "refused")
SOURCES = {
    "stub": "`vkernel_proto/stub/syscalls.py`",
    "bundle": "`csrc/engine/linux/wasi/table.c`, `rc-engine --syscalls`",
    "lifted": "`csrc/engine/linux/lifted/table.c`, `rc-lifted --syscalls`",
}


class Row(NamedTuple):
    """What one kind of guest has of a syscall."""

    number: int
    status: str
    remark: str


class Reason(NamedTuple):
    """Why two kinds of guest have another status for these syscalls."""

    kinds: tuple[str, str]
    names: str
    why: str


REASONS = (
    Reason(
        ("stub", "bundle"),
        "mmap mprotect setsockopt futex epoll_wait epoll_ctl epoll_create1 memfd_create",
        "WASI asks for none of them; the wire serves clients of other kinds too",
    ),
    Reason(("stub", "bundle"), "dup", "the vkernel numbers fds itself, from 0; the engine's are the host's, from 3"),
    Reason(
        ("stub", "bundle"),
        "clock_gettime clock_getres clock_nanosleep",
        "the vkernel's own CPU time would be told; in the engine it is the guest's",
    ),
    Reason(("stub", "bundle"), "pipe2", "the vkernel takes known flags; in the engine the kernel decides"),
    Reason(
        ("stub", "lifted"),
        "write open socket sendto recvfrom getsockopt kill fcntl futex clock_gettime clock_getres clock_nanosleep "
        "openat linkat pipe2 renameat2 memfd_create",
        "a lifted program runs as its user does and makes the call itself; the vkernel decides by a manifest",
    ),
    Reason(
        ("bundle", "lifted"),
        "write open dup socket sendto recvfrom getsockopt kill fcntl openat linkat renameat2",
        "a lifted program runs as its user does; a bundle's guest is confined by its container's policy",
    ),
    Reason(
        ("bundle", "lifted"),
        "mmap mprotect setsockopt futex epoll_wait epoll_ctl epoll_create1 memfd_create",
        "WASI asks for none of them; a Linux program does",
    ),
)


def tables() -> dict[str, dict[str, Row]]:
    """Kind of guest -> name of a syscall -> its row. Needs both hosts, so x86-64."""
    stub = {row.name: Row(row.nr, row.status, row.remark) for row in TABLE}
    return {"stub": stub, "bundle": _printed(ENGINE), "lifted": _printed(HOST)}


def _printed(host: Path) -> dict[str, Row]:
    shown = subprocess.run([host, "--syscalls"], capture_output=True, text=True, timeout=60, check=True).stdout
    fields = [line.split("\t") for line in shown.splitlines()]
    rows = {name: Row(int(number), status, remark) for number, name, status, remark in fields}
    assert len(rows) == len(fields), f"{host.name} has a syscall twice"
    return rows


def differences(kinds: dict[str, dict[str, Row]]) -> Iterator[tuple[tuple[str, str], str]]:
    """Each syscall that two kinds both have a row of, with another status."""
    for one, other in combinations(kinds, 2):
        for name in kinds[one].keys() & kinds[other].keys():
            if kinds[one][name].status != kinds[other][name].status:
                yield (one, other), name


def page() -> str:
    """docs/syscalls.md."""
    kinds = tables()
    numbers = sorted({(row.number, name) for rows in kinds.values() for name, row in rows.items()})
    counts = [f"{len(rows)} of {kind}" for kind, rows in kinds.items()]
    lines = [INTRODUCTION.format(rows=len(numbers), counts=", ".join(counts), **SOURCES)]
    lines += ["| number | name | stub | bundle | lifted |", "|---:|---|---|---|---|"]
    for number, name in numbers:
        cells = [_cell(rows.get(name)) for rows in kinds.values()]
        lines.append(f"| {number} | {name} | " + " | ".join(cells) + " |")
    lines += [DIFFERENCES, "| kinds | syscalls | why |", "|---|---|---|"]
    lines += [f"| {' and '.join(each.kinds)} | {', '.join(each.names.split())} | {each.why} |" for each in REASONS]
    return "\n".join(lines) + "\n"


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    return f"{row.status}: {row.remark}" if row.remark else row.status


INTRODUCTION = """\
# Syscalls

What each kind of guest has of Linux's syscalls. This page is made by `python -m tests.docs.syscalls` from the tables
that the programs run by, and a test compares it: {rows} syscalls, {counts}.

| column | guest | its table |
|---|---|---|
| stub | a WASI program in wasm3, whose syscalls a vkernel serves ([wire.md](wire.md) has their arguments) | {stub} |
| bundle | a WASI program of a bundle, in a container of the engine ([engine.md](engine.md)) | {bundle} |
| lifted | an x86-64 Linux program ([lifted.md](lifted.md)) | {lifted} |

`full` is Linux's behaviour. `partial` is Linux's behaviour with the limits of the remark. `refused` is always an error:
ENOSYS, or what the remark says. An empty cell means that the table has no row: ENOSYS. For the first two columns the
manifest's allow-list decides before the table does.

## The tables
"""
DIFFERENCES = """
## Where two kinds differ

Where two kinds of guest have another status for one syscall, the reason stands here; the test fails without one.
"""

if __name__ == "__main__":
    print(page(), end="")
