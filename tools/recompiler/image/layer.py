"""In: one layer of an image, or a plain directory. Out: its files laid on a tree, each looked at once as it passes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from recompiler.errors import Error
from recompiler.image.index import LayerBlob
from recompiler.image.kind import Program, program
from recompiler.image.source import Source, open_regular
from recompiler.image.stream import CHUNK, Digesting, Extent, compression_of, decompressed
from recompiler.image.tar import Entry, Tar
from recompiler.image.tree import Directory, Leaf, Symlink, Tree, where

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
class Content:
    """A file's bytes: their BLAKE3, how many, and the name they were kept under, if they were."""

    blake3: str
    size: int
    name: str | None = None


class Contents(Protocol):
    """Takes the bytes of regular files, one file after the other."""

    def take(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Passes the chunks on; whoever asked reads them to the end."""

    def taken(self) -> Content:
        """What take passed on last."""


@dataclass(frozen=True, slots=True)
class File:
    """What the tree keeps of a regular file, device or FIFO. content: of a regular one, when Contents were given."""

    mode: int
    program: Program | None
    content: Content | None = None


def lay_layer(
    source: Source, row: LayerBlob, number: int, tree: Tree[File], limit: int, contents: Contents | None
) -> Layer:
    """Lays one layer on the tree. Both digests are checked at its end, when all of both streams has passed.

    Raises Error E_IMAGE, E_READ.
    """
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
            _lay(tree, entry, tar, contents)
        plain.drain()
        stored.drain()
        if row.blob.digest:
            stored.expect(row.blob.digest)
        plain.expect(row.diff_id)
    return Layer(stored.digest, row.diff_id, extent.size, plain.count, row.blob.media_type, entries)


def _lay(tree: Tree[File], entry: Entry, tar: Tar, contents: Contents | None) -> None:
    if tree.whiteout(entry.name):
        return
    if entry.type == "directory":
        tree.put(entry.name, Directory(mode=entry.mode))
    elif entry.type == "symlink":
        tree.put(entry.name, Symlink(entry.target))
    elif entry.type == "link":
        tree.link(entry.name, entry.target)
    elif entry.type == "file":
        tree.put(entry.name, Leaf(_file(tree, tar.chunks(), entry.size, entry.mode, contents)))
    else:
        tree.put(entry.name, Leaf(File(entry.mode, None)))


def _file(tree: Tree[File], chunks: Iterator[bytes], size: int, mode: int, contents: Contents | None) -> File:
    content = None
    if contents is None:
        found = program(chunks, size, mode)
    else:
        passing = contents.take(chunks)
        found = program(passing, size, mode)
        for _ in passing:
            pass
        content = contents.taken()
    tree.charge(len(found.interpreter or "") + len(found.argument or "") if found else 0)
    return File(mode, found, content)


def lay_directory(root: int, tree: Tree[File], contents: Contents | None) -> None:
    """Lays a plain directory on the tree: by fd, through no symlink; nothing but regular files is opened.

    Raises Error E_IMAGE, E_READ.
    """
    linked: dict[tuple[int, int], Leaf[File]] = {}

    def walk(fd: int, path: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise Error("E_IMAGE", f"directories deeper than {MAX_DEPTH}: {where(path)}")
        tree.put(path, Directory(mode=stat.S_IMODE(os.fstat(fd).st_mode)))
        with os.scandir(fd) as rows:
            names = sorted(row.name for row in rows)
        for name in names:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            # As in an archive, whatever this process takes for the encoding of file names.
            below = f"{path}/{os.fsencode(name).decode('utf-8', 'surrogateescape')}"
            if stat.S_ISDIR(status.st_mode):
                directory = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
                try:
                    walk(directory, below, depth + 1)
                finally:
                    os.close(directory)
            elif stat.S_ISLNK(status.st_mode):
                target = os.readlink(os.fsencode(name), dir_fd=fd)
                tree.put(below, Symlink(target.decode("utf-8", "surrogateescape")))
            elif stat.S_ISREG(status.st_mode):
                leaf = linked.get((status.st_dev, status.st_ino)) or Leaf(_open(name, fd, tree, contents))
                if status.st_nlink > 1:
                    linked[status.st_dev, status.st_ino] = leaf
                tree.put(below, leaf)
            else:
                tree.put(below, Leaf(File(stat.S_IMODE(status.st_mode), None)))

    try:
        walk(root, "", 0)
    except OSError as error:
        raise Error("E_READ", f"cannot read {where(str(error.filename))}: {error.strerror}") from error


def _open(name: str, directory: int, tree: Tree[File], contents: Contents | None) -> File:
    fd = open_regular(name, directory)
    try:
        status = os.fstat(fd)
        extent = Extent(fd, 0, status.st_size)
        chunks = iter(lambda: extent.read(CHUNK), b"")
        return _file(tree, chunks, status.st_size, stat.S_IMODE(status.st_mode), contents)
    finally:
        os.close(fd)
