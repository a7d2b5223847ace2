"""Detached trailers (kind 2): a `bundle.sig` in, the files in its directory that it names out.

container.wasm | manifest.json or mapping.json | container.<target>.cwasm | bundle.sig | rootfs/
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from recompiler.errors import Error
from recompiler.format import files, trailer
from recompiler.format.source import FileSource
from recompiler.format.trailer import AOT, DETACHED, MANIFEST, WASM, Section

MODULE: Final = "container.wasm"
MANIFESTS: Final = ("manifest.json", "mapping.json")
SIGNATURE: Final = "bundle.sig"
ROOTFS: Final = "rootfs"
PATTERNS: Final = {WASM: (MODULE,), MANIFEST: MANIFESTS, AOT: ("container.*.cwasm",)}


def signature_of(path: Path) -> Path:
    """The detached trailer of a bundle's directory; any other path as it is."""
    signature = path / SIGNATURE
    return signature if path.is_dir() and os.path.lexists(signature) else path


def artifact_name(target: str) -> str:
    """The file of a bundle's AOT artifact."""
    return f"container.{target}.cwasm"


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
    found = [path for pattern in PATTERNS[section.type] for path in sorted(folder.glob(pattern)) if path.is_file()]
    return min(found, key=lambda path: path.stat().st_size != section.size, default=None)
