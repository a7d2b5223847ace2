"""W^X without exceptions: nothing executable is mapped, protected or made; and what memfds may hold is bounded."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.vkernel_proto.stub.lone_process import lone_process

PRIVATE_ANONYMOUS = 0x22
NOEXEC_SEAL, EXEC, HUGETLB = 8, 16, 4


@pytest.mark.parametrize("prot", [4, 5, 6, 7, 4 | 1 << 24, -1])
def test_executable_mappings_are_refused_and_recorded_once(tmp_path: Path, prot: int) -> None:
    with lone_process(tmp_path) as lone:
        for _ in range(2):
            assert lone.ret("mmap", 0, 4096, prot, PRIVATE_ANONYMOUS, -1, 0) == -errno.EACCES
            assert lone.ret("mprotect", 0, 4096, prot) == -errno.EACCES
        assert [(r["event"], r["syscall"], r["reason"]) for r in lone.records] == [
            ("deny", "mmap", "PROT_EXEC"),
            ("deny", "mprotect", "PROT_EXEC"),
        ]


def test_other_mappings_are_allowed(tmp_path: Path) -> None:
    with lone_process(tmp_path) as lone:
        assert lone.ret("mmap", 0, 4096, 3, PRIVATE_ANONYMOUS, -1, 0) == 0
        assert lone.ret("mmap", 0, 4096, 1, 2, 0, 0) == 0
        assert lone.ret("mprotect", 4096, 4096, 0) == 0
        assert not lone.records


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((0, 0, 3, 0x22, -1, 0), errno.EINVAL),
        ((0, -1, 3, 0x22, -1, 0), errno.EINVAL),
        ((0, 4096, 3, 0x20, -1, 0), errno.EINVAL),
        ((0, 4096, 3, 0x22, -1, 5), errno.EINVAL),
        ((0, 4096, 1, 2, 50, 0), errno.EBADF),
        ((0, 2 << 20, 3, 0x22, -1, 0), errno.ENOMEM),
    ],
)
def test_mappings_that_make_no_sense_are_refused(tmp_path: Path, args: tuple[int, ...], expected: int) -> None:
    with lone_process(tmp_path) as lone:
        assert lone.ret("mmap", *args) == -expected


@pytest.mark.parametrize("flags", [0, 1, 2, EXEC, EXEC | 1, EXEC | NOEXEC_SEAL, HUGETLB])
def test_memfd_that_could_be_executed_is_refused_and_recorded(tmp_path: Path, flags: int) -> None:
    with lone_process(tmp_path) as lone:
        assert lone.ret("memfd_create", b"x", flags) == -errno.EACCES
        assert lone.records[0]["syscall"] == "memfd_create"


def test_memfd_with_noexec_seal_works(tmp_path: Path) -> None:
    with lone_process(tmp_path) as lone:
        fd = lone.fd("memfd_create", b"x", NOEXEC_SEAL | 2)
        assert lone.ret("write", fd, data=b"abc") == 3
        assert lone("pread64", fd, 10, 0) == (3, b"abc")
        assert lone.ret("memfd_create", b"x", NOEXEC_SEAL | HUGETLB) == -errno.EINVAL
        assert lone.ret("memfd_create", b"x", NOEXEC_SEAL | 1 << 20) == -errno.EINVAL


def test_memfds_of_a_process_stay_within_memory_bytes_together(tmp_path: Path) -> None:
    with lone_process(tmp_path, memory_bytes=100_000) as lone:
        first, second = lone.fd("memfd_create", b"1", NOEXEC_SEAL), lone.fd("memfd_create", b"2", NOEXEC_SEAL)
        copy = lone.fd("dup", first)
        assert lone.ret("ftruncate", first, 60_000) == 0
        assert lone.ret("ftruncate", second, 60_000) == -errno.ENOSPC
        assert lone.ret("pwrite64", second, 1 << 40, data=b"x") == -errno.ENOSPC
        assert lone.ret("fallocate", second, 1, 0, 60_000) == -errno.ENOSPC
        assert lone.ret("ftruncate", copy, 100_001) == -errno.ENOSPC
        assert lone.ret("write", copy, data=bytes(50_000)) == 50_000  # over what is there already
        assert lone.ret("lseek", second, 99_000, 0) == 99_000
        assert lone.ret("write", second, data=bytes(2000)) == -errno.ENOSPC
        lone("close", first)
        assert lone.ret("ftruncate", second, 60_000) == -errno.ENOSPC
        lone("close", copy)
        assert lone.ret("ftruncate", second, 60_000) == 0


def test_memory_beyond_the_end_of_a_memfd_counts(tmp_path: Path) -> None:
    with lone_process(tmp_path, memory_bytes=100_000) as lone:
        first, second = lone.fd("memfd_create", b"1", NOEXEC_SEAL), lone.fd("memfd_create", b"2", NOEXEC_SEAL)
        assert lone.ret("fallocate", first, 1, 0, 80_000) == 0  # FALLOC_FL_KEEP_SIZE
        assert lone.ret("fallocate", second, 1, 0, 80_000) == -errno.ENOSPC
        assert lone.ret("fallocate", first, 3, 0, 80_000) == 0  # punched out again
        assert lone.ret("fallocate", second, 1, 0, 80_000) == 0


def test_appending_to_a_memfd_counts_from_its_end(tmp_path: Path) -> None:
    with lone_process(tmp_path, memory_bytes=100_000) as lone:
        fd = lone.fd("memfd_create", b"1", NOEXEC_SEAL)
        lone("ftruncate", fd, 99_999)
        lone("fcntl", fd, 4, 0o2000)  # O_APPEND
        assert lone.ret("write", fd, data=b"ab") == -errno.ENOSPC
        assert lone.ret("pwrite64", fd, 0, data=b"ab") == -errno.ENOSPC
        assert lone.ret("write", fd, data=b"a") == 1
