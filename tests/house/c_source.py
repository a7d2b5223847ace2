"""C files in, what each includes and calls out: by their text, which clang-format keeps in one form."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')
_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
# At the start of a line, not static: `type name(parameters) {`.
_FUNCTION = re.compile(r"^(?!static|typedef|#|extern)\w[\w *]*?[ *](\w+)\([^;{}]*\)\s*\{", re.M)
_HANDLER = re.compile(r"\bHANDLER\((\w+)\)")  # engine/linux/lifted/linux.h
_VARIABLE = re.compile(r"^(?!static|typedef|#|extern|return)\w[\w ]*[ *](\w+)(?:\[[^\]]*\])*(?: =|;)", re.M)


def sources(root: Path) -> list[Path]:
    """The C files of csrc/ and loader/, headers too."""
    return sorted(path for top in ("csrc", "loader") for path in (root / top).rglob("*.[ch]"))


def includes(root: Path) -> dict[Path, set[Path]]:
    """What each file includes of the others; a name is looked for beside the file, then below csrc/ and loader/."""
    known = set(sources(root))
    return {path: {found for name in _names(path) if (found := _find(root, path, name)) in known} for path in known}


def calls(root: Path, products: Iterable[Iterable[str]]) -> dict[Path, set[Path]]:
    """Which files use functions or variables that another file defines. products: the folders that each is made of.

    A word counts only where the file sees a header that has it, and the two files are of one product: another file's
    local name may be the same word.
    """
    together = [{root / folder for folder in product} for product in products]
    include = includes(root)
    text = {path: code(path) for path in include}
    owners: dict[str, set[Path]] = {}
    for path in (path for path in text if path.suffix == ".c"):
        for name in _defined(text[path]):
            owners.setdefault(name, set()).add(path)
    words = {path: set(re.findall(r"\w+", text[path])) for path in text}
    seen = {path: _behind(path, include) for path in text}
    uses: dict[Path, set[Path]] = {path: set() for path in text if path.suffix == ".c"}
    for path, used in uses.items():
        declared = set().union(*(words[header] for header in seen[path]))
        for name in words[path] & declared & owners.keys():
            mine = {owner for owner in owners[name] if any({owner.parent, path.parent} <= one for one in together)}
            used |= mine if path not in mine else set()
    return uses


def code(path: Path) -> str:
    """A file's text without comments and without what is in strings; rows of linux/lifted as the functions they are."""
    return _HANDLER.sub(r"int64_t linux_\1(struct call *call)", _STRING.sub('""', _COMMENT.sub(" ", path.read_text())))


def _defined(text: str) -> set[str]:
    return (set(_FUNCTION.findall(text)) | set(_VARIABLE.findall(text))) - {"main"}


def _names(path: Path) -> list[str]:
    return _INCLUDE.findall(_COMMENT.sub(" ", path.read_text()))


def _find(root: Path, path: Path, name: str) -> Path | None:
    places = (path.parent / name, root / "csrc" / name, root / "loader" / name)
    return next((place.resolve() for place in places if place.is_file()), None)


def _behind(path: Path, include: dict[Path, set[Path]]) -> set[Path]:
    """The headers that a file sees."""
    seen: set[Path] = set()
    work = [path]
    while work:
        for header in include[work.pop()] - seen:
            seen.add(header)
            work.append(header)
    return seen
