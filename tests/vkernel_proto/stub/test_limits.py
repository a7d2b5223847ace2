"""What a guest can make the vkernel hold: fds, processes, bytes of one reply."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

from tests.vkernel_proto.stub.lone_process import AT_FDCWD, Lone, container, lone_process, policy


def test_open_files_bounds_every_call_that_makes_an_fd(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with lone_process(tmp_path, open_files=5) as lone:
        assert lone.fd("dup", 0) == 3
        assert lone.ret("pipe2", 0) == -errno.EMFILE  # it needs two
        assert lone.fd("dup", 0) == 4
        for name, *args in (
            ("dup", 0), ("openat", AT_FDCWD, b"/file", 0, 0), ("openat", AT_FDCWD, b"/new", 0o100, 0o600), ("pipe2", 0),
            ("open", b"/file", 0, 0), ("epoll_create1", 0), ("memfd_create", b"m", 8), ("socket", 2, 1, 0),
            ("fcntl", 0, 0, 3), ("fcntl", 0, 1030, 0),
        ):  # fmt: skip
            assert lone.ret(str(name), *args) == -errno.EMFILE, name
        assert not (tmp_path / "new").exists()
        lone("close", 3)
        assert lone.fd("dup", 0) == 3


def test_fcntl_dupfd_above_the_limit_is_einval(tmp_path: Path) -> None:
    with lone_process(tmp_path, open_files=10) as lone:
        assert lone.ret("fcntl", 0, 0, 10) == -errno.EINVAL
        assert lone.ret("fcntl", 0, 0, -1) == -errno.EINVAL
        assert lone.ret("fcntl", 0, 0, 9) == 9
        assert lone.ret("fcntl", 0, 0, 9) == -errno.EMFILE


def test_lowest_free_number_is_handed_out(tmp_path: Path) -> None:
    with lone_process(tmp_path) as lone:
        assert [lone.fd("dup", 0) for _ in range(4)] == [3, 4, 5, 6]
        for fd in (1, 4, 5):
            lone("close", fd)
        assert lone.fd("fcntl", 0, 0, 5) == 5
        assert [lone.fd("dup", 0) for _ in range(3)] == [1, 4, 7]
        lone("close", 3)
        lone("close", 4)
        assert lone("pipe2", 0) == (0, struct.pack("<ii", 3, 4))


def test_reads_and_writes_of_more_than_a_record_holds_are_short(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(1_100_000))
    with lone_process(tmp_path) as lone:
        fd = lone.fd("openat", AT_FDCWD, b"/big", 2, 0)
        assert lone.ret("read", fd, 1 << 40) == 1_000_000
        assert lone.ret("pread64", fd, 1_000_001, 0) == 1_000_000
        assert lone.ret("write", fd, data=bytes(1_048_000)) == 1_000_000
        assert lone.ret("pwrite64", fd, 0, data=bytes(1_048_000)) == 1_000_000
        assert lone.ret("getrandom", 1_000_001, 0) == 1_000_000


def test_poll_of_more_than_open_files_is_einval(tmp_path: Path) -> None:
    with lone_process(tmp_path, open_files=5) as lone:
        assert lone.ret("poll", 0, data=struct.pack("<ihh", -1, 0, 0) * 5) == 0
        assert lone.ret("poll", 0, data=struct.pack("<ihh", -1, 0, 0) * 6) == -errno.EINVAL
        assert lone.ret("poll", 0, data=bytes(7)) == -errno.EINVAL


def test_container_counts_its_processes(tmp_path: Path) -> None:
    with container(tmp_path) as shared:
        signed = policy(processes=2)
        lones = [Lone(shared, signed, [os.open("/dev/null", os.O_RDWR) for _ in range(3)], pid) for pid in (1, 2, 3)]
        try:
            assert [shared.enter(lone.process) for lone in lones] == [True, True, False]
            assert shared.pids() == [1, 2]
            shared.leave(lones[2].process)
            assert shared.pids() == [1, 2]
            shared.leave(lones[0].process)
            assert shared.enter(lones[2].process)
        finally:
            for lone in lones:
                lone.close()


def test_close_of_a_process_leaves_no_host_fd_behind(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with lone_process(tmp_path) as lone:
        for _ in range(5):
            lone.fd("pipe2", 0)
            lone.fd("socket", 2, 1, 0)
            lone.fd("memfd_create", b"m", 8)
            lone("openat", AT_FDCWD, b"/none", 0, 0)
            lone("mkdirat", AT_FDCWD, b"/a/b", 0)
            lone("newfstatat", AT_FDCWD, b"/", 0)
            lone("clock_nanosleep", 1, 0, 1)
            lone("futex", 1, 0, 0, 0, 1)
        lone.process.close()
        lone.process.close()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("sig", [0, 9, 15, 64])
def test_kill_reaches_processes_of_the_container_only(tmp_path: Path, sig: int) -> None:
    delivered: list[tuple[int, int]] = []
    with container(tmp_path, lambda pid, number: delivered.append((pid, number))) as shared:
        lones = [Lone(shared, policy(), [os.open("/dev/null", os.O_RDWR) for _ in range(3)], pid) for pid in (1, 2)]
        try:
            for lone in lones:
                shared.enter(lone.process)
            assert lones[0].ret("kill", 2, sig) == 0
            assert lones[0].ret("kill", 3, sig) == lones[0].ret("kill", os.getpid(), sig) == -errno.ESRCH
            assert lones[0].ret("kill", -1, sig) == 0
            assert lones[0].ret("kill", 0, sig) == 0
            assert lones[0].ret("kill", -2, sig) == -errno.ESRCH
            assert lones[0].ret("kill", 2, 65) == lones[0].ret("kill", 2, -1) == -errno.EINVAL
            assert delivered == ([(2, sig), (2, sig), (1, sig), (2, sig)] if sig else [])
        finally:
            for lone in lones:
                lone.close()
