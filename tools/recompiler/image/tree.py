"""In: the entries of an image's layers, lowest layer first. Out: the tree of files that a container of this image sees.

Names resolve as containerd does it: symlinks in the parents are followed inside the root, the last component is not.
Whiteouts hide what lower layers hold and nothing of their own layer (OCI image-spec, layer.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from recompiler.errors import Error

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
MAX_ENTRIES = 1_000_000
MAX_TEXT = 1 << 28  # bytes of names and link targets
MAX_STEPS = 32_000_000  # names looked at: chains of symlinks and repeated whiteouts are work without bytes
MAX_SYMLINKS = 40  # path_resolution(7)

T = TypeVar("T")


@dataclass(slots=True)
class Symlink:
    target: str


@dataclass(slots=True)
class Leaf(Generic[T]):
    """A file that is not a directory or symlink. Hard links are one Leaf under several names."""

    content: T


@dataclass(slots=True)
class Named(Generic[T]):
    """A name in a directory, and the layer that put it there."""

    node: Directory[T] | Symlink | Leaf[T]
    layer: int


@dataclass(slots=True)
class Directory(Generic[T]):
    """mode is 0755 for one that no layer names, but that something lies in."""

    children: dict[str, Named[T]] = field(default_factory=dict)
    mode: int = 0o755


class Tree(Generic[T]):
    """A root directory that layers are laid on. `layer` is the number of the layer being laid."""

    def __init__(self) -> None:
        self.root: Directory[T] = Directory()
        self.layer = 0
        self.entries = 0
        self.text = 0
        self.steps = 0

    def charge(self, count: int) -> None:
        """Counts text that the tree or its leaves keep. Raises Error E_IMAGE beyond MAX_TEXT."""
        self.text += count
        if self.text > MAX_TEXT:
            raise Error("E_IMAGE", f"more than {MAX_TEXT} bytes of names and link targets")

    def put(self, path: str, node: Directory[T] | Symlink | Leaf[T]) -> None:
        """Lays one entry.

        Raises Error E_IMAGE for a name that leaves the root, lies under a file, or stands twice in the layer.
        """
        if isinstance(node, Symlink):
            self.charge(len(node.target))
        names = self._names(path)
        if not names:
            if not isinstance(node, Directory):
                raise Error("E_IMAGE", f"{where(path)} is the root and not a directory")
            self.root.mode = node.mode
            return
        parent = self._parent(names[:-1], path)
        old = parent.children.get(names[-1])
        if old is None:
            self._add(parent, names[-1], Named(node, self.layer))
            return
        both_directories = isinstance(old.node, Directory) and isinstance(node, Directory)
        if old.layer == self.layer and not both_directories:
            raise Error("E_IMAGE", f"{where(path)} stands twice in one layer")
        if isinstance(old.node, Directory) and not both_directories and self._has_new(old.node):
            raise Error("E_IMAGE", f"{where(path)} is a directory and something else in one layer")
        if isinstance(old.node, Directory) and isinstance(node, Directory):
            old.node.mode, node = node.mode, old.node
        parent.children[names[-1]] = Named(node, self.layer)

    def link(self, path: str, target: str) -> None:
        """Lays a hard link. Raises Error E_IMAGE as put, and when the target is missing or a directory."""
        found = self._find(self._names(target), target)
        if found is None or isinstance(found, Directory):
            raise Error("E_IMAGE", f"{where(path)} is a hard link to {where(target)}, which is no file")
        self.put(path, found)

    def whiteout(self, path: str) -> bool:
        """Applies `path` if its name is a whiteout's. Raises Error E_IMAGE for a malformed one."""
        names = self._names(path)
        if not names or not names[-1].startswith(WHITEOUT):
            return False
        hidden = names[-1].removeprefix(WHITEOUT)
        parent = self._find(names[:-1], path, follow_last=True)
        if names[-1] == OPAQUE:
            if isinstance(parent, Directory):
                self._hide_children(parent)
            return True
        if hidden.startswith(WHITEOUT):
            return True  # AUFS bookkeeping (.wh..wh.plnk, .wh..wh.aufs), no whiteout
        if hidden in ("", ".", ".."):
            raise Error("E_IMAGE", f"{where(path)} is a whiteout of no name")
        if isinstance(parent, Directory) and hidden in parent.children:
            self._hide(parent, hidden)
        return True

    def leaves(self) -> Iterator[tuple[str, Leaf[T], int]]:
        """Every name of every leaf, in the order of walk, with the layer that put the name there."""
        for path, named in self.walk():
            if isinstance(named.node, Leaf):
                yield path, named.node, named.layer

    def walk(self) -> Iterator[tuple[str, Named[T]]]:
        """Everything below the root, directories before what is in them, names of a directory sorted."""
        stack = [("", self._sorted(self.root))]
        while stack:
            path, below = stack[-1]
            for name, child in below:
                yield f"{path}/{name}", child
                if isinstance(child.node, Directory):
                    stack.append((f"{path}/{name}", self._sorted(child.node)))
                    break
            else:
                stack.pop()

    def resolve(self, path: str) -> Leaf[T] | Directory[T] | None:
        """What opening `path` in the container reaches, None if nothing. Raises Error E_IMAGE for a symlink loop."""
        return self._walk([name for name in path.split("/") if name not in ("", ".")], path)

    @staticmethod
    def _sorted(directory: Directory[T]) -> Iterator[tuple[str, Named[T]]]:
        return iter(sorted(directory.children.items(), key=lambda item: item[0]))

    def _step(self) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise Error("E_IMAGE", f"more than {MAX_STEPS} names to look at")

    def _names(self, path: str) -> list[str]:
        names = [name for name in path.split("/") if name not in ("", ".")]
        if ".." in names:
            raise Error("E_IMAGE", f"{where(path)} has a component '..'")
        if any(len(name.encode("utf-8", "surrogateescape")) > 255 for name in names):
            raise Error("E_IMAGE", f"{where(path)} has a component of more than 255 bytes")
        return names

    def _add(self, parent: Directory[T], name: str, named: Named[T]) -> None:
        self.entries += 1
        if self.entries > MAX_ENTRIES:
            raise Error("E_IMAGE", f"more than {MAX_ENTRIES} files")
        self.charge(len(name))
        parent.children[name] = named

    def _parent(self, names: list[str], path: str) -> Directory[T]:
        found = self._walk(names, path, make=True)
        if not isinstance(found, Directory):
            raise Error("E_IMAGE", f"{where(path)} lies under something that is not a directory")
        return found

    def _find(self, names: list[str], path: str, follow_last: bool = False) -> Directory[T] | Symlink | Leaf[T] | None:
        if follow_last or not names:
            return self._walk(names, path)
        parent = self._walk(names[:-1], path)
        child = parent.children.get(names[-1]) if isinstance(parent, Directory) else None
        return child.node if child else None

    def _walk(self, names: list[str], path: str, make: bool = False) -> Directory[T] | Leaf[T] | None:
        """Follows names from the root through symlinks. make: missing directories come into being (mkdir -p)."""
        todo = names[::-1]
        trail = [self.root]
        symlinks = 0
        while todo:
            self._step()
            name = todo.pop()
            if name == "..":
                del trail[max(1, len(trail) - 1) :]  # `..` of the root is the root
                continue
            child = trail[-1].children.get(name)
            if child is None:
                if not make:
                    return None
                child = Named(Directory(), self.layer)
                self._add(trail[-1], name, child)
            if isinstance(child.node, Symlink):
                symlinks += 1
                if symlinks > MAX_SYMLINKS:
                    raise Error("E_IMAGE", f"{where(path)} goes through a loop of symlinks")
                if child.node.target.startswith("/"):
                    trail = [self.root]
                todo += [part for part in reversed(child.node.target.split("/")) if part not in ("", ".")]
            elif isinstance(child.node, Directory):
                trail.append(child.node)
            else:
                return None if todo else child.node
        return trail[-1]

    def _has_new(self, directory: Directory[T]) -> bool:
        """Whether the layer being laid has put something below this directory."""
        stack = [directory]
        while stack:
            for child in stack.pop().children.values():
                self._step()
                if child.layer == self.layer:
                    return True
                if isinstance(child.node, Directory):
                    stack.append(child.node)
        return False

    def _hide(self, parent: Directory[T], name: str) -> None:
        named = parent.children[name]
        if isinstance(named.node, Directory):
            self._hide_children(named.node)
            if named.node.children:
                return
        if named.layer < self.layer:
            del parent.children[name]

    def _hide_children(self, directory: Directory[T]) -> None:
        """Takes out what lower layers put below this directory; what the current layer put there stays."""
        order = [directory]  # parents before children; emptied from the end
        for each in order:
            order += [c.node for c in each.children.values() if isinstance(c.node, Directory)]
        for each in reversed(order):
            for name, child in list(each.children.items()):
                self._step()
                kept = isinstance(child.node, Directory) and child.node.children
                if child.layer < self.layer and not kept:
                    del each.children[name]


def where(path: str) -> str:
    """A path of an image for a message: quoted, printable ASCII, cut."""
    text = ascii(path)
    return text if len(text) <= 120 else text[:117] + "..."
