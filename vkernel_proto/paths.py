"""In: paths of a guest. Out: host fds of what they name under the container's root, and nothing outside it.

The kernel confines (openat2(2)): RESOLVE_IN_ROOT for absolute paths and AT_FDCWD, RESOLVE_BENEATH for a directory fd.
Nothing here looks at a path and then uses it: a file is opened with O_PATH, looked at, and reached again only
through that fd. Calls that make, remove or name an entry get the parent directory's fd and one last component, which
Linux does not follow; so what a final symlink means is decided by Linux.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from vkernel_proto.linux import AT_FDCWD, syscall

if TYPE_CHECKING:
    from vkernel_proto.stub.process import Process

RESOLVE_NO_MAGICLINKS: Final = 0x02
RESOLVE_BENEATH: Final = 0x08
RESOLVE_IN_ROOT: Final = 0x10
_OPEN_HOW: Final = struct.Struct("=QQQ")
_RACES: Final = 64  # openat2 answers EAGAIN when a rename anywhere could have let a `..` out; then it is asked again
PATH_MAX: Final = 4096

# File systems that are interfaces of the kernel (include/uapi/linux/magic.h). One that is mounted inside the root would
# speak of the vkernel, not of the guest: /proc/self/mem is the vkernel's memory.
_KERNEL_INTERFACES: Final = frozenset(
    {
        0x9FA0,  # proc
        0x62656572,  # sysfs
        0x64626720,  # debugfs
        0x74726163,  # tracefs
        0x27E0EB,  # cgroup
        0x63677270,  # cgroup2
        0x73636673,  # securityfs
        0xCAFE4A11,  # bpf
        0x62656570,  # configfs
        0x6165676C,  # pstore
        0xDE5E81E4,  # efivarfs
        0xF97CFF8C,  # selinuxfs
        0x43415D53,  # smackfs
        0x42494E4D,  # binfmt_misc
        0x1CD1,  # devpts
        0x6E736673,  # nsfs
        0x19800202,  # mqueue
    }
)


@contextmanager
def place(process: Process, dirfd: int, path: bytes, *, follow: bool) -> Iterator[tuple[int, os.stat_result]]:
    """An O_PATH fd of the named file, and what it is. Raises OSError."""
    host = resolve(process, dirfd, path, os.O_PATH | (0 if follow else os.O_NOFOLLOW))
    try:
        yield host, admit(process, host)
    finally:
        os.close(host)


@contextmanager
def parent_of(process: Process, dirfd: int, path: bytes) -> Iterator[tuple[int, bytes]]:
    """An fd of the directory that holds the last component of path, and that component. Raises OSError.

    Slashes at the end stay (as one): Linux decides what they mean. The calls that take the pair look the component up
    without following it, so a symlink with a slash behind does not lead out. `/` itself stays `/`: every such call
    refuses it by its kind (LAST_ROOT in fs/namei.c) and does not look where it leads.
    """
    if len(path) >= PATH_MAX:
        raise OSError(errno.ENAMETOOLONG, "path too long")
    if not path:
        raise OSError(errno.ENOENT, "empty path")
    stripped = path.rstrip(b"/")
    head, slash, last = stripped.rpartition(b"/")
    if not stripped:
        head, slash, last = b"", b"/", b"/"
    elif len(path) > len(stripped):
        last += b"/"
    host = resolve(process, dirfd, head + slash or b".", os.O_PATH | os.O_DIRECTORY)
    try:
        admit(process, host)
        yield host, last
    finally:
        os.close(host)


def resolve(process: Process, dirfd: int, path: bytes, host_flags: int, mode: int = 0) -> int:
    """A host fd of the named file under the root. Raises OSError."""
    root = process.container.root_fd
    if path.startswith(b"/") or dirfd == AT_FDCWD:
        ret = openat2(root, path, host_flags, mode, RESOLVE_IN_ROOT)
    else:
        base = process.files[dirfd].host
        ret = openat2(base, path, host_flags, mode, RESOLVE_BENEATH)
        if ret == -errno.EXDEV:  # `..` above the directory, or an absolute symlink: the root decides where that leads
            name = _name_under_root(root, base)
            ret = openat2(root, name + b"/" + path, host_flags, mode, RESOLVE_IN_ROOT)
    if ret < 0:
        raise OSError(-ret, os.strerror(-ret))
    return ret


def openat2(dirfd: int, path: bytes, host_flags: int, mode: int, scope: int) -> int:
    """An fd of the path as scope (RESOLVE_IN_ROOT or RESOLVE_BENEATH) reads it, never by a magic link; or -errno."""
    how = _OPEN_HOW.pack(host_flags | os.O_CLOEXEC, mode, scope | RESOLVE_NO_MAGICLINKS)
    for _ in range(_RACES):
        ret = syscall("openat2", dirfd, path, how, _OPEN_HOW.size)
        if ret not in (-errno.EAGAIN, -errno.EINTR):
            break
    return ret


def _name_under_root(root: int, directory: int) -> bytes:
    """The directory's path relative to the root. Raises OSError (EXDEV) when it is not, or no longer, below it."""
    top = os.readlink(f"/proc/self/fd/{root}".encode())
    name = os.readlink(f"/proc/self/fd/{directory}".encode())
    inside = name == top or name.startswith(top.rstrip(b"/") + b"/")
    relative = (name[len(top) :].strip(b"/") if inside else b"") or b"."
    host = openat2(root, relative, os.O_PATH | os.O_DIRECTORY, 0, RESOLVE_IN_ROOT)
    if host >= 0:
        try:
            inside = inside and os.path.samestat(os.fstat(host), os.fstat(directory))
        finally:
            os.close(host)
    if host < 0 or not inside:
        raise OSError(errno.EXDEV, "a directory outside the root")
    return relative


def admit(process: Process, host: int) -> os.stat_result:
    """What the file is. Raises OSError (EACCES) for one on a file system that is an interface of the kernel."""
    found = os.fstat(host)
    if found.st_dev != process.container.root_device and kernel_interface(host):
        process.policy.deny("openat", "a kernel interface inside the root")
        raise OSError(errno.EACCES, "a kernel interface")
    return found


def kernel_interface(host: int) -> bool:
    """Whether the file is on a file system that is an interface of the kernel. Raises OSError."""
    return file_system(host) in _KERNEL_INTERFACES


def file_system(host: int) -> int:
    """statfs(2)'s f_type of the file's file system. Raises OSError."""
    buffer = bytearray(120)  # struct statfs; f_type is its first word
    ret = syscall("fstatfs", host, buffer)
    if ret < 0:
        raise OSError(-ret, os.strerror(-ret))
    return int.from_bytes(buffer[:4], "little")
