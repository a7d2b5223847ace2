"""In: an image on disk. Out: its layers and the programs a container of it could run. Read-only, nothing is extracted.

    OCI layout directory | oci-archive tar | docker save tar | plain directory tree
      1 choose one manifest (index.py)
      2 layer by layer: blob -> digest -> decompress -> diff_id -> tar entries -> tree (whiteouts applied)
      3 the programs that are still visible at the end

Every digest that the image states is checked before anything is returned. That proves that the parts belong together,
not who made them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from recompiler.errors import Error
from recompiler.image.index import Selected, select
from recompiler.image.kind import Program
from recompiler.image.layer import Contents, File, Layer, lay_directory, lay_layer
from recompiler.image.source import ArchiveSource, DirectorySource, Source, open_regular
from recompiler.image.stream import Extent, compression_of
from recompiler.image.tar import BLOCK, header_checksum_ok
from recompiler.image.tree import Tree, where

MAX_LAYER = 64 << 30  # bytes of one layer after decompression
MAX_IMAGE = 128 << 30  # bytes of all layers
MAX_EXECUTABLES = 200_000
MAX_PATH_BYTES = 1 << 27  # of all executables together


@dataclass(frozen=True, slots=True)
class Executable:
    """One name of a program; hard links give one row each. layer is an index into layers, None in a plain directory."""

    path: str
    layer: int | None
    mode: int
    program: Program


@dataclass(frozen=True, slots=True)
class Image:
    """What an image holds. format: oci-layout, oci-archive, docker-archive or directory."""

    format: str
    reference: str
    platform: str | None
    manifest: str | None
    config: str | None
    layers: list[Layer]
    executables: list[Executable]
    tag: str | None = None
    environment: tuple[str, ...] = ()  # NAME=VALUE, of the config

    def as_dict(self) -> dict[str, Any]:
        """For --json. A byte of a path that is not UTF-8 becomes `\\xNN`."""
        return {
            "format": self.format,
            "reference": utf8(self.reference),
            "platform": self.platform,
            "manifest": self.manifest,
            "config": self.config,
            "layers": [{name: getattr(each, name) for name in Layer.__slots__} for each in self.layers],
            "executables": [
                {
                    "path": utf8(each.path),
                    "layer": each.layer,
                    "blake3": each.program.blake3,
                    "kind": utf8(each.program.kind),
                    "format": each.program.format,
                    "machine": each.program.machine,
                    "linkage": each.program.linkage,
                    "interpreter": each.program.interpreter and utf8(each.program.interpreter),
                    "argument": each.program.argument and utf8(each.program.argument),
                    "trailer": each.program.trailer,
                    "size": each.program.size,
                    "mode": f"{each.mode:04o}",
                }
                for each in self.executables
            ],
        }


def is_image(path: str) -> bool:
    """Whether `path` is a directory, or a file that begins like a tar archive or a compressed one.

    Raises Error E_OPEN or E_NOT_REGULAR.
    """
    if os.path.isdir(path):
        return True
    fd = open_regular(path, follow=True)
    try:
        head = Extent(fd, 0, os.fstat(fd).st_size).read(BLOCK)
    finally:
        os.close(fd)
    return header_checksum_ok(head) or compression_of(head) != "none"


def read_image(path: str, platform: str | None = None, tag: str | None = None) -> Image:
    """Reads an image and checks every digest it states. Raises Error as read_tree."""
    return read_tree(path, platform, tag)[0]


def read_tree(
    path: str,
    platform: str | None = None,
    tag: str | None = None,
    contents: Contents | None = None,
    passed: Callable[[str], None] = lambda _: None,
) -> tuple[Image, Tree[File]]:
    """Reads an image, and the tree of all its files; contents take the bytes of each that some layer has.

    passed is called with a few words before each layer.
    Raises Error E_IMAGE for an image that is malformed, hostile, or not what was asked for; E_OPEN, E_NOT_REGULAR or
    E_READ for the file; E_USAGE for options that make no sense.
    """
    with ExitStack() as held:
        if not os.path.isdir(path):
            fd = open_regular(path, follow=True)
            held.callback(os.close, fd)
            archive = ArchiveSource(fd)
            format_ = "oci-archive" if archive.has("oci-layout") else "docker-archive"
            return _layered(archive, format_, path, select(archive, platform, tag), contents, passed)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Error("E_OPEN", f"cannot open {where(path)}: {error.strerror}") from error
        held.callback(os.close, fd)
        layout = DirectorySource(fd)
        if layout.has("oci-layout"):
            return _layered(layout, "oci-layout", path, select(layout, platform, tag), contents, passed)
        if platform is not None or tag is not None:
            raise Error("E_USAGE", "a plain directory has neither platforms nor tags")
        tree: Tree[File] = Tree()
        passed("directory")
        lay_directory(fd, tree, contents)
        return Image("directory", f"dir:{path}", None, None, None, [], _executables(tree, False)), tree


def _layered(
    source: Source,
    format_: str,
    path: str,
    selected: Selected,
    contents: Contents | None,
    passed: Callable[[str], None],
) -> tuple[Image, Tree[File]]:
    tree: Tree[File] = Tree()
    layers: list[Layer] = []
    for number, row in enumerate(selected.layers):
        passed(f"layer {number + 1} of {len(selected.layers)}")
        tree.layer = number
        left = MAX_IMAGE - sum(layer.tar_size for layer in layers)
        layers.append(lay_layer(source, row, number, tree, min(MAX_LAYER, left), contents))
    transport = "oci" if format_ == "oci-layout" else format_
    reference = f"{transport}:{path}" + (f":{selected.tag}" if selected.tag else "")
    found = _executables(tree, True)
    image = Image(format_, reference, selected.platform, selected.manifest, selected.config, layers, found)
    return replace(image, tag=selected.tag, environment=selected.environment), tree


def _executables(tree: Tree[File], layered: bool) -> list[Executable]:
    return _bounded(
        Executable(name, layer if layered else None, leaf.content.mode, leaf.content.program)
        for name, leaf, layer in tree.leaves()
        if leaf.content.program
    )


def _bounded(rows: Iterator[Executable]) -> list[Executable]:
    found: list[Executable] = []
    path_bytes = 0
    for row in rows:
        path_bytes += len(row.path)
        if len(found) == MAX_EXECUTABLES or path_bytes > MAX_PATH_BYTES:
            raise Error("E_IMAGE", f"more than {MAX_EXECUTABLES} executables, or {MAX_PATH_BYTES} bytes of their paths")
        found.append(row)
    return found


def utf8(text: str) -> str:
    """A name as it can be written down: bytes that are not UTF-8 become `\\xNN`."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
