"""In: a verified bundle. Out: for each entry of its manifest whether it leads to its program, and what does not fit.

1 module    the routes that the module itself proves: id -> program's hash and name (merge/routes.py)
2 entries   hash -> id -> that program; a script through its interpreters to the program that its row names
3 routes    every one has an entry
4 rootfs    where the bundle has one: each entry's files have its hash, each script's first line means its
            interpreter, every executable file is an entry or left out; no device, no set-id bit
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recompiler.errors import Error
from recompiler.format import shebang
from recompiler.format.manifest import Entry, Manifest
from recompiler.format.shebang import Shebang
from recompiler.image.layer import File, lay_directory
from recompiler.image.read import utf8
from recompiler.image.tree import Tree
from recompiler.merge import routes
from recompiler.merge.routes import Route
from recompiler.pipeline import inert
from recompiler.pipeline.contents import Digests
from recompiler.pipeline.scan import EXECUTE, executable
from recompiler.wasm import reader

SET_ID = 0o6000


@dataclass(slots=True)
class Row:
    """One entry, and what is wrong with it."""

    hash: str
    entry: Entry
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Proof:
    """All entries in the order of their ids, and problems of no single entry. files: of rootfs, None without one."""

    rows: list[Row]
    problems: list[str]
    files: int | None

    @property
    def messages(self) -> list[str]:
        """All that is wrong, in words that begin with a path where there is one; empty when everything is proved."""
        of_rows = [(row.entry.paths[0], problem) for row in self.rows for problem in row.problems]
        named = [problem if problem.startswith("/") else f"{path}: {problem}" for path, problem in of_rows]
        return named + self.problems

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        rows = [
            {
                "blake3": row.hash,
                "entry": row.entry.entry,
                "export": row.entry.export,
                "kind": row.entry.kind,
                "paths": list(row.entry.paths),
                "problems": row.problems,
            }
            for row in self.rows
        ]
        return {"entries": rows, "problems": self.problems, "files": self.files}


def prove(manifest: Manifest, wasm: bytes, rootfs: Path | None) -> Proof:
    """Proves the routes of a bundle whose signature was verified; wasm are the verified bytes.

    Raises Error: E_WASM_INVALID (not a merged module), E_READ, E_IMAGE (rootfs is more than this command reads).
    """
    found = {route.entry: route for route in routes.read(reader.read(wasm))}
    rows = [Row(hash, entry) for hash, entry in manifest.entries.items()]
    rows.sort(key=lambda row: (row.entry.entry, row.entry.kind == "script", row.hash))
    for row in rows:
        row.problems += _routed(row, manifest.entries, found)
    used = {row.entry.entry for row in rows if row.entry.kind != "script"}
    problems = [f"{route.name} (id {number}) has no entry" for number, route in found.items() if number not in used]
    proof = Proof(rows, problems, None)
    if rootfs is not None:
        tree = _tree(rootfs)
        files = _Files(tree, manifest)
        for row in rows:
            row.problems += files.of_entry(row)
        problems += files.strangers()
        proof.files = len(files.files)
    return proof


def _routed(row: Row, entries: dict[str, Entry], found: dict[int, Route]) -> Iterator[str]:
    """What is wrong on the way from a hash to its program."""
    entry = row.entry
    if entry.kind == "script":
        yield from _chain(entry, entries)
        return
    route = found.get(entry.entry)
    if route is None:
        yield f"the module has no id {entry.entry}"
        return
    if route.name != entry.export:
        yield f"id {entry.entry} is the program {route.name}"
    if route.digest.hex() != (entry.original or row.hash):
        yield f"id {entry.entry} is made of another file, {route.digest.hex()}"
    if entry.kind == "wasi" and entry.original is not None and inert.digest(entry.original) != row.hash:
        yield "its hash is not that of the inert original"


def _chain(entry: Entry, entries: dict[str, Entry]) -> Iterator[str]:
    last = entry
    for _ in range(shebang.DEPTH):
        found = entries.get(last.interpreter or "")
        if found is None:
            yield f"its interpreter {last.interpreter} is no entry"
            return
        last = found
        if last.kind != "script":
            break
    else:
        yield f"its interpreters are scripts, nested deeper than {shebang.DEPTH}"
        return
    if (last.entry, last.export) != (entry.entry, entry.export):
        yield f"its interpreters lead to {last.export} (id {last.entry})"


def _tree(rootfs: Path) -> Tree[File]:
    tree: Tree[File] = Tree()
    try:
        fd = os.open(rootfs, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise Error("E_OPEN", f"{rootfs}: {error.strerror}") from error
    try:
        lay_directory(fd, tree, Digests())
    finally:
        os.close(fd)
    return tree


class _Files:
    """The files of a rootfs against the manifest."""

    def __init__(self, tree: Tree[File], manifest: Manifest) -> None:
        self.tree = tree
        self.entries = manifest.entries
        self.files = {utf8(path): leaf.content for path, leaf, _ in tree.leaves()}
        self.omitted = [(row["path"], row["blake3"]) for row in manifest.document.get("omitted", [])]

    def of_entry(self, row: Row) -> Iterator[str]:
        """Whether an entry's paths are its file, and a script's first line means its interpreter."""
        for path in row.entry.paths:
            file = self.files.get(path)
            if file is None or file.content is None:
                yield f"{path} is not in rootfs"
            elif file.content.blake3 != row.hash:
                yield f"{path} is another file, {file.content.blake3}"
            elif not file.mode & EXECUTE:
                yield f"{path} is not executable"
            elif row.entry.kind == "script":
                yield from self._interpreter(path, file, row.entry)

    def _interpreter(self, path: str, file: File, entry: Entry) -> Iterator[str]:
        program = file.program
        if program is None or program.format != "script" or program.interpreter is None:
            yield f"{path} is no script"
            return
        if program.argument != entry.argument:
            yield f"{path} has another argument in its first line"
        # The PATH that env will search is its caller's: here, the places of the interpreter that was signed.
        signed = self.entries.get(entry.interpreter or "")
        search = sorted({each.rpartition("/")[0] or "/" for each in signed.paths}) if signed else []

        def known(candidate: str) -> bool:
            return executable(self.tree, candidate) in self.entries

        try:
            found = shebang.find(Shebang(program.interpreter, program.argument), known, search)
        except Error as error:
            yield error.message
            return
        if executable(self.tree, found.path) != entry.interpreter:
            yield f"its interpreter {found.path} is another file"

    def strangers(self) -> Iterator[str]:
        """What should not be there, or should and is not."""
        known = self.entries.keys() | {hash for _, hash in self.omitted}
        for path, file in self.files.items():
            if file.content is None:
                yield f"{path} is a device, FIFO or socket"
            elif file.mode & SET_ID:
                yield f"{path} has a set-id bit"
            elif file.content.blake3 not in known and (file.mode & EXECUTE or file.program):
                yield f"{path} is a program, and neither an entry nor left out: {file.content.blake3}"
        for path, hash in self.omitted:
            found = self.files.get(path)
            if found is None or found.content is None or found.content.blake3 != hash:
                yield f"{path}, which was left out, is not the same file"
