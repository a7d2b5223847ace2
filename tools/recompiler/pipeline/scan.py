"""In: the tree of an image. Out: its wasm programs, its scripts, and every other executable file with the reason.

A program is a file with an execute bit, as for execve(2), known by the BLAKE3 of its bytes; its paths are for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from recompiler.errors import Error
from recompiler.format.manifest import path_ok
from recompiler.format.shebang import Shebang
from recompiler.format.trailer import SECTION_LIMITS, WASM
from recompiler.image.kind import Program
from recompiler.image.layer import Content, File
from recompiler.image.read import utf8
from recompiler.image.tree import Leaf, Tree
from recompiler.pipeline.contents import Objects
from recompiler.pipeline.judge import judge
from recompiler.pipeline.scripts import Script, resolve

EXECUTE: Final = 0o111
SEARCH: Final = ("/usr/local/bin", "/usr/bin", "/bin")
SEARCH_MAX: Final = 256  # directories of PATH
UNNAMED: Final = "its name cannot stand in a manifest: not UTF-8, or with control characters"


@dataclass(frozen=True, slots=True)
class Found:
    """A file's bytes and the paths that lead to them, sorted."""

    content: Content
    paths: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Omitted:
    """An executable file that does not run, as a row of the manifest."""

    path: str
    blake3: str
    reason: str


@dataclass(slots=True)
class Scan:
    """programs and scripts by the BLAKE3 of the image's file."""

    programs: dict[str, Found] = field(default_factory=dict)
    scripts: dict[str, tuple[Found, Script]] = field(default_factory=dict)
    omitted: list[Omitted] = field(default_factory=list)


def search_path(environment: Sequence[str]) -> list[str]:
    """PATH of an image's environment, as directories; of an image that has none, the usual ones."""
    rows = [row.removeprefix("PATH=") for row in environment if row.startswith("PATH=")]
    return rows[-1].split(":")[:SEARCH_MAX] if rows else list(SEARCH)


def scan(tree: Tree[File], objects: Objects, search: Sequence[str]) -> Scan:
    """Sorts the executable files of an image. A file that cannot run is a row of `omitted`, never an error.

    Raises Error: E_IMAGE, E_OPEN, E_READ, E_CHANGED.
    """
    modules: dict[str, Found] = {}
    texts: dict[str, Found] = {}
    lines: dict[str, Shebang | None] = {}
    result = Scan()
    for path, leaf, _ in tree.leaves():
        file, content = leaf.content, leaf.content.content
        if content is None or not (file.program or file.mode & EXECUTE):
            continue
        reason = _native(file)
        if reason is None and not path_ok_utf8(path):
            reason = UNNAMED
        if reason is not None:
            result.omitted.append(Omitted(utf8(path), content.blake3, reason))
            continue
        assert file.program is not None
        if file.program.format == "script":
            texts.setdefault(content.blake3, Found(content)).paths.append(path)
            lines[content.blake3] = _line(file.program)
        else:
            modules.setdefault(content.blake3, Found(content)).paths.append(path)

    for hash, found in modules.items():
        reason = _judged(found.content, objects)
        if reason is None:
            result.programs[hash] = found
        else:
            result.omitted += [Omitted(path, hash, reason) for path in found.paths]

    def at(path: str) -> str | None:
        return executable(tree, path)

    scripts = resolve(lines, result.programs, at, search)
    for hash, found in texts.items():
        if hash in scripts.resolved:
            result.scripts[hash] = (found, scripts.resolved[hash])
        else:
            result.omitted += [Omitted(path, hash, scripts.refused[hash]) for path in found.paths]
    runs_anyway = {*result.programs, *result.scripts}
    result.omitted = [row for row in result.omitted if row.reason != UNNAMED or row.blake3 not in runs_anyway]
    result.omitted.sort(key=lambda row: (row.path, row.blake3))
    return result


def path_ok_utf8(path: str) -> bool:
    """Whether a manifest can have the path."""
    return utf8(path) == path and path_ok(path)


def runs(file: File, programs: dict[str, Found]) -> bool:
    """Whether this file of the tree is one of the programs: by its bytes, and executable."""
    return file.content is not None and bool(file.mode & EXECUTE) and file.content.blake3 in programs


def _native(file: File) -> str | None:
    """Why a file of this kind is not even looked into."""
    program = file.program
    if program is None:
        return "no program: neither ELF, nor WebAssembly, nor a script with `#!`"
    if program.format == "elf":
        what = "library" if program.linkage == "library" else "program"
        return f"{program.machine} ELF {what}: native code, which has to be lifted to WebAssembly"
    if program.linkage == "component":
        return "a WebAssembly component: only core modules can be merged"
    return None if file.mode & EXECUTE else "no execute bit"


def _line(program: Program) -> Shebang | None:
    return None if program.interpreter is None else Shebang(program.interpreter, program.argument)


def _judged(content: Content, objects: Objects) -> str | None:
    if content.size > SECTION_LIMITS[WASM]:
        return f"a module of {content.size} bytes, the limit is {SECTION_LIMITS[WASM]}"
    try:
        judge(objects.read(content))
    except Error as error:
        if not error.code.startswith("E_WASM_"):
            raise
        return error.message
    return None


def executable(tree: Tree[File], path: str) -> str | None:
    """The BLAKE3 of the executable file that a path leads to, if it does."""
    try:
        node = tree.resolve(path)
    except Error:
        return None  # a loop of symlinks
    if not isinstance(node, Leaf) or not node.content.mode & EXECUTE:
        return None
    content = node.content.content
    return None if content is None else content.blake3
