"""In: a finished bundle in a directory of its own. Out: the same under its name; readers see the old, none, or the new.

A directory that is not there yet appears by one rename. In one that is there, bundle.sig goes first and comes last:
without it nothing of a bundle is believed, so what a kill leaves behind is no bundle.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

from recompiler.errors import Error
from recompiler.format import bundle


def check(folder: Path, force: bool) -> None:
    """Refuses an output that would be refused later. Raises Error E_OUTPUT."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise Error("E_OUTPUT", f"{folder} is not a directory")
    if not folder.parent.is_dir():
        raise Error("E_OUTPUT", f"{folder.parent} is not a directory")
    found = _pieces(folder)
    if found and not force:
        raise Error("E_OUTPUT", f"{folder / found[0]} exists; --force replaces the bundle")


def publish(made: Path, folder: Path, old: Path, force: bool) -> None:
    """Moves the bundle from made to folder; with force what was there goes to old. On failure all is as it was.

    Raises Error E_OUTPUT.
    """
    try:
        made.chmod(0o755)
        if not folder.is_dir():
            os.rename(made, folder)
        else:
            check(folder, force)
            old.mkdir()
            _exchange(made, folder, old)
        for place in (folder, folder.parent):
            _sync(place)
    except OSError as error:
        raise Error("E_OUTPUT", f"{folder}: {error.strerror}") from error


def _pieces(folder: Path) -> list[str]:
    """What of a bundle is in a directory, its signature last."""
    patterns = [*(name for names in bundle.PATTERNS.values() for name in names), bundle.ROOTFS]
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Error("E_OUTPUT", f"{folder}: {error.strerror}") from error
    found = [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
    return found + [name for name in names if name == bundle.SIGNATURE]


def _exchange(made: Path, folder: Path, old: Path) -> None:
    moves = [(folder / name, old / name) for name in reversed(_pieces(folder))]
    moves += [(made / name, folder / name) for name in _pieces(made)]
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            os.rename(source, target)
            done.append((source, target))
    except BaseException:
        for source, target in reversed(done):
            os.rename(target, source)
        raise


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
