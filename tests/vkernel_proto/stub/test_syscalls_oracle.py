"""The same syscalls once through a Process and once on Linux itself: equal values, equal errnos, equal trees.

Linux gets the very same numbers and arguments, with the directory's fd where the guest says AT_FDCWD. So paths are
relative here, and none climbs over the top: what happens there is the matter of test_files_confined.py.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import random
import stat
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.vkernel_proto.stub.lone_process import AT_FDCWD, NUMBERS, Lone, lone_process

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the wire's numbers are x86-64's")

O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NONBLOCK = 0o1, 0o2, 0o100, 0o200, 0o1000, 0o2000, 0o4000
O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC, O_PATH, O_TMPFILE = 0o200000, 0o400000, 0o2000000, 0o10000000, 0o20200000
AT_SYMLINK_NOFOLLOW, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH = 0x100, 0x200, 0x400, 0x1000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_STAT = struct.Struct("<QQQIIIIQqqqqqqqqq24x")
_CAPACITY = 4096


Argument: TypeAlias = "int | bytes | ctypes.Array[ctypes.c_char]"
Adapted: TypeAlias = "Callable[[Sequence[int | bytes], bytes, ctypes.Array[ctypes.c_char]], Sequence[Argument]]"


def linux(name: str, *args: Argument) -> int:
    values = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    value = int(_libc.syscall(ctypes.c_long(NUMBERS[name]), *values))
    return -ctypes.get_errno() if value == -1 else value


def _unchanged(args: Sequence[int | bytes], _data: bytes, _out: ctypes.Array[ctypes.c_char]) -> Sequence[int | bytes]:
    return args


# How the wire's request becomes Linux's arguments, where they are not the same: data has a length, replies a buffer.
_ADAPT: dict[str, Adapted] = {
    "read": lambda a, d, out: (a[0], out, a[1]),
    "pread64": lambda a, d, out: (a[0], out, a[1], a[2]),
    "write": lambda a, d, out: (a[0], d, len(d)),
    "pwrite64": lambda a, d, out: (a[0], d, len(d), a[1]),
    "fstat": lambda a, d, out: (a[0], out),
    "newfstatat": lambda a, d, out: (a[0], a[1], out, a[2]),
    "readlinkat": lambda a, d, out: (a[0], a[1], out, a[2]),
    "getdents64": lambda a, d, out: (a[0], out, a[1]),
    "utimensat": lambda a, d, out: (a[0], a[1] or 0, d or 0, a[2]),
}


class Both:
    """Two directories and the two ways into them. Guest fds are looked up in `pairs` for Linux's."""

    def __init__(self, lone: Lone, guest_root: Path, linux_root: Path) -> None:
        self.lone = lone
        self.roots = guest_root, linux_root
        self.base = os.open(linux_root, os.O_RDONLY | os.O_DIRECTORY)
        self.pairs: dict[int, int] = {}

    def close(self) -> None:
        for fd in (self.base, *self.pairs.values()):
            os.close(fd)

    def call(self, name: str, *args: int | bytes, data: bytes = b"") -> int:
        """Makes the call both ways and compares; the guest's value."""
        mine, reply = self.lone(name, *args, data=data)
        out = ctypes.create_string_buffer(_CAPACITY)
        adapted = _ADAPT.get(name, _unchanged)(self._their_fds(name, args), data, out)
        theirs = linux(name, *adapted)
        what = f"{name}{args} {data[:40]!r}"
        if name in ("openat", "dup", "memfd_create") or (name == "fcntl" and args[1] in (0, 1030)):
            assert min(mine, 0) == min(theirs, 0), f"{what}: {_say(mine, theirs)}"
            if mine >= 0:
                self.pairs[mine] = theirs
            return mine
        if name == "getdents64":
            assert sorted(_entries(reply)) == sorted(_entries(out.raw[: max(0, theirs)])), what
            return mine
        assert mine == theirs, f"{what}: {_say(mine, theirs)}"
        if name in ("fstat", "newfstatat") and mine == 0:
            assert _shape(reply) == _shape(out.raw[:144]), what
        elif reply or name in ("read", "pread64", "readlinkat"):
            assert reply == out.raw[: max(0, theirs)], what
        if name == "close" and mine == 0:
            del self.pairs[int(args[0])]
        return mine

    def _their_fds(self, name: str, args: Sequence[int | bytes]) -> list[int | bytes]:
        places = {"symlinkat": (1,), "linkat": (0, 2), "renameat2": (0, 2), "memfd_create": ()}.get(name, (0,))
        theirs = list(args)
        for place in places:
            theirs[place] = self.base if args[place] == AT_FDCWD else self.pairs.get(int(args[place]), 9999)
        return theirs

    def compare_trees(self) -> None:
        mine, theirs = (_tree(root) for root in self.roots)
        assert mine == theirs


def _say(mine: int, theirs: int) -> str:
    return " instead of ".join(errno.errorcode.get(-value, str(value)) for value in (mine, theirs))


def _shape(packed: bytes) -> tuple[int, ...]:
    """What has to be equal of two files that are not the same: not the inode, nor the times they were made."""
    dev, _, nlink, mode, uid, gid, _, rdev, size, blksize, _, *_ = _STAT.unpack(packed)
    return dev, nlink, mode, uid, gid, rdev, size if not stat.S_ISDIR(mode) else 0, blksize


def _entries(dirents: bytes) -> Iterator[tuple[bytes, int]]:
    at = 0
    while at < len(dirents):
        length, kind = struct.unpack_from("<HB", dirents, at + 16)
        yield dirents[at + 19 : at + length].split(b"\0")[0], kind
        at += length


def _tree(root: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        state = path.lstat()
        content: object = None
        if stat.S_ISLNK(state.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(state.st_mode):
            content = path.read_bytes()
        links = state.st_nlink if not stat.S_ISDIR(state.st_mode) else 0
        found[str(path.relative_to(root))] = (state.st_mode, links, content)
    return found


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    guest_root, linux_root = tmp_path / "guest", tmp_path / "linux"
    for root in (guest_root, linux_root):
        (root / "dir" / "sub").mkdir(parents=True)
        (root / "file").write_bytes(b"0123456789")
        (root / "dir" / "other").write_bytes(b"other")
        (root / "link").symlink_to("file")
        (root / "dirlink").symlink_to("dir")
        (root / "dangling").symlink_to("nowhere")
        (root / "loop").symlink_to("loop")
        (root / "dir" / "back").symlink_to("../file")
        os.mkfifo(root / "fifo", 0o600)
        os.chmod(root / "fifo", 0o600)
    with lone_process(guest_root) as lone:
        pair = Both(lone, guest_root, linux_root)
        yield pair
        pair.close()


_PATHS = (
    *(b"file", b"dir", b"dir/sub", b"dir/other", b"link", b"dirlink", b"dirlink/other", b"dangling", b"loop"),
    *(b"dir/back", b"fifo", b"new", b"dir/new", b"none/new", b"file/new", b"dir/../file", b"dir/sub/../other", b"."),
    *(b"", b"file/", b"dir/", b"dir//", b"link/", b"dirlink/", b"dangling/", b"new/", b"loop/x", b"./dir/./other"),
    *(
        b"dir/.",
        b"dir/sub/..",
        b"dir/sub/../",
        b"n" * 255,
        b"n" * 256,
        b"d/" * 2047 + b"x",
        b"d/" * 2048,
        b"dir/sub/./",
    ),
)


@pytest.mark.parametrize("path", _PATHS, ids=lambda path: path.decode()[:24] or "empty")
def test_calls_on_one_path_answer_as_linux_does(both: Both, path: bytes) -> None:
    call = both.call
    for flags in (0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, 0x40):
        call("newfstatat", AT_FDCWD, path, flags)
    for count in (100, 3, 0, -1):
        call("readlinkat", AT_FDCWD, path, count)
    if path:  # empty is the fd itself here, and ENOENT in openat's words
        for flags in (0, AT_SYMLINK_NOFOLLOW):
            call("utimensat", AT_FDCWD, path, flags, data=struct.pack("<qqqq", 1, 2, 3, 4))
            call("utimensat", AT_FDCWD, path, flags)
    for flags in (0, O_WRONLY, O_RDWR, O_RDWR | O_EXCL, O_RDWR | O_APPEND, O_WRONLY | O_TRUNC, O_CLOEXEC, 3):
        for more in (0, O_DIRECTORY, O_NOFOLLOW, O_DIRECTORY | O_NOFOLLOW, O_PATH, O_PATH | O_NOFOLLOW):
            if flags == 3 and not more & O_PATH:
                continue  # neither reading nor writing, for ioctl(2): refused
            fd = call("openat", AT_FDCWD, path, flags | more | O_NONBLOCK, 0)
            if fd >= 0:
                call("fcntl", fd, 3, 0)
                call("fstat", fd)
                call("read", fd, 4)
                call("close", fd)
    for flags in (O_CREAT | O_DIRECTORY, O_TMPFILE, O_TMPFILE | O_RDWR, O_TMPFILE | O_RDWR | O_CREAT):
        fd = call("openat", AT_FDCWD, path, flags | O_NONBLOCK, 0o600)
        if fd >= 0:
            call("close", fd)
    call("linkat", AT_FDCWD, path, AT_FDCWD, b"hard1", 0)
    call("linkat", AT_FDCWD, path, AT_FDCWD, b"hard2", AT_SYMLINK_FOLLOW)
    call("linkat", AT_FDCWD, path, AT_FDCWD, b"hard3", 0x40)
    call("linkat", AT_FDCWD, b"file", AT_FDCWD, path, 0)
    call("symlinkat", b"target", AT_FDCWD, path)
    call("symlinkat", b"", AT_FDCWD, b"fresh")
    call("mkdirat", AT_FDCWD, path, 0o7755)
    both.compare_trees()
    call("unlinkat", AT_FDCWD, path, 0)
    call("unlinkat", AT_FDCWD, path, AT_REMOVEDIR)
    call("unlinkat", AT_FDCWD, path, 1)
    both.compare_trees()


@pytest.mark.parametrize("path", _PATHS, ids=lambda path: path.decode()[:24] or "empty")
@pytest.mark.parametrize("flags", [O_CREAT, O_CREAT | O_EXCL, O_CREAT | O_NOFOLLOW, O_CREAT | O_TRUNC])
def test_creating_a_file_answers_as_linux_does(both: Both, path: bytes, flags: int) -> None:
    for mode in (0o644, 0o1755, 0o170666):
        fd = both.call("openat", AT_FDCWD, path, flags | O_RDWR | O_NONBLOCK, mode)
        if fd >= 0:
            both.call("write", fd, data=b"abc")
            both.call("fcntl", fd, 3, 0)
            both.call("close", fd)
    both.compare_trees()


@pytest.mark.parametrize("old", _PATHS[:22:2] + _PATHS[22:26], ids=lambda path: path.decode()[:24])
@pytest.mark.parametrize(
    "new", [b"new", b"file", b"dir", b"dir/sub", b"dir/sub/x", b"link", b"dirlink", b"new/", b"dir/", b".", b""]
)
def test_rename_answers_as_linux_does(both: Both, old: bytes, new: bytes) -> None:
    for flags in (3, 8, 1, 0, 2):
        both.call("renameat2", AT_FDCWD, old, AT_FDCWD, new, flags)
        both.call("renameat2", AT_FDCWD, new, AT_FDCWD, old, flags)
    both.compare_trees()


def test_calls_on_an_fd_answer_as_linux_does(both: Both) -> None:
    call = both.call
    fd = call("openat", AT_FDCWD, b"file", O_RDWR, 0)
    for offset, whence in ((3, 0), (2, 1), (-1, 2), (-100, 1), (0, 3), (0, 4), (100, 3), (1 << 62, 0), (0, 9), (0, 0)):
        call("lseek", fd, offset, whence)
    call("read", fd, 4)
    call("read", fd, 0)
    call("write", fd, data=b"XY")
    call("write", fd, data=b"")
    for offset in (0, 5, 100, -1, 1 << 62):
        call("pread64", fd, 4, offset)
        call("pwrite64", fd, offset if offset < 1 << 40 else -5, data=b"z")
    call("fsync", fd)
    call("fdatasync", fd)
    for length in (50, 5, 0, -1):
        call("ftruncate", fd, length)
    for mode, offset, length in ((0, 0, 100), (1, 0, 4096), (3, 1, 3), (3, 1, 0), (0, -1, 5), (99, 0, 5), (2, 0, 5)):
        call("fallocate", fd, mode, offset, length)
    call("fstat", fd)
    copy = call("dup", fd)
    call("fcntl", copy, 4, O_APPEND | O_NONBLOCK | O_CREAT | 1)
    for command in (3, 1, 99):
        call("fcntl", fd, command, 0)
    call("write", fd, data=b"end")
    call("fcntl", fd, 4, 0)
    call("fcntl", fd, 2, 1)
    call("fcntl", fd, 1, 0)
    call("fcntl", copy, 1, 0)
    high = call("fcntl", fd, 1030, 20)
    assert high == 20
    call("fcntl", high, 1, 0)
    call("close", fd)
    call("close", fd)
    call("fcntl", fd, 3, 0)
    call("lseek", copy, 0, 1)
    both.compare_trees()


def test_directories_and_links_through_fds_answer_as_linux_does(both: Both) -> None:
    call = both.call
    directory = call("openat", AT_FDCWD, b"dir", O_DIRECTORY, 0)
    call("getdents64", directory, 4096)
    call("getdents64", directory, 4096)
    call("lseek", directory, 0, 0)
    call("getdents64", directory, 10)
    call("read", directory, 10)
    call("write", directory, data=b"x")
    call("ftruncate", directory, 0)
    call("mkdirat", directory, b"made", 0o700)
    call("renameat2", directory, b"other", directory, b"made/moved", 0)
    call("openat", directory, b"back", 0, 0)
    call("openat", directory, b"../file", 0, 0)
    call("newfstatat", directory, b"", AT_EMPTY_PATH)
    call("newfstatat", directory, b"", 0)
    call("utimensat", directory, b"", 0, data=struct.pack("<qqqq", 5, 6, 7, 8))
    file = call("openat", AT_FDCWD, b"file", O_WRONLY, 0)
    call("openat", file, b"x", 0, 0)
    call("mkdirat", file, b"x", 0o700)
    call("getdents64", file, 4096)
    call("read", file, 1)
    link = call("openat", AT_FDCWD, b"link", O_PATH | O_NOFOLLOW, 0)
    call("readlinkat", link, b"", 100)
    call("read", link, 1)
    call("fcntl", link, 3, 0)
    call("fcntl", link, 4, 0)
    call("readlinkat", directory, b"", 100)
    temporary = call("openat", AT_FDCWD, b"dir", O_TMPFILE | O_RDWR, 0o640)
    call("write", temporary, data=b"kept")
    call("unlinkat", directory, b"sub", AT_REMOVEDIR)
    call("unlinkat", 77, b"sub", AT_REMOVEDIR)
    both.compare_trees()


def test_unnamed_file_can_be_given_a_name(both: Both) -> None:
    fd = both.lone.fd("openat", AT_FDCWD, b"dir", O_TMPFILE | O_RDWR, 0o640)
    both.lone("write", fd, data=b"kept")
    assert both.lone.ret("linkat", fd, b"", AT_FDCWD, b"/named", AT_EMPTY_PATH) == 0
    assert (both.roots[0] / "named").read_bytes() == b"kept"


def test_memory_files_answer_as_linux_does(both: Both) -> None:
    fd = both.call("memfd_create", b"m", 8)
    both.call("fstat", fd)
    both.call("lseek", fd, 0, 1)
    both.call("ftruncate", fd, 100)
    both.call("pread64", fd, 10, 95)
    both.call("fcntl", fd, 3, 0)
    both.call("fallocate", fd, 0, 0, 200)
    both.call("write", fd, data=b"abc")
    both.call("pwrite64", fd, 7, data=b"xyz")
    both.call("pread64", fd, 20, 0)
    both.call("memfd_create", b"n" * 250, 8)
    both.call("memfd_create", b"n" * 249, 8)


_NAMES = (b"a", b"b", b"c", b"a/b", b"a/c", b"b/a", b"b/a/c", b"c/b", b"a/", b"./b", b"a//b", b"c/a/b/a")


@pytest.mark.parametrize("seed", range(12))
def test_random_sequences_end_in_the_same_tree(both: Both, seed: int) -> None:
    """Half of the seeds use symlinks and no `..`, the other half the reverse, so that none climbs over the top."""
    print(f"seed {seed}")
    random_ = random.Random(seed)
    names = _NAMES if seed % 2 else (*_NAMES, b"a/../b", b"a/b/../../c", b"b/..", b"c/../a/b")

    def fds() -> int:
        return random_.choice([99, *both.pairs])

    def dirfd() -> int:
        return AT_FDCWD if seed % 2 == 0 else random_.choice([AT_FDCWD, *both.pairs])

    def name() -> bytes:
        return random_.choice(names)

    def flags(*bits: int) -> int:
        return sum(bit for bit in bits if random_.random() < 0.4)

    moves: list[Callable[[], object]] = [
        lambda: both.call(
            "openat",
            dirfd(),
            name(),
            random_.randrange(3) | flags(O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NOFOLLOW),
            0o644,
        ),
        lambda: both.call("openat", dirfd(), name(), O_DIRECTORY, 0),
        lambda: both.call("mkdirat", dirfd(), name(), 0o755),
        lambda: both.call("mkdirat", AT_FDCWD, name(), 0o700),
        lambda: both.call("unlinkat", dirfd(), name(), random_.choice((0, AT_REMOVEDIR))),
        lambda: both.call("renameat2", dirfd(), name(), dirfd(), name(), random_.choice((0, 0, 1, 2))),
        lambda: both.call("linkat", dirfd(), name(), dirfd(), name(), random_.choice((0, AT_SYMLINK_FOLLOW))),
        lambda: both.call("symlinkat", random_.choice(_NAMES), dirfd(), name()) if seed % 2 else None,
        lambda: both.call("readlinkat", dirfd(), name(), 100),
        lambda: both.call("newfstatat", dirfd(), name(), flags(AT_SYMLINK_NOFOLLOW)),
        lambda: both.call("write", fds(), data=random_.randbytes(random_.randrange(40))),
        lambda: both.call("pwrite64", fds(), random_.randrange(100), data=b"pw"),
        lambda: both.call("read", fds(), random_.randrange(30)),
        lambda: both.call("lseek", fds(), random_.randrange(-5, 60), random_.randrange(5)),
        lambda: both.call("ftruncate", fds(), random_.randrange(80)),
        lambda: both.call("fcntl", fds(), 3, 0),
        lambda: both.call("dup", fds()),
        lambda: both.call("close", random_.choice([99, *both.pairs])),
    ]
    for _ in range(600):
        if len(both.pairs) > 12:
            both.call("close", random_.choice(list(both.pairs)))
        random_.choice(moves)()
    both.compare_trees()
