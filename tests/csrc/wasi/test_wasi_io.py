"""WASI in C: reading and writing through vectors; fds, their rights, flags and offsets."""

from __future__ import annotations

import errno
import os
import pty
import random
import struct

import pytest

from tests.csrc.wasi.wasi_guest import (
    ALL,
    BUFFER,
    CHARACTER,
    CREAT,
    DIRECTORY,
    FOLDER,
    MEMORY,
    OUT,
    REGULAR,
    TEXT,
    TRUNC,
    UNKNOWN,
    VECTOR,
    WRITE,
    X86_64,
    Guest,
    NewGuest,
    right,
)

pytestmark = X86_64

# ---- vectors


def test_write_and_read_gather_and_scatter_in_one_syscall(guest: Guest) -> None:
    fd = guest.open("f", CREAT, WRITE)
    assert guest.write(fd, b"one ", b"", b"two ", b"three") == "success"
    assert guest.u32() == 13
    assert guest.asked_names() == ["write"]
    assert (guest.root / "f").read_bytes() == b"one two three"
    assert guest.fd_seek(fd, 0, 0, OUT) == "success"
    assert guest.read(fd, 2, 0, 5, 100) == b"one two three"
    assert guest.asked_names() == ["read"]
    assert guest.read(fd, 10) == b""


def test_vectors_have_at_most_1024_items(guest: Guest) -> None:
    fd = guest.open("f", CREAT, WRITE)
    guest.put(BUFFER, struct.pack("<II", TEXT, 1) * 1025)
    guest.text("x")
    assert guest.fd_write(fd, BUFFER, 1024, OUT) == "success"
    assert guest.u32() == 1024
    for count in (1025, 2**29, 2**32 - 1):
        assert guest.fd_write(fd, BUFFER, count, OUT) == "inval"
        assert guest.fd_read(fd, BUFFER, count, OUT) == "inval"


def test_vectors_with_a_bad_item_move_nothing(guest: Guest) -> None:
    fd = guest.open("f", CREAT, WRITE)
    for bad in ((MEMORY, 1), (MEMORY - 1, 2), (2**32 - 1, 1), (2**32 - 4, 8), (0, MEMORY + 1), (1, 2**32 - 1)):
        assert guest.fd_write(fd, *guest.vector((BUFFER, 4), bad), OUT) == "fault"
        assert guest.asked == []
        assert guest.fd_read(fd, *guest.vector((BUFFER, 4), bad), OUT) == "fault"
        assert guest.asked == []


def test_empty_vectors_and_items_reach_linux(guest: Guest) -> None:
    fd = guest.open("f", CREAT, WRITE)
    assert guest.fd_write(fd, VECTOR, 0, OUT) == "success"
    assert guest.u32() == 0
    assert guest.fd_write(fd, *guest.vector((MEMORY, 0), (0, 0)), OUT) == "success"
    guest.force("write", -errno.EPIPE)
    assert guest.fd_write(fd, VECTOR, 0, OUT) == "pipe"


def test_writes_and_reads_over_one_record_go_on(guest: Guest) -> None:
    fd = guest.open("f", CREAT, WRITE)
    size = 900_000  # less than a record; the vector says it twice
    data = random.Random(1).randbytes(size)
    guest.put(BUFFER, data)
    assert guest.fd_write(fd, *guest.vector((BUFFER, size), (BUFFER, size)), OUT) == "success"
    assert guest.u32() == 2 * size > 1_000_000
    assert guest.asked_names() == ["write", "write"]
    assert (guest.root / "f").read_bytes() == data * 2
    assert guest.fd_pwrite(fd, *guest.vector((BUFFER, size), (BUFFER, size)), 5, OUT) == "success"
    assert [arg[1] for _, arg in guest.asked] == [5, 1_000_005]
    guest.put(BUFFER, bytes(size))
    assert guest.fd_pread(fd, *guest.vector((TEXT, 1), (BUFFER, size), (BUFFER, size)), 4, OUT) == "success"
    assert guest.u32() == 2 * size + 1
    assert guest.get(BUFFER, size) == data


def test_reads_of_a_pipe_stop_after_one_record(new_guest: NewGuest) -> None:
    r, w = os.pipe()
    try:
        guest = new_guest(standard=(r, 1, 2))
        os.write(w, b"some")
        big = MEMORY - BUFFER
        assert guest.fd_read(0, *guest.vector((BUFFER, big), (BUFFER, big)), OUT) == "success"
        assert guest.u32() == 4
        assert guest.get(BUFFER, 4) == b"some"
    finally:
        os.close(r)
        os.close(w)


def test_sums_over_32_bits_are_inval(guest: Guest) -> None:
    fd = guest.open("f", CREAT, WRITE)
    guest.put(BUFFER, struct.pack("<II", 0, 2**22) * 1023 + struct.pack("<II", 0, 2**22 - 1))
    guest.force("write", -errno.ENOSPC)
    assert guest.fd_write(fd, BUFFER, 1024, OUT) == "nospc"  # 2^32 - 1
    guest.put(BUFFER + 1023 * 8, struct.pack("<II", 0, 2**22))
    assert guest.fd_write(fd, BUFFER, 1024, OUT) == "inval"
    assert guest.asked == []


@pytest.mark.parametrize("ret", [17, 2**31, 2**62])
def test_answers_longer_than_the_question_are_io(guest: Guest, ret: int) -> None:
    fd = guest.open("f", CREAT, WRITE)
    guest.force("write", ret)
    guest.force("read", ret)
    assert guest.fd_write(fd, *guest.vector((BUFFER, 16)), OUT) == "io"
    assert guest.fd_read(fd, *guest.vector((BUFFER, 16)), OUT) == "io"


def test_pread_and_pwrite_refuse_offsets_linux_has_not(guest: Guest) -> None:
    fd = guest.open("f", CREAT, WRITE)
    for offset in (2**63 - 4, 2**63, 2**64 - 1):
        assert guest.fd_pwrite(fd, *guest.vector((BUFFER, 16)), offset, OUT) == "inval"
        assert guest.fd_pread(fd, *guest.vector((BUFFER, 16)), offset, OUT) == "inval"


# ---- fds


def test_root_is_opened_when_it_is_first_used(guest: Guest) -> None:
    assert guest.fd_prestat_get(3, OUT) == "success"
    assert guest.unpack(OUT, "<II") == (0, 1)
    assert guest.fd_prestat_dir_name(3, OUT, 1) == "success"
    assert guest.get(OUT, 1) == b"/"
    assert guest.fd_fdstat_get(3, OUT) == "success"
    assert guest.unpack(OUT, "<BxHxxxxQQ") == (
        FOLDER,
        0,
        ALL & ~right("fd_write", "fd_datasync", "fd_allocate", "fd_filestat_set_size"),
        ALL,
    )
    assert guest.asked == []
    assert guest.path_create_directory(3, *guest.text("d")) == "success"
    assert guest.asked_names() == ["openat", "mkdirat"]
    assert guest.path_create_directory(3, *guest.text("e")) == "success"
    assert guest.asked_names() == ["mkdirat"]


def test_root_that_may_not_be_opened_is_an_error_of_the_call(guest: Guest) -> None:
    guest.force("openat", -errno.EPERM)
    assert guest.path_create_directory(3, *guest.text("d")) == "perm"
    assert guest.fd_close(3) == "success"
    assert guest.asked == []
    assert guest.fd_prestat_get(3, OUT) == "badf"


def test_only_preopens_have_prestats(guest: Guest) -> None:
    fd = guest.open(".", DIRECTORY)
    for number in (0, fd, 99):
        assert guest.fd_prestat_get(number, OUT) == guest.fd_prestat_dir_name(number, OUT, 9) == "badf"
    assert guest.fd_prestat_dir_name(3, OUT, 0) == "nametoolong"


def test_lowest_free_number_is_handed_out_and_closed_for_good(guest: Guest) -> None:
    fds = [guest.open("f", CREAT, WRITE) for _ in range(40)]
    assert fds == list(range(4, 44))
    assert guest.fd_close(10) == "success"
    assert guest.fd_close(10) == "badf"
    guest.force("close", -errno.EIO)
    assert guest.fd_close(7) == "io"
    guest.unforce()
    assert guest.open("f") == 7
    assert guest.open("f") == 10


def test_renumber_moves_an_open_fd_onto_an_open_one(guest: Guest) -> None:
    a, b = guest.open("a", CREAT, WRITE), guest.open("b", CREAT, WRITE)
    assert guest.fd_renumber(a, b) == "success"
    assert guest.asked_names() == ["close"]
    assert guest.write(b, b"x") == "success"
    assert (guest.root / "a").read_bytes() == b"x"
    assert guest.fd_tell(a, OUT) == "badf"
    assert guest.fd_renumber(b, 50) == guest.fd_renumber(50, b) == guest.fd_renumber(2**32 - 1, 0) == "badf"
    assert guest.fd_renumber(b, b) == "success"
    assert guest.asked == []


def test_rights_shrink_and_never_grow(guest: Guest) -> None:
    fd = guest.open("f", CREAT, WRITE, 0)
    assert guest.fd_fdstat_set_rights(fd, right("fd_read", "fd_seek"), 0) == "success"
    assert guest.write(fd, b"x") == "notcapable"
    for base, inheriting in ((ALL, 0), (right("fd_write"), 0), (1 << 30, 0), (1 << 63, 0), (0, 1)):
        assert guest.fd_fdstat_set_rights(fd, base, inheriting) == "notcapable"


def test_open_gives_no_right_the_directory_does_not_hand_on(guest: Guest) -> None:
    (guest.root / "d").mkdir()
    d = guest.open("d", DIRECTORY, right("path_open", "path_create_file"), right("fd_read", "fd_write"))
    path = guest.text("f")
    assert guest.path_open(d, 0, *path, CREAT, right("fd_read", "fd_seek"), 0, 0, OUT) == "notcapable"
    assert guest.path_open(d, 0, *path, CREAT, right("fd_read"), right("fd_sync"), 0, OUT) == "notcapable"
    assert guest.path_open(d, 0, *path, CREAT, right("fd_read"), 0, 16, OUT) == "notcapable"  # sync
    assert guest.path_open(d, 0, *path, TRUNC, right("fd_read"), 0, 0, OUT) == "notcapable"
    assert not (guest.root / "d" / "f").exists()
    assert guest.path_open(d, 0, *path, CREAT, right("fd_read"), 0, 0, OUT) == "success"
    # What no right has a bit for can be asked for: some languages' libraries ask for all 64.
    assert guest.path_open(3, 0, *path, CREAT, 2**64 - 1, 2**64 - 1, 0, OUT) == "success"


def test_fdstat_tells_a_terminal_from_other_devices_and_pipes(new_guest: NewGuest) -> None:
    leader, terminal = pty.openpty()
    null = os.open("/dev/null", os.O_RDWR)
    r, w = os.pipe()
    try:
        guest = new_guest(standard=(terminal, null, w))
        seen = []
        for fd in (0, 1, 2):
            assert guest.fd_fdstat_get(fd, OUT) == "success"
            kind, _, base, inheriting = guest.unpack(OUT, "<BxHxxxxQQ")
            assert inheriting == 0
            seen.append((kind, bool(base & right("fd_seek")), bool(base & right("fd_read"))))
        assert seen == [(CHARACTER, False, True), (CHARACTER, True, True), (UNKNOWN, True, False)]
    finally:
        for fd in (leader, terminal, null, r, w):
            os.close(fd)


def test_flags_append_and_nonblock_can_change_and_sync_cannot(guest: Guest) -> None:
    fd = guest.open("f", CREAT, WRITE, fdflags=1)
    assert guest.fd_fdstat_get(fd, OUT) == "success"
    assert guest.unpack(OUT, "<BxH") == (REGULAR, 1)
    assert guest.fd_fdstat_set_flags(fd, 4) == "success"
    assert guest.fd_fdstat_get(fd, OUT) == "success"
    assert guest.unpack(OUT, "<BxH") == (REGULAR, 4)
    for sync in (2, 8, 16):
        assert guest.fd_fdstat_set_flags(fd, sync) == "notsup"
    for unknown in (32, 2**16, 2**32 - 1):
        assert guest.fd_fdstat_set_flags(fd, unknown) == "inval"
    synced = guest.open("f", rights=WRITE, fdflags=16)
    assert guest.fd_fdstat_get(synced, OUT) == "success"
    assert guest.unpack(OUT, "<BxH") == (REGULAR, 16)
    assert guest.fd_fdstat_set_flags(synced, 16 | 1) == "success"


def test_flags_of_standard_fds_are_asked_each_time(new_guest: NewGuest) -> None:
    r, w = os.pipe()
    try:
        guest = new_guest(standard=(r, w, 2))
        for nonblocking in (True, False, True):
            os.set_blocking(r, not nonblocking)
            assert guest.fd_fdstat_get(0, OUT) == "success"
            assert guest.unpack(OUT, "<BxH") == (UNKNOWN, 4 if nonblocking else 0)
        assert guest.fd_read(0, *guest.vector((BUFFER, 1)), OUT) == "again"
    finally:
        os.close(r)
        os.close(w)


def test_seek_and_tell(guest: Guest) -> None:
    (guest.root / "f").write_bytes(b"0123456789")
    fd = guest.open("f")
    for offset, whence, expected in ((4, 0, 4), (2, 1, 6), (-3, 2, 7), (2**40, 0, 2**40)):
        assert guest.fd_seek(fd, offset, whence, OUT) == "success"
        assert guest.u64() == expected
        assert guest.fd_tell(fd, OUT) == "success"
        assert guest.u64() == expected
    assert guest.fd_seek(fd, -1, 0, OUT) == "inval"
    for whence in (3, 4, 256, 2**32 - 1):
        assert guest.fd_seek(fd, 0, whence, OUT) == "inval"
    assert guest.fd_fdstat_set_rights(fd, right("fd_tell"), 0) == "success"
    assert guest.fd_seek(fd, 0, 1, OUT) == "success"
    assert guest.fd_seek(fd, 1, 1, OUT) == guest.fd_seek(fd, 0, 0, OUT) == "notcapable"


def test_advice_is_checked_and_dropped(guest: Guest, new_guest: NewGuest) -> None:
    fd = guest.open("f", CREAT, WRITE)
    for advice in range(6):
        assert guest.fd_advise(fd, 1, 2, advice) == "success"
    assert guest.fd_advise(fd, 0, 0, 6) == guest.fd_advise(fd, 2**63, 0, 0) == "inval"
    assert guest.fd_advise(fd, 2**62, 2**62 + 2**61, 0) == "inval"
    assert guest.fd_advise(3, 0, 0, 0) == "badf"
    r, w = os.pipe()
    try:
        assert new_guest(standard=(r, w, w)).fd_advise(0, 0, 0, 0) == "spipe"
    finally:
        os.close(r)
        os.close(w)


def test_allocate_truncate_and_sync(guest: Guest) -> None:
    fd = guest.open("f", CREAT, WRITE)
    assert guest.fd_allocate(fd, 10, 90) == "success"
    assert (guest.root / "f").stat().st_size == 100
    assert (
        guest.fd_allocate(fd, 2**63, 1) == guest.fd_allocate(fd, 2**63 - 1, 1) == guest.fd_allocate(fd, 0, 0) == "inval"
    )
    assert guest.fd_filestat_set_size(fd, 5) == "success"
    assert (guest.root / "f").stat().st_size == 5
    assert guest.fd_filestat_set_size(fd, 2**63) == "inval"
    assert guest.fd_sync(fd) == guest.fd_datasync(fd) == "success"
