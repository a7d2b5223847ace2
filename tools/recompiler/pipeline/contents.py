"""In: the bytes of files as they pass. Out: their BLAKE3, and, where asked, the bytes under a number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from recompiler.errors import Error
from recompiler.format.files import read_file
from recompiler.image.layer import Content


class Digests:
    """Digests files and keeps nothing. It is an oci_files.Contents."""

    def __init__(self) -> None:
        self._last = Content("", 0)

    def take(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Passes the chunks on."""
        hasher, size = blake3(), 0
        for chunk in chunks:
            hasher.update(chunk)
            size += len(chunk)
            yield chunk
        self._last = Content(hasher.hexdigest(), size)

    def taken(self) -> Content:
        """The file that passed last."""
        return self._last


class Objects(Digests):
    """Keeps each file in a directory of its own. The bytes kept are the bytes that were digested."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError when the directory cannot be made."""
        super().__init__()
        folder.mkdir()
        self.folder = folder
        self._count = 0

    def take(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Passes the chunks on. Raises Error E_OUTPUT when they cannot be kept."""
        name = str(self._count)
        self._count += 1
        try:
            with open(self.folder / name, "xb", buffering=0) as file:
                for chunk in super().take(chunks):
                    view = memoryview(chunk)
                    while view:
                        view = view[file.write(view) :]
                    yield chunk
        except OSError as error:
            raise Error("E_OUTPUT", f"{self.folder}: {error.strerror}") from error
        self._last = Content(self._last.blake3, self._last.size, name)

    def path(self, content: Content) -> Path:
        """Where the bytes are."""
        assert content.name is not None
        return self.folder / content.name

    def read(self, content: Content) -> bytes:
        """The bytes. Raises Error: E_OPEN, E_READ, E_CHANGED when they are not those that were digested."""
        data = read_file(self.path(content), content.size)
        if blake3(data).hexdigest() != content.blake3:
            raise Error("E_CHANGED", "a file of the image changed while the bundle was made")
        return data

    def head(self, content: Content, count: int) -> bytes:
        """The first bytes. Raises Error E_OPEN."""
        try:
            with open(self.path(content), "rb", buffering=0) as file:
                return os.read(file.fileno(), count)
        except OSError as error:
            raise Error("E_OPEN", f"{self.path(content)}: {error.strerror}") from error
