"""In: the tree of an image and its kept bytes. Out: a directory with these files, programs replaced by inert originals.

Everything is made below one new directory and nothing in it is followed. Device nodes and FIFOs are left out, set-id
bits too; the owner is whoever builds, and may read what was built. Symlinks stay as they are, hard links stay links.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from recompiler.errors import Error
from recompiler.image.layer import File
from recompiler.image.tree import Directory, Leaf, Symlink, Tree, where
from recompiler.pipeline import inert
from recompiler.pipeline.contents import Objects
from recompiler.pipeline.scan import Found, runs

DEPTH_MAX: Final = 256
FILE_BITS: Final = 0o777
DIRECTORY_BITS: Final = 0o1777
READABLE: Final = 0o400
USABLE: Final = 0o700
# What the image itself is to blame for: a name or target that Linux does not take.
_HOSTILE: Final = (errno.ENAMETOOLONG, errno.ENOENT, errno.EINVAL)


def write(tree: Tree[File], folder: Path, objects: Objects, programs: dict[str, Found]) -> int:
    """Makes the directory, moving the kept files into it; gives how many devices and FIFOs were left out.

    Raises Error: E_IMAGE (a name that cannot be made), E_OUTPUT.
    """
    folder.mkdir()
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _Writer(root, objects, programs).write(tree)
    finally:
        os.close(root)


class _Writer:
    def __init__(self, root: int, objects: Objects, programs: dict[str, Found]) -> None:
        self.root = root
        self.objects = objects
        self.programs = programs
        self.placed: dict[int, bytes] = {}  # id of a leaf, the first of its names
        self.left_out = 0

    def write(self, tree: Tree[File]) -> int:
        modes: list[tuple[bytes, int]] = []
        for path, named in tree.walk():
            if path.count("/") > DEPTH_MAX:
                raise Error("E_IMAGE", f"directories deeper than {DEPTH_MAX}: {where(path)}")
            name = path[1:].encode("utf-8", "surrogateescape")
            try:
                if isinstance(named.node, Directory):
                    os.mkdir(name, USABLE, dir_fd=self.root)
                    modes.append((name, named.node.mode & DIRECTORY_BITS | USABLE))
                elif isinstance(named.node, Symlink):
                    os.symlink(named.node.target.encode("utf-8", "surrogateescape"), name, dir_fd=self.root)
                else:
                    self._file(named.node, name)
            except OSError as error:
                code = "E_IMAGE" if error.errno in _HOSTILE else "E_OUTPUT"
                raise Error(code, f"{where(path)} cannot be made: {error.strerror}") from error
        for name, mode in reversed(modes):
            os.chmod(name, mode, dir_fd=self.root)
        os.fchmod(self.root, tree.root.mode & DIRECTORY_BITS | USABLE)
        return self.left_out

    def _file(self, leaf: Leaf[File], name: bytes) -> None:
        file = leaf.content
        if file.content is None:
            self.left_out += 1
            return
        first = self.placed.setdefault(id(leaf), name)
        if first is not name:
            os.link(first, name, src_dir_fd=self.root, dst_dir_fd=self.root, follow_symlinks=False)
            return
        if runs(file, self.programs):
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=self.root)
            with os.fdopen(fd, "wb") as out:
                out.write(inert.make(file.content.blake3))
        else:
            os.rename(self.objects.path(file.content), name, dst_dir_fd=self.root)
        os.chmod(name, file.mode & FILE_BITS | READABLE, dir_fd=self.root)
