"""In: why an execve is refused. Out: Denied, with the fixed words that the audit log shows and Linux's errno."""

from __future__ import annotations

import errno
from typing import Final

# reason -> errno, as execve(2) where it has one for it. A file that is not in the signed manifest is always EACCES.
REASONS: Final = {
    "unknown hash": errno.EACCES,
    "path names another file": errno.EACCES,
    "unknown interpreter": errno.EACCES,
    "another interpreter": errno.EACCES,
    "interpreter nesting": errno.ELOOP,
    "script without a path": errno.EACCES,
    "not a program": errno.ENOEXEC,
    "not a regular file": errno.EACCES,
    "not executable": errno.EACCES,
    "kernel interface": errno.EACCES,
    "too large": errno.EFBIG,
    "changed while read": errno.ETXTBSY,
    "not found": errno.ENOENT,
    "not a directory": errno.ENOTDIR,
    "symbolic links": errno.ELOOP,
    "name too long": errno.ENAMETOOLONG,
    "not permitted": errno.EACCES,
    "malformed": errno.EINVAL,
    "arguments too long": errno.E2BIG,
    "no resources": errno.EAGAIN,
    "no container": errno.ESRCH,
    "unreadable": errno.EIO,
}

# What the kernel says of a path; all other numbers are "unreadable".
_OF_ERRNO: Final = {
    errno.ENOENT: "not found",
    errno.ENOTDIR: "not a directory",
    errno.ELOOP: "symbolic links",
    errno.ENAMETOOLONG: "name too long",
    errno.EACCES: "not permitted",
    errno.EPERM: "not permitted",
    errno.ETXTBSY: "changed while read",
    errno.ESTALE: "changed while read",
    errno.EMFILE: "no resources",
    errno.ENFILE: "no resources",
    errno.ENOMEM: "no resources",
    errno.EAGAIN: "no resources",
}


class Denied(Exception):
    """An execve that is refused. hash: of the file that the reason speaks of, where it could be computed; path: the
    name that led to it; chain: the hashes that were accepted before it, the requested script's first.
    """

    def __init__(self, reason: str, path: str, hash: str | None = None, chain: tuple[str, ...] = ()) -> None:
        super().__init__(reason, path, hash, chain)
        self.reason = reason
        self.errno = REASONS[reason]
        self.path = path
        self.hash = hash
        self.chain = chain

    def __str__(self) -> str:
        return f"{self.path!a}: {self.reason}"


def of_errno(number: int | None, path: str) -> Denied:
    """The refusal that the kernel's errno stands for."""
    return Denied(_OF_ERRNO.get(number or 0, "unreadable"), path)
