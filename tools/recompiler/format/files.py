"""Paths in, descriptors and bytes out; and new files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from recompiler.errors import Error
from recompiler.format.trailer import MAX_FILE

CHUNK = 1 << 20
StrPath = str | os.PathLike[str]


def open_file(path: StrPath) -> int:
    """A read-only descriptor, without waiting on a FIFO or taking a terminal. Raises Error E_OPEN."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as e:
        raise Error("E_OPEN", f"{os.fspath(path)}: {e.strerror}") from None
    except ValueError:
        raise Error("E_OPEN", "the path holds a NUL character") from None


def open_regular(path: StrPath, limit: int = MAX_FILE) -> tuple[int, int]:
    """A read-only descriptor of a regular file of at most limit bytes, and its size.

    Raises Error: E_OPEN, E_NOT_REGULAR, E_TOO_LARGE.
    """
    fd = open_file(path)
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode) and status.st_size <= limit:
        return fd, status.st_size
    os.close(fd)
    if not stat.S_ISREG(status.st_mode):
        raise Error("E_NOT_REGULAR", f"{os.fspath(path)} is not a regular file")
    raise Error("E_TOO_LARGE", f"{os.fspath(path)} has {status.st_size} bytes, the limit is {limit}")


def read_file(path: StrPath, limit: int) -> bytes:
    """The bytes of a regular file. Raises Error: E_OPEN, E_NOT_REGULAR, E_TOO_LARGE, E_READ, E_CHANGED."""
    fd, size = open_regular(path, limit)
    with os.fdopen(fd, "rb") as file:
        try:
            data = file.read(size + 1)
        except OSError as e:
            raise Error("E_READ", f"{os.fspath(path)}: {e.strerror}") from None
    if len(data) != size:
        raise Error("E_CHANGED", f"{os.fspath(path)} changed while it was read")
    return data


def write_file(
    path: StrPath, parts: Iterable[bytes], *, mode: int = 0o644, force: bool = False, inputs: Iterable[StrPath] = ()
) -> None:
    """Makes a file of the parts: under a temporary name beside it, fsynced, then renamed into place.

    An output that is a symlink or one of the inputs is refused always, one that exists without force. On any failure
    the output and the inputs are as they were. Raises Error E_OUTPUT, and what parts raise.
    """
    output = Path(path)
    check_output(output, force, inputs)
    temporary = output.parent / f".{output.name[:200]}.{secrets.token_hex(6)}"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fchmod(fd, mode)
                os.fsync(fd)
            _publish(temporary, output, force)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        _sync_directory(output.parent)
    except OSError as e:
        raise Error("E_OUTPUT", f"{output}: {e.strerror}") from None
    except ValueError:
        raise Error("E_OUTPUT", "the path holds a NUL character") from None


def _publish(temporary: Path, output: Path, force: bool) -> None:
    if not force:
        try:
            os.link(temporary, output)  # unlike rename(2), never over a file that appeared meanwhile
            os.unlink(temporary)
            return
        except OSError as e:
            if e.errno not in (errno.EPERM, errno.EOPNOTSUPP):  # a file system without hard links
                raise
        check_output(output, False)
    os.replace(temporary, output)


def check_output(output: Path, force: bool, inputs: Iterable[StrPath] = ()) -> None:
    """Says what write_file would refuse, before the work whose result it is. Raises Error E_OUTPUT."""
    try:
        status = os.lstat(output)
    except FileNotFoundError:
        if not output.parent.is_dir():
            raise Error("E_OUTPUT", f"{output.parent}: no such directory") from None
        return
    except OSError as e:
        raise Error("E_OUTPUT", f"{output}: {e.strerror}") from None
    except ValueError:
        raise Error("E_OUTPUT", "the path holds a NUL character") from None
    if stat.S_ISLNK(status.st_mode):
        raise Error("E_OUTPUT", f"{output} is a symlink; name the file itself")
    for given in inputs:
        with contextlib.suppress(OSError, ValueError):
            if os.path.samestat(os.stat(given), status):
                raise Error("E_OUTPUT", f"{output} is an input; name another output")
    if not stat.S_ISREG(status.st_mode):
        raise Error("E_OUTPUT", f"{output} is not a regular file")
    if not force:
        raise Error("E_OUTPUT", f"{output} exists; --force replaces it")


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def chunks(fd: int, size: int, step: int = CHUNK) -> Iterator[bytes]:
    """The first size bytes behind a descriptor, step bytes at a time. Raises Error: E_READ, E_CHANGED."""
    done = 0
    while done < size:
        try:
            part = os.pread(fd, min(step, size - done), done)
        except OSError as e:
            raise Error("E_READ", f"read: {e.strerror}", done) from None
        if not part:
            raise Error("E_CHANGED", "the file became shorter while it was read", done)
        yield part
        done += len(part)
