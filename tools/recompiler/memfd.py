"""In: an open file. Out: its bytes in a memfd that nobody can change any more: what is verified there is what runs."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Final

from recompiler.errors import Error

_NOEXEC_SEAL: Final = 0x8  # memfd_create(2), Linux 6.3
_EXEC: Final = 0x10
_SEALS: Final = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def sealed_copy(source: int, size: int, name: str, *, executable: bool = False) -> int:
    """The first size bytes behind source in a sealed memfd, which the caller owns.

    Raises Error (E_READ, E_CHANGED: the file became shorter).
    """
    try:
        memfd = _create(name[:200], _EXEC if executable else _NOEXEC_SEAL)
    except OSError as error:
        raise Error("E_READ", f"memfd_create: {error.strerror}") from error
    try:
        done = 0
        while done < size:
            count = os.sendfile(memfd, source, done, min(size - done, 1 << 30))
            if count == 0:
                raise Error("E_CHANGED", f"{name} became shorter while it was read", done)
            done += count
        os.fchmod(memfd, 0o500 if executable else 0o400)
        fcntl.fcntl(memfd, fcntl.F_ADD_SEALS, _SEALS)
    except OSError as error:
        os.close(memfd)
        raise Error("E_READ", f"{name}: {error.strerror}") from error
    except BaseException:
        os.close(memfd)
        raise
    return memfd


def _create(name: str, mode: int) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | mode)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.memfd_create(name, flags)  # before Linux 6.3 every memfd is executable
