"""WASI in C: stat and times, paths, opening, links, directories."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import pytest

from tests.csrc.wasi.wasi_guest import (
    BUFFER,
    CREAT,
    DIRECTORY,
    EXCL,
    FOLDER,
    OUT,
    REGULAR,
    SYMLINK,
    TEXT,
    TRUNC,
    WRITE,
    X86_64,
    Guest,
    NewGuest,
    right,
)
from tests.csrc.wasi.wasi_usual import POINTERS, USUAL, prepared

pytestmark = X86_64

# ---- filestat


def filestat(guest: Guest) -> tuple[int, ...]:
    return guest.unpack(OUT, "<QQB7xQQQQQ")


def test_filestat_is_linux_stat(guest: Guest) -> None:
    (guest.root / "f").write_bytes(b"abc")
    (guest.root / "d").mkdir()
    (guest.root / "l").symlink_to("f")
    os.utime(guest.root / "f", ns=(1_500_000_000_123_456_789, 7))
    for name, kind in (("f", REGULAR), ("d", FOLDER), ("l", SYMLINK)):
        st = os.lstat(guest.root / name)
        times = (st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns)
        expected = (st.st_dev, st.st_ino, kind, st.st_nlink, st.st_size, *times)
        assert guest.path_filestat_get(3, 0, *guest.text(name), OUT) == "success"
        assert filestat(guest) == expected
        if kind != SYMLINK:
            assert guest.fd_filestat_get(guest.open(name), OUT) == "success"
            assert filestat(guest) == expected
    assert guest.path_filestat_get(3, 1, *guest.text("l"), OUT) == "success"
    assert filestat(guest)[2] == REGULAR
    assert guest.path_filestat_get(3, 2, *guest.text("f"), OUT) == "inval"
    guest.force("fstat", 0)
    assert guest.fd_filestat_get(0, OUT) == "io"


def test_times_outside_wasi_are_held_to_its_ends(guest: Guest) -> None:
    path = guest.root / "f"
    path.write_bytes(b"")
    os.utime(path, (-5, -5))
    assert guest.path_filestat_get(3, 0, *guest.text("f"), OUT) == "success"
    assert filestat(guest)[5:7] == (0, 0)


def test_times_are_set_as_the_flags_say(guest: Guest) -> None:
    (guest.root / "f").write_bytes(b"")
    (guest.root / "l").symlink_to("f")
    fd = guest.open("f")

    def times(name: str = "f") -> tuple[int, int]:
        st = os.lstat(guest.root / name)
        return st.st_atime_ns, st.st_mtime_ns

    assert guest.fd_filestat_set_times(fd, 1_000_000_001, 2_000_000_002, 5) == "success"
    assert times() == (1_000_000_001, 2_000_000_002)
    assert guest.fd_filestat_set_times(fd, 9, 3_000_000_003, 4) == "success"
    assert times() == (1_000_000_001, 3_000_000_003)
    assert guest.path_filestat_set_times(3, 1, *guest.text("l"), 4, 9, 1) == "success"
    assert times() == (4, 3_000_000_003)
    assert guest.path_filestat_set_times(3, 0, *guest.text("l"), 5, 6, 5) == "success"
    assert times("l") == (5, 6)
    assert times() == (4, 3_000_000_003)
    assert guest.fd_filestat_set_times(fd, 0, 0, 2 | 8) == "success"
    assert min(times()) > 10**18
    for flags in (3, 12, 15, 16, 2**32 - 1):
        assert guest.fd_filestat_set_times(fd, 0, 0, flags) == "inval"
        assert guest.path_filestat_set_times(3, 0, *guest.text("f"), 0, 0, flags) == "inval"
    assert guest.path_filestat_set_times(3, 2, *guest.text("f"), 0, 0, 0) == "inval"


# ---- paths

BAD_PATHS = {
    "absolute": (b"/f", "notcapable"),
    "root": (b"/", "notcapable"),
    "up": (b"..", "notcapable"),
    "up at last": (b"a/../..", "notcapable"),
    "up and back": (b"../root/f", "notcapable"),
    "up behind dots": (b"./.././f", "notcapable"),
    "up behind slashes": (b"a//..//../f", "notcapable"),
    "empty": (b"", "noent"),
    "with NUL": (b"f\0g", "inval"),
    "NUL at the end": (b"f\0", "inval"),
    "Latin-1": (b"caf\xe9", "ilseq"),
    "overlong": (b"\xc0\xaf", "ilseq"),
    "surrogate": (b"\xed\xa0\x80", "ilseq"),
    "beyond Unicode": (b"\xf4\x90\x80\x80", "ilseq"),
    "cut short": (b"f\xe2\x82", "ilseq"),
    "a continuation": (b"\x80", "ilseq"),
    "4096 bytes": (b"x/" * 2048, "nametoolong"),
}


@pytest.mark.parametrize("name", [n for n in USUAL if n.startswith("path_")])
@pytest.mark.parametrize("case", sorted(BAD_PATHS))
def test_bad_paths_never_reach_linux(new_guest: NewGuest, name: str, case: str) -> None:
    guest = prepared(new_guest)
    path, expected = BAD_PATHS[case]
    for parameter in [p for p, size in POINTERS[name] if size == 3]:
        if name == "path_symlink" and parameter == 0 and expected == "notcapable":
            continue  # a symlink's target is text
        guest.text("fine")
        arguments = list(USUAL[name])
        at, length = guest.put(BUFFER, path)
        arguments[parameter : parameter + 2] = [at, length]
        assert getattr(guest, name)(*arguments) == expected
        assert set(guest.asked_names()) <= {"openat"}
        assert all(arg[0] == -100 for _, arg in guest.asked), "only the root itself may have been opened"


def test_paths_that_stay_inside_are_fine(guest: Guest) -> None:
    (guest.root / "a" / "b").mkdir(parents=True)
    (guest.root / "é").write_bytes(b"x")
    for path in ("a/..", "a/b/../..", "./a/./b/..", "a//b", ".", "a/", "é", "a/../é"):
        assert guest.path_filestat_get(3, 1, *guest.text(path), OUT) == "success", path


def test_open_flags_reach_linux(guest: Guest) -> None:
    path = guest.text("f")
    assert guest.path_open(3, 0, *path, 0, WRITE, 0, 0, OUT) == "noent"
    guest.open("f", CREAT | EXCL, WRITE)
    assert guest.path_open(3, 0, *guest.text("f"), CREAT | EXCL, WRITE, 0, 0, OUT) == "exist"
    (guest.root / "f").write_bytes(b"long")
    guest.open("f", TRUNC, WRITE)
    assert (guest.root / "f").read_bytes() == b""
    assert guest.path_open(3, 0, *guest.text("f"), DIRECTORY, WRITE, 0, 0, OUT) == "notdir"
    (guest.root / "d").mkdir()
    assert guest.path_open(3, 0, *guest.text("d"), 0, right("fd_write"), 0, 0, OUT) == "isdir"
    guest.open("d", DIRECTORY, WRITE)  # a directory is opened for reading whatever was asked
    assert guest.write(guest.open("f", rights=WRITE, fdflags=1), b"1") == "success"
    assert guest.write(guest.open("f", rights=WRITE, fdflags=1), b"2") == "success"
    assert (guest.root / "f").read_bytes() == b"12"


@pytest.mark.parametrize(
    ("lookup", "oflags", "fdflags"),
    [
        *((lookup, 0, 0) for lookup in (2, 3, 2**32 - 1)),
        *((0, oflags, 0) for oflags in (16, 2**16, CREAT | DIRECTORY, EXCL | DIRECTORY, TRUNC | DIRECTORY)),
        *((0, 0, fdflags) for fdflags in (32, 2**16)),
    ],
)
def test_open_refuses_flags_it_does_not_know(guest: Guest, lookup: int, oflags: int, fdflags: int) -> None:
    assert guest.path_open(3, lookup, *guest.text("f"), oflags, 0, 0, fdflags, OUT) == "inval"
    assert guest.asked == []


def test_open_follows_the_last_symlink_only_when_told(guest: Guest) -> None:
    (guest.root / "f").write_bytes(b"through")
    (guest.root / "l").symlink_to("/f")  # absolute: inside the root
    assert guest.path_open(3, 0, *guest.text("l"), 0, right("fd_read"), 0, 0, OUT) == "loop"
    assert guest.read(guest.open("l"), 20) == b"through"


def test_open_for_reading_or_writing_alone_is_what_linux_sees(guest: Guest) -> None:
    (guest.root / "f").write_bytes(b"x")
    modes = ((right("fd_read"), 0), (right("fd_write"), 1), (right("fd_read", "fd_write"), 2), (right("fd_tell"), 0))
    for rights, mode in modes:
        guest.open("f", rights=rights)
        assert guest.asked[-1][1][2] & 3 == mode


def test_table_of_fds_is_full_at_65536_before_linux_is_asked(guest: Guest) -> None:
    guest.open(".", DIRECTORY)
    guest.force("openat", 50)
    guest.force("close", 0)
    path = guest.text("f")
    for fd in range(5, 65536):
        assert guest.path_open(3, 0, *path, 0, 0, 0, 0, OUT) == "success"
        assert guest.u32() == fd
    assert guest.path_open(3, 0, *path, 0, 0, 0, 0, OUT) == guest.sock_open(2, 1, OUT) == "mfile"
    assert guest.asked == []
    assert guest.fd_close(60000) == guest.fd_close(70) == "success"
    assert guest.path_open(3, 0, *path, 0, 0, 0, 0, OUT) == "success"
    assert guest.u32() == 70
    assert guest.path_open(3, 0, *path, 0, 0, 0, 0, OUT) == "success"
    assert guest.u32() == 60000


def test_directories_links_and_renames(guest: Guest) -> None:
    root = guest.root
    assert guest.path_create_directory(3, *guest.text("d")) == "success"
    assert guest.path_create_directory(3, *guest.text("d")) == "exist"
    (root / "f").write_bytes(b"x")
    d = guest.open("d", DIRECTORY)
    assert guest.path_link(3, 0, *guest.text("f"), d, *guest.text("hard", TEXT + 99)) == "success"
    assert (root / "d" / "hard").stat().st_nlink == 2
    assert guest.path_rename(d, *guest.text("hard"), 3, *guest.text("moved", TEXT + 99)) == "success"
    assert (root / "moved").exists()
    assert guest.path_symlink(*guest.text("/anywhere/../at all"), d, *guest.text("s", TEXT + 99)) == "success"
    assert os.readlink(root / "d" / "s") == "/anywhere/../at all"
    assert guest.path_link(3, 1, *guest.text("d/s"), 3, *guest.text("n", TEXT + 99)) == "noent"
    assert guest.path_link(3, 0, *guest.text("d/s"), 3, *guest.text("n", TEXT + 99)) == "success"
    assert (root / "n").is_symlink()
    assert guest.path_link(3, 2, *guest.text("f"), 3, *guest.text("m", TEXT + 99)) == "inval"
    assert guest.path_unlink_file(3, *guest.text("d")) == "isdir"
    assert guest.path_remove_directory(3, *guest.text("f")) == "notdir"
    assert guest.path_remove_directory(3, *guest.text("d")) == "notempty"
    assert guest.path_unlink_file(d, *guest.text("s")) == "success"
    assert guest.path_remove_directory(3, *guest.text("d")) == "success"
    assert not (root / "d").exists()


def test_readlink_is_cut_to_the_buffer(guest: Guest) -> None:
    (guest.root / "l").symlink_to("target")
    path = guest.text("l")
    for size, expected in ((100, b"target"), (6, b"target"), (3, b"tar"), (0, b"")):
        guest.put(BUFFER, b"#" * 100)
        assert guest.path_readlink(3, *path, BUFFER, size, OUT) == "success"
        assert guest.get(BUFFER, guest.u32()) == expected
        assert guest.get(BUFFER + len(expected), 10) == b"#" * 10
    (guest.root / "f").write_bytes(b"")
    assert guest.path_readlink(3, *guest.text("f"), BUFFER, 9, OUT) == "inval"
    assert guest.path_readlink(3, *guest.text("none"), BUFFER, 0, OUT) == "noent"


# ---- directories


def entries(guest: Guest, fd: int, size: int, cookie: int = 0) -> Iterator[tuple[int, int, int, str]]:
    """Reads a directory to its end as wasi-libc does: (next cookie, inode, type, name) of whole entries."""
    while True:
        assert guest.fd_readdir(fd, BUFFER, size, cookie, OUT) == "success"
        used = guest.u32()
        assert used <= size
        data, at, whole = guest.get(BUFFER, used), 0, 0
        while at + 24 <= used:
            cookie_next, inode, length, kind = struct.unpack_from("<QQIB3x", data, at)
            if at + 24 + length > used:
                break
            cookie = cookie_next
            yield cookie, inode, kind, data[at + 24 : at + 24 + length].decode()
            at += 24 + length
            whole += 1
        if used < size:
            return
        assert whole, "a full buffer without a whole entry would never end"


@pytest.mark.parametrize("size", [300, 301, 319, 512, 1000, 4096, 100_000])
def test_readdir_lists_every_entry_once_with_any_buffer(guest: Guest, size: int) -> None:
    expected = {".": FOLDER, "..": FOLDER, "d": FOLDER, "l": SYMLINK, "x" * 255: REGULAR}
    (guest.root / "d").mkdir()
    (guest.root / "l").symlink_to("nowhere")
    (guest.root / ("x" * 255)).write_bytes(b"")
    for k in range(300):
        name = f"file-{k}" + "y" * (k % 40)
        (guest.root / name).write_bytes(b"")
        expected[name] = REGULAR
    fd = guest.open(".", DIRECTORY)
    rows = list(entries(guest, fd, size))
    assert sorted((name, kind) for _, _, kind, name in rows) == sorted(expected.items())
    inode = {name: inode for _, inode, _, name in rows}
    assert inode["d"] == (guest.root / "d").stat().st_ino
    # Every cookie goes on behind its entry.
    for k in (0, 7, 150, len(rows) - 2, len(rows) - 1):
        assert [row[3] for row in entries(guest, fd, size, rows[k][0])] == [row[3] for row in rows[k + 1 :]]


def test_readdir_cuts_the_last_entry_and_fills_the_buffer(guest: Guest) -> None:
    (guest.root / "name").write_bytes(b"")
    fd = guest.open(".", DIRECTORY)
    assert guest.fd_readdir(fd, BUFFER, 4096, 0, OUT) == "success"
    whole = guest.get(BUFFER, guest.u32())
    for size in range(len(whole) + 2):
        guest.put(BUFFER, b"#" * 4096)
        assert guest.fd_readdir(fd, BUFFER, size, 0, OUT) == "success"
        assert guest.u32() == min(size, len(whole))
        assert guest.get(BUFFER, 4096) == whole[:size].ljust(4096, b"#")


def test_readdir_of_a_file_leaves_its_offset_alone(guest: Guest) -> None:
    (guest.root / "f").write_bytes(b"abc")
    fd = guest.open("f")
    assert guest.fd_seek(fd, 2, 0, OUT) == "success"
    assert guest.fd_readdir(fd, BUFFER, 99, 0, OUT) == "notdir"
    assert guest.fd_tell(fd, OUT) == "success"
    assert guest.u64() == 2


def test_readdir_refuses_a_cookie_that_cannot_be(guest: Guest) -> None:
    assert guest.fd_readdir(3, BUFFER, 99, 2**63, OUT) == "inval"


def test_readdir_of_broken_dirents_is_io(guest: Guest) -> None:
    fd = guest.open(".", DIRECTORY)
    for ret in (1, 19, 20, 24, 40):  # bytes of 0: an entry of no length
        guest.force("getdents64", ret)
        assert guest.fd_readdir(fd, BUFFER, 4096, 0, OUT) == "io"
        guest.unforce()
