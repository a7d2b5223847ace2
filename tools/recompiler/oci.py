"""In: an image on disk. Out: its layers and the programs a container of it could run. Read-only, nothing is extracted.

    OCI layout directory | oci-archive tar | docker save tar | plain directory tree
      1 choose one manifest (oci_index.py)
      2 layer by layer: blob -> digest -> decompress -> diff_id -> tar entries -> tree (whiteouts applied)
      3 the programs that are still visible at the end

Every digest that the image states is checked before anything is returned. That proves that the parts belong together,
not who made them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from recompiler.errors import Error
from recompiler.oci_index import LayerBlob, select
from recompiler.oci_kind import Program, program
from recompiler.oci_source import ArchiveSource, DirectorySource, Source, open_regular
from recompiler.oci_stream import CHUNK, Digesting, Extent, compression_of, decompressed
from recompiler.oci_tar import BLOCK, Entry, Tar, header_checksum_ok
from recompiler.oci_tree import Directory, Leaf, Symlink, Tree, where

MAX_LAYER = 64 << 30  # bytes of one layer after decompression
MAX_IMAGE = 128 << 30  # bytes of all layers
MAX_EXECUTABLES = 200_000
MAX_PATH_BYTES = 1 << 27  # of all executables together
MAX_DEPTH = 256  # directories in a plain tree


@dataclass(frozen=True, slots=True)
class Layer:
    """digest and size are the blob's, as stored; diff_id is the digest of the tar archive inside."""

    digest: str
    diff_id: str
    size: int
    tar_size: int
    media_type: str
    entries: int


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


@dataclass(frozen=True, slots=True)
class _File:
    """What the tree keeps of a regular file, device or FIFO."""

    mode: int
    program: Program | None


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
    """Reads an image and checks every digest it states.

    Raises Error E_IMAGE for an image that is malformed, hostile, or not what was asked for; E_OPEN, E_NOT_REGULAR or
    E_READ for the file; E_USAGE for options that make no sense.
    """
    with ExitStack() as held:
        if not os.path.isdir(path):
            fd = open_regular(path, follow=True)
            held.callback(os.close, fd)
            archive = ArchiveSource(fd)
            return _read(archive, "oci-archive" if archive.has("oci-layout") else "docker-archive", path, platform, tag)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Error("E_OPEN", f"cannot open {where(path)}: {error.strerror}") from error
        held.callback(os.close, fd)
        layout = DirectorySource(fd)
        if layout.has("oci-layout"):
            return _read(layout, "oci-layout", path, platform, tag)
        if platform is not None or tag is not None:
            raise Error("E_USAGE", "a plain directory has neither platforms nor tags")
        return Image("directory", f"dir:{path}", None, None, None, [], _plain_directory(fd))


def _read(source: Source, format_: str, path: str, platform: str | None, tag: str | None) -> Image:
    selected = select(source, platform, tag)
    tree: Tree[_File] = Tree()
    layers: list[Layer] = []
    for number, row in enumerate(selected.layers):
        tree.layer = number
        left = MAX_IMAGE - sum(layer.tar_size for layer in layers)
        layers.append(_read_layer(source, row, number, tree, min(MAX_LAYER, left)))
    transport = "oci" if format_ == "oci-layout" else format_
    reference = f"{transport}:{path}" + (f":{selected.tag}" if selected.tag else "")
    found = _bounded(
        Executable(name, layer, leaf.content.mode, leaf.content.program)
        for name, leaf, layer in tree.leaves()
        if leaf.content.program
    )
    return Image(format_, reference, selected.platform, selected.manifest, selected.config, layers, found)


def _read_layer(source: Source, row: LayerBlob, number: int, tree: Tree[_File], limit: int) -> Layer:
    """Lays one layer on the tree. Both digests are checked at its end, when all of both streams has passed."""
    what = f"layer {number}"
    with source.open(row.blob.name) as extent:
        if row.blob.size is not None and row.blob.size != extent.size:
            raise Error("E_IMAGE", f"{what} has {extent.size} bytes, its descriptor says {row.blob.size}")
        found = compression_of(extent.read(16))
        if found != row.compression:
            raise Error("E_IMAGE", f"{what} is {found}, its media type says {row.compression}")
        extent.position = 0
        stored = Digesting(extent, (row.blob.digest or "sha256:").partition(":")[0], extent.size, what)
        inner = decompressed(stored, row.compression, what)
        plain = Digesting(inner, row.diff_id.partition(":")[0], limit, f"{what}, decompressed,")
        entries = 0
        tar = Tar(plain, what)
        for entry in tar:
            entries += 1
            _lay(tree, entry, tar)
        plain.drain()
        stored.drain()
        if row.blob.digest:
            stored.expect(row.blob.digest)
        plain.expect(row.diff_id)
    return Layer(stored.digest, row.diff_id, extent.size, plain.count, row.blob.media_type, entries)


def _lay(tree: Tree[_File], entry: Entry, tar: Tar) -> None:
    if tree.whiteout(entry.name):
        return
    if entry.type == "directory":
        tree.put(entry.name, Directory())
    elif entry.type == "symlink":
        tree.put(entry.name, Symlink(entry.target))
    elif entry.type == "link":
        tree.link(entry.name, entry.target)
    else:
        found = program(tar.chunks(), entry.size, entry.mode) if entry.type == "file" else None
        tree.charge(len(found.interpreter or "") + len(found.argument or "") if found else 0)
        tree.put(entry.name, Leaf(_File(entry.mode, found)))


def _plain_directory(root: int) -> list[Executable]:
    """Walks by fd, follows no symlink, opens nothing but regular files."""

    def walk(fd: int, path: str, depth: int) -> Iterator[Executable]:
        if depth > MAX_DEPTH:
            raise Error("E_IMAGE", f"directories deeper than {MAX_DEPTH}: {where(path)}")
        with os.scandir(fd) as rows:
            names = sorted((row.name, row.is_dir(follow_symlinks=False)) for row in rows)
        for name, is_directory in names:
            if is_directory:
                below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
                try:
                    yield from walk(below, f"{path}/{name}", depth + 1)
                finally:
                    os.close(below)
            elif stat.S_ISREG(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                found = _plain_file(name, fd)
                if found:
                    yield Executable(f"{path}/{name}", None, *found)

    try:
        return _bounded(walk(root, "", 0))
    except OSError as error:
        raise Error("E_READ", f"cannot read {where(str(error.filename))}: {error.strerror}") from error


def _plain_file(name: str, directory: int) -> tuple[int, Program] | None:
    fd = open_regular(name, directory)
    try:
        status = os.fstat(fd)
        mode = stat.S_IMODE(status.st_mode)
        extent = Extent(fd, 0, status.st_size)
        found = program(iter(lambda: extent.read(CHUNK), b""), status.st_size, mode)
    finally:
        os.close(fd)
    return (mode, found) if found else None


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
