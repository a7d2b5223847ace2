"""Detached trailers (kind 2): a `bundle.sig` in, the files in its directory that it names out.

container.wasm | manifest.json | container.<target>.cwasm | bundle.sig
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from recompiler import files, trailer
from recompiler.errors import Error
from recompiler.source import FileSource
from recompiler.trailer import AOT, DETACHED, MANIFEST, WASM, Section

PATTERNS = {WASM: "container.wasm", MANIFEST: "manifest.json", AOT: "container.*.cwasm"}


@contextmanager
def open_sections(path: str | os.PathLike[str], given: Mapping[int, Path]) -> Iterator[dict[int, int]]:
    """Descriptors of the sections' files by type: those given, else those beside a detached trailer.

    What cannot be found is left out, and a file that is not a detached trailer names nothing: the verifier gives the
    verdict. Raises Error: E_OPEN for a given file.
    """
    with ExitStack() as held:
        fds: dict[int, int] = {}
        for section in _named(path):
            found = given.get(section.type) or _beside(Path(path).parent, section)
            if found is not None:
                fds[section.type] = files.open_file(found)
                held.callback(os.close, fds[section.type])
        yield fds


def _named(path: str | os.PathLike[str]) -> tuple[Section, ...]:
    try:
        fd, _ = files.open_regular(path)
    except Error:
        return ()
    try:
        source = FileSource(fd)
        if source.size < trailer.MIN_FILE:
            return ()
        _, statement = trailer.parse(source)
    except Error:
        return ()
    finally:
        os.close(fd)
    return statement.sections if statement.kind == DETACHED else ()


def _beside(folder: Path, section: Section) -> Path | None:
    """The first file of the section's name, those of its size first: a bundle may hold AOT code of several targets."""
    found = [path for path in sorted(folder.glob(PATTERNS[section.type])) if path.is_file()]
    return min(found, key=lambda path: path.stat().st_size != section.size, default=None)
