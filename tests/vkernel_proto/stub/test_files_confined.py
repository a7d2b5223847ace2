"""Whatever a guest does with paths, it sees and changes nothing outside its root."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.vkernel_proto.stub.lone_process import AT_FDCWD, Lone, lone_process

O_CREAT, O_RDWR, O_DIRECTORY, O_NOFOLLOW, O_PATH = 0o100, 0o2, 0o200000, 0o400000, 0o10000000
AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, AT_REMOVEDIR = 0x400, 0x1000, 0x200


@dataclass
class World:
    """root is the guest's; outside holds `secret`; the symlinks in root lead there by every road."""

    root: Path
    outside: Path
    lone: Lone

    def state(self) -> object:
        """All that a guest must not be able to change."""
        entries = sorted(self.outside.rglob("*"))
        tops = sorted(entry.name for entry in self.root.parent.iterdir())
        return tops, [(entry.name, entry.lstat().st_nlink, entry.lstat().st_mtime_ns) for entry in entries]

    def read(self, fd: int) -> bytes:
        return self.lone("read", fd, 100)[1]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "d" / "e").mkdir(parents=True)
    (outside / "sub").mkdir(parents=True)
    (outside / "secret").write_bytes(b"outside")
    (root / "inside").write_bytes(b"inside")
    (root / "absolute").symlink_to(outside)
    (root / "upwards").symlink_to("../outside")
    (root / "d" / "e" / "far").symlink_to("../../../../../../../../.." + str(outside))
    (root / "file").symlink_to(outside / "secret")
    (root / "d" / "up").symlink_to("..")
    with lone_process(root) as lone:
        yield World(root, outside, lone)


ROADS = (
    b"../outside/secret",
    b"/../outside/secret",
    b"d/../../outside/secret",
    b"d/e/../../../outside/secret",
    b"absolute/secret",
    b"/absolute/secret",
    b"upwards/secret",
    b"d/e/far/secret",
    b"d/e/../e/far/secret",
    b"d/up/../outside/secret",
    b"d/up/d/up/d/up/../../outside/secret",
    b"file",
    b"/proc/self/root/etc/passwd",
    b"/proc/self/cwd",
)


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("start", [None, b"/", b"/d", b"/d/e"])
def test_no_path_leads_to_a_file_outside(world: World, road: bytes, start: bytes | None) -> None:
    before = world.state()
    full = road.replace(b"OUTSIDE", bytes(world.outside))
    dirfd = AT_FDCWD if start is None else world.lone.fd("openat", AT_FDCWD, start, O_DIRECTORY, 0)
    for path in (full, full + b"/", b"/" + full, b"../" * 30 + full, bytes(world.outside / "secret")):
        fd = world.lone.ret("openat", dirfd, path, 0, 0)
        assert fd < 0 or world.read(fd) != b"outside"
        assert world.lone.ret("openat", dirfd, path, O_PATH, 0) < 0
        for name, *args in (
            ("newfstatat", dirfd, path, 0),
            ("utimensat", dirfd, path, 0),
            ("unlinkat", dirfd, path + b"x", 0),
            ("linkat", dirfd, path, AT_FDCWD, b"/stolen", AT_SYMLINK_FOLLOW),
        ):
            assert world.lone.ret(str(name), *args) < 0, name  # type: ignore[arg-type]
    assert world.state() == before


@pytest.mark.parametrize(
    "road", [road.rpartition(b"/")[0] for road in ROADS if b"outside/" in road or b"secret" in road]
)
def test_no_call_changes_a_directory_outside(world: World, road: bytes) -> None:
    before = world.state()
    lone = world.lone
    for new in (road + b"/new", road + b"/new/", road + b"/sub/new", b"../" * 9 + road + b"/new"):
        lone("mkdirat", AT_FDCWD, new, 0o777)
        lone("openat", AT_FDCWD, new, O_CREAT | O_RDWR, 0o666)
        lone("symlinkat", b"/", AT_FDCWD, new)
        lone("linkat", AT_FDCWD, b"/inside", AT_FDCWD, new, 0)
        lone("renameat2", AT_FDCWD, b"/d", AT_FDCWD, new, 0)
    for old in (road + b"/secret", road + b"/sub", road + b"/sub/", road + b"/", road):
        lone("unlinkat", AT_FDCWD, old + b"/.", AT_REMOVEDIR)
        lone("unlinkat", AT_FDCWD, old + b"/secret", 0)
        lone("unlinkat", AT_FDCWD, old + b"/sub", AT_REMOVEDIR)
        lone("renameat2", AT_FDCWD, old + b"/secret", AT_FDCWD, b"/stolen", 0)
    assert world.state() == before
    assert not (world.root / "stolen").exists()


def test_creating_through_a_dangling_symlink_stays_inside(world: World) -> None:
    before = world.state()
    (world.root / "dangling").symlink_to("/made")
    assert world.lone.fd("openat", AT_FDCWD, b"/dangling", O_CREAT | O_RDWR, 0o644) >= 3
    assert (world.root / "made").is_file()
    assert world.lone.ret("openat", AT_FDCWD, b"/file", O_CREAT | O_RDWR, 0o644) == -errno.ENOENT
    assert world.state() == before


def test_a_final_symlink_with_a_slash_behind_is_not_followed_out(world: World) -> None:
    before = world.state()
    for name in (b"absolute/", b"upwards/", b"file/", b"d/e/far//"):
        for call, *args in (
            ("unlinkat", AT_FDCWD, name, AT_REMOVEDIR),
            ("unlinkat", AT_FDCWD, name, 0),
            ("mkdirat", AT_FDCWD, name, 0o755),
            ("symlinkat", b"x", AT_FDCWD, name),
            ("renameat2", AT_FDCWD, name, AT_FDCWD, b"/stolen", 0),
            ("renameat2", AT_FDCWD, b"/d", AT_FDCWD, name, 0),
            ("linkat", AT_FDCWD, name, AT_FDCWD, b"/stolen", 0),
            ("readlinkat", AT_FDCWD, name, 100),
        ):
            assert world.lone.ret(str(call), *args) < 0, (call, name)
    assert world.state() == before


@pytest.mark.parametrize("path", [b"/", b"//", b"/..", b"."])
def test_the_root_itself_is_neither_removed_nor_renamed(world: World, path: bytes) -> None:
    lone = world.lone
    assert lone.ret("unlinkat", AT_FDCWD, path, AT_REMOVEDIR) < 0
    assert lone.ret("unlinkat", AT_FDCWD, path, 0) < 0
    assert lone.ret("renameat2", AT_FDCWD, path, AT_FDCWD, b"/d/x", 0) < 0
    assert lone.ret("renameat2", AT_FDCWD, b"/d", AT_FDCWD, path, 0) < 0
    assert lone.ret("mkdirat", AT_FDCWD, path, 0o755) == -errno.EEXIST
    assert world.root.is_dir()
    assert lone("newfstatat", AT_FDCWD, b"/..", 0) == lone("newfstatat", AT_FDCWD, b"/", 0)


def test_dirfd_of_the_root_resolves_what_leaves_it_like_the_root(world: World) -> None:
    lone = world.lone
    root = lone.fd("openat", AT_FDCWD, b"/", O_DIRECTORY, 0)
    deep = lone.fd("openat", AT_FDCWD, b"/d/e", O_DIRECTORY, 0)
    for dirfd, path in (
        (root, b"../inside"),
        (root, b"d/up/inside"),
        (deep, b"../../inside"),
        (deep, b"../up/../inside"),
    ):
        assert world.read(lone.fd("openat", dirfd, path, 0, 0)) == b"inside"


def test_directory_that_left_the_root_leads_nowhere(world: World) -> None:
    deep = world.lone.fd("openat", AT_FDCWD, b"/d/e", O_DIRECTORY, 0)
    (world.root / "d" / "e").rename(world.outside / "sub" / "e")
    for path in (b"../../secret", b"../secret", b"../e/../../secret"):
        assert world.lone.ret("openat", deep, path, 0, 0) == -errno.EXDEV
    (world.root / "d" / "e").mkdir()  # another directory of the old name is not the one that was opened
    (world.outside / "sub" / "e").rename(world.outside / "e")
    assert world.lone.ret("openat", deep, b"../secret", 0, 0) == -errno.EXDEV


def test_deleted_directory_leads_nowhere(world: World) -> None:
    deep = world.lone.fd("openat", AT_FDCWD, b"/d/e", O_DIRECTORY, 0)
    (world.root / "d" / "e" / "far").unlink()
    (world.root / "d" / "e").rmdir()
    (world.root / "d" / "e (deleted)").mkdir()
    assert world.lone.ret("openat", deep, b"../../inside", 0, 0) in (-errno.EXDEV, -errno.ENOENT)
    assert world.lone.ret("openat", deep, b"new", O_CREAT | O_RDWR, 0o644) == -errno.ENOENT


def test_guest_gets_no_name_for_a_file_it_was_passed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    log = tmp_path / "log"
    log.write_bytes(b"the operator's")
    with lone_process(root, (None, os.open(log, os.O_WRONLY | os.O_APPEND), None)) as lone:
        assert lone.ret("linkat", 1, b"", AT_FDCWD, b"/log", AT_EMPTY_PATH) == -errno.EPERM
        assert lone.ret("fcntl", 1, 4, 0) == -errno.EPERM  # F_SETFL without O_APPEND
        assert log.stat().st_nlink == 1
        assert lone.ret("read", 1, 10) == -errno.EBADF


def test_passed_directory_outside_the_root_is_not_climbed(world: World, tmp_path: Path) -> None:
    with lone_process(world.root, (os.open(world.outside / "sub", os.O_RDONLY), None, None)) as lone:
        assert lone.ret("openat", 0, b"../secret", 0, 0) == -errno.EXDEV
        assert lone.ret("openat", 0, b"/inside", 0, 0) >= 0


@pytest.mark.skipif(os.geteuid() != 0, reason="mknod needs root")
@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK])
def test_device_nodes_are_not_opened(world: World, kind: int) -> None:
    os.mknod(world.root / "device", kind | 0o666, os.makedev(1, 5))
    (world.root / "link").symlink_to("device")
    for path in (b"/device", b"/link"):
        for flags in (0, O_RDWR, O_RDWR | O_CREAT, 0o4000):
            assert world.lone.ret("openat", AT_FDCWD, path, flags, 0o644) == -errno.EACCES
    assert {record["reason"] for record in world.lone.records} == {"a device node"}
    assert world.lone("newfstatat", AT_FDCWD, b"/device", 0)[0] == 0


def test_kernel_interfaces_in_the_root_are_not_entered(tmp_path: Path) -> None:
    with lone_process(Path("/")) as lone:  # the worst root there is: /proc/self would be the vkernel
        for path in (b"/proc/self/mem", b"/proc/self/environ", b"/proc/version", b"/proc", b"/sys", b"/proc/self/fd/0"):
            assert lone.ret("openat", AT_FDCWD, path, 0, 0) in (-errno.EACCES, -errno.ELOOP), path
            assert lone.ret("openat", AT_FDCWD, path, O_PATH, 0) in (-errno.EACCES, -errno.ELOOP), path
            assert lone.ret("newfstatat", AT_FDCWD, path, 0) in (-errno.EACCES, -errno.ELOOP), path
        assert lone.ret("mkdirat", AT_FDCWD, b"/sys/new", 0o755) == -errno.EACCES
        assert lone.ret("readlinkat", AT_FDCWD, b"/proc/self/exe", 100) == -errno.EACCES


def test_vkernel_keeps_its_umask_and_directory(world: World) -> None:
    before = os.getcwd(), os.umask(0o027)
    try:
        world.lone.fd("openat", AT_FDCWD, b"/made", O_CREAT | O_RDWR, 0o666)
        world.lone("mkdirat", AT_FDCWD, b"/dir", 0o777)
        assert stat.S_IMODE((world.root / "made").stat().st_mode) == 0o640
        assert os.umask(0o027) == 0o027
        assert os.getcwd() == before[0]
    finally:
        os.umask(before[1])


@pytest.mark.parametrize("flags", [O_CREAT, O_CREAT | 0o200, 0o20200000])
def test_guest_makes_no_file_with_set_id_bits(world: World, flags: int) -> None:
    path = b"/" if flags & O_DIRECTORY else b"/made"
    fd = world.lone.fd("openat", AT_FDCWD, path, flags | O_RDWR, 0o6755)
    assert stat.S_IMODE(os.fstat(world.lone.process.files[fd].host).st_mode) & 0o6000 == 0


def test_every_host_fd_is_close_on_exec(world: World) -> None:
    lone = world.lone
    lone.fd("openat", AT_FDCWD, b"/made", O_CREAT | O_RDWR, 0o666)
    lone.fd("openat", AT_FDCWD, b"/d", O_PATH, 0)
    lone.fd("dup", 0)
    lone.fd("pipe2", 0)
    lone.fd("epoll_create1", 0)
    lone.fd("memfd_create", b"m", 8)
    lone.fd("socket", 2, 1, 0)
    files = lone.process.files
    assert all(not os.get_inheritable(files[fd].host) for fd in range(len(files)))


@pytest.mark.parametrize("road", ["symlink", "moved"])
def test_swapping_a_directory_while_it_is_walked_never_leads_out(world: World, road: str) -> None:
    """A second thread renames as fast as it can; each answer is the inside's content or an error."""
    for folder in (world.root / "d" / "e", world.outside / "sub"):
        (folder / "mark").write_bytes(b"inside" if folder.is_relative_to(world.root) else b"outside")
    (world.root / "swap").symlink_to(world.outside / "sub")
    inside, other = world.root / "d" / "e", world.root / "swap" if road == "symlink" else world.outside / "e"
    stop = threading.Event()

    def swap() -> None:
        aside = world.root / "aside"
        while not stop.is_set():
            for old, new in ((inside, aside), (other, inside), (inside, other), (aside, inside)):
                if os.path.lexists(old):
                    os.rename(old, new)

    def move() -> None:
        while not stop.is_set():
            os.rename(inside, other)
            os.rename(other, inside)

    thread = threading.Thread(target=swap if road == "symlink" else move, daemon=True)
    thread.start()
    seen: dict[bytes, int] = {}
    try:
        for turn in range(1500):
            for path in (b"/d/e/mark", b"/d/e/../e/mark", b"/d/e/../../../outside/secret"):
                fd = world.lone.ret("openat", AT_FDCWD, path, O_RDWR | (O_CREAT if turn % 3 == 0 else 0), 0o644)
                if fd >= 0:
                    data = world.read(fd)
                    seen[data] = seen.get(data, 0) + 1
                    world.lone("close", fd)
            directory = world.lone.ret("openat", AT_FDCWD, b"/d/e", O_DIRECTORY, 0)
            if directory >= 0:
                fd = world.lone.ret("openat", directory, b"../../secret", 0, 0)
                assert fd < 0
                world.lone("close", directory)
    finally:
        stop.set()
        thread.join(20)
    assert b"outside" not in seen, seen
    assert seen.get(b"inside", 0) > 0, seen
    assert (world.outside / "sub" / "mark").read_bytes() == b"outside"
    assert sorted(entry.name for entry in world.outside.iterdir() if entry.name != "e") == ["secret", "sub"]
