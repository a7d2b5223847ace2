"""WASI preview 1 in C: each function with usual, boundary and hostile arguments, over Linux itself as the backend."""

from __future__ import annotations

import ctypes
import errno
import os
import pty
import random
import re
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .wasi_guest import (
    ALL,
    BUFFER,
    CHARACTER,
    CREAT,
    DGRAM,
    DIRECTORY,
    ERRNOS,
    EXCL,
    FOLDER,
    MEMORY,
    OUT,
    REGULAR,
    ROOT,
    STREAM,
    SYMLINK,
    TEXT,
    TRUNC,
    UNKNOWN,
    VECTOR,
    Guest,
    build,
    right,
    syscalls,
    table,
)

pytestmark = pytest.mark.skipif(
    os.uname().machine != "x86_64", reason="the backend performs x86-64 syscalls as they are"
)
NewGuest = Callable[..., Guest]
WRITE = ALL  # rights of a file opened for reading and writing


@pytest.fixture(scope="session")
def lib(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build(tmp_path_factory.mktemp("wasi"))


@pytest.fixture
def new_guest(lib: ctypes.CDLL, tmp_path: Path) -> Iterator[NewGuest]:
    guests: list[Guest] = []
    (tmp_path / "root").mkdir()

    def make(**options: object) -> Guest:
        guests.append(Guest(lib, tmp_path / "root", **options))  # type: ignore[arg-type]
        return guests[-1]

    yield make
    for guest in guests:
        guest.close()


@pytest.fixture
def guest(new_guest: NewGuest) -> Guest:
    return new_guest()


# ---- the table


def test_table_has_the_46_functions_of_preview_1_and_the_4_of_sockets(lib: ctypes.CDLL) -> None:
    from recompiler import wasm

    rows = [(row["module"], row["name"]) for row in table(lib)]
    assert len(rows) == len(set(rows)) == 50
    preview = {name for module, name in rows if module == "wasi_snapshot_preview1"}
    assert len(preview) == 46
    for module, names in wasm.IMPORTS.items():
        assert {name for m, name in rows if m == module} == set(names)


def test_table_types_are_those_of_another_implementation(lib: ctypes.CDLL) -> None:
    import wasmtime

    letters = {"i": "i32", "I": "i64"}
    imports = []
    for row in table(lib):
        if row["module"] == "wasi_snapshot_preview1":
            result, parameters = row["signature"][0], row["signature"][2:-1]
            text = " ".join(f"(param {letters[p]})" for p in parameters)
            text += " (result i32)" if result == "i" else ""
            imports.append(f'(import "{row["module"]}" "{row["name"]}" (func {text}))')
    engine = wasmtime.Engine()
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    store.set_wasi(wasmtime.WasiConfig())
    linker.instantiate(store, wasmtime.Module(engine, f"(module {' '.join(imports)})"))


def test_table_names_only_syscalls_of_the_protocol(lib: ctypes.CDLL) -> None:
    known = set(syscalls(lib).values())
    for row in table(lib):
        if row["syscalls"] != "-":
            assert set(row["syscalls"].split()) <= known, row
        assert re.fullmatch(r"implemented|refused: [A-Z]+: .+", row["status"])


def test_documentation_is_the_table(lib: ctypes.CDLL) -> None:
    text = (ROOT / "docs" / "wasi.md").read_text()
    for row in table(lib):
        calls = " ".join(f"`{name}`" for name in row["syscalls"].split() if name != "-")
        cells = [f"`{row['name']}`", f"`{row['signature']}`", row["status"], calls, row["remark"]]
        line = re.sub(r" +\|", " |", f"| {' | '.join(cells)} |")
        assert line in text, line
    documented = re.findall(r"^\| `(\w+)` \| `\w\(", text, re.M)
    assert documented == [row["name"] for row in table(lib)]


def test_errno_map_keeps_every_name_linux_and_wasi_share(guest: Guest) -> None:
    seen = set()
    for number, name in errno.errorcode.items():
        guest.force("sched_yield", -number)
        got = guest.sched_yield()
        guest.unforce()
        assert got != "success"
        wasi = {"EOPNOTSUPP": "notsup", "ENOTSUP": "notsup", "EDEADLOCK": "deadlk"}.get(name, name[1:].lower())
        if wasi in ERRNOS:
            assert got == wasi
        seen.add(got)
    assert set(ERRNOS) - seen == {"success", "notcapable"}


@pytest.mark.parametrize("ret", [-4096, -(2**31), -(2**63), -134, -4095])
def test_errno_map_makes_an_error_of_any_negative_answer(guest: Guest, ret: int) -> None:
    guest.force("sched_yield", ret)
    assert guest.sched_yield() == "io"


# ---- hostile arguments, every function

POINTERS: dict[str, tuple[tuple[int, int], ...]] = {
    # (parameter, bytes behind it) of every pointer that is no path and no vector
    "args_sizes_get": ((0, 4), (1, 4)),
    "environ_sizes_get": ((0, 4), (1, 4)),
    "args_get": ((0, 4), (1, 2)),
    "environ_get": ((0, 4), (1, 4)),
    "clock_res_get": ((1, 8),),
    "clock_time_get": ((2, 8),),
    "fd_fdstat_get": ((1, 24),),
    "fd_filestat_get": ((1, 64),),
    "fd_pread": ((1, 8), (4, 4)),
    "fd_pwrite": ((1, 8), (4, 4)),
    "fd_read": ((1, 8), (3, 4)),
    "fd_write": ((1, 8), (3, 4)),
    "fd_readdir": ((1, 64), (4, 4)),
    "fd_seek": ((3, 8),),
    "fd_tell": ((1, 8),),
    "fd_prestat_get": ((1, 8),),
    "fd_prestat_dir_name": ((1, 1),),
    "path_create_directory": ((1, 3),),
    "path_filestat_get": ((2, 3), (4, 64)),
    "path_filestat_set_times": ((2, 3),),
    "path_link": ((2, 3), (5, 3)),
    "path_open": ((2, 3), (8, 4)),
    "path_readlink": ((1, 3), (3, 64), (5, 4)),
    "path_remove_directory": ((1, 3),),
    "path_rename": ((1, 3), (4, 3)),
    "path_symlink": ((0, 3), (3, 3)),
    "path_unlink_file": ((1, 3),),
    "poll_oneoff": ((0, 48), (1, 32), (3, 4)),
    "random_get": ((0, 64),),
    "sock_accept": ((2, 4),),
    "sock_recv": ((1, 8), (4, 4), (5, 2)),
    "sock_send": ((1, 8), (4, 4)),
    "sock_open": ((2, 4),),
    "sock_connect": ((1, 16),),
    "sock_bind": ((1, 16),),
}
# Arguments with which every pointer's check is reached.
USUAL: dict[str, tuple[int, ...]] = {
    "args_sizes_get": (OUT, OUT),
    "environ_sizes_get": (OUT, OUT),
    "args_get": (OUT, BUFFER),
    "environ_get": (OUT, BUFFER),
    "clock_res_get": (0, OUT),
    "clock_time_get": (0, 0, OUT),
    "fd_fdstat_get": (4, OUT),
    "fd_filestat_get": (4, OUT),
    "fd_pread": (4, VECTOR, 1, 0, OUT),
    "fd_pwrite": (4, VECTOR, 1, 0, OUT),
    "fd_read": (4, VECTOR, 1, OUT),
    "fd_write": (4, VECTOR, 1, OUT),
    "fd_readdir": (3, BUFFER, 64, 0, OUT),
    "fd_seek": (4, 0, 0, OUT),
    "fd_tell": (4, OUT),
    "fd_prestat_get": (3, OUT),
    "fd_prestat_dir_name": (3, OUT, 1),
    "path_create_directory": (3, TEXT, 3),
    "path_filestat_get": (3, 0, TEXT, 3, OUT),
    "path_filestat_set_times": (3, 0, TEXT, 3, 0, 0, 0),
    "path_link": (3, 0, TEXT, 3, 3, TEXT, 3),
    "path_open": (3, 0, TEXT, 3, 0, 0, 0, 0, OUT),
    "path_readlink": (3, TEXT, 3, BUFFER, 64, OUT),
    "path_remove_directory": (3, TEXT, 3),
    "path_rename": (3, TEXT, 3, 3, TEXT, 3),
    "path_symlink": (TEXT, 3, 3, TEXT, 3),
    "path_unlink_file": (3, TEXT, 3),
    "poll_oneoff": (BUFFER, OUT, 1, OUT),
    "random_get": (BUFFER, 64),
    "sock_accept": (5, 0, OUT),
    "sock_recv": (5, VECTOR, 1, 0, OUT, OUT),
    "sock_send": (5, VECTOR, 1, 0, OUT),
    "sock_open": (2, 1, OUT),
    "sock_connect": (5, TEXT, 16),
    "sock_bind": (5, TEXT, 16),
}


def prepared(new_guest: NewGuest) -> Guest:
    """fd 4 a file, fd 5 a TCP socket, VECTOR one item of 16 bytes, TEXT a path."""
    guest = new_guest(arguments=(b"x",), environment=(b"A=1",))
    (guest.root / "file").write_bytes(b"content")
    assert guest.open("file", rights=WRITE) == 4
    assert guest.sock_open(2, 1, OUT) == "success"
    assert guest.u32() == 5
    guest.vector((BUFFER, 16))
    guest.text("p/q")
    return guest


CASES = [(name, parameter, size) for name, pointers in POINTERS.items() for parameter, size in pointers]


@pytest.mark.parametrize(("name", "parameter", "size"), CASES)
def test_pointers_must_lie_in_the_guest_memory(new_guest: NewGuest, name: str, parameter: int, size: int) -> None:
    guest = prepared(new_guest)
    for pointer in (MEMORY - size + 1, MEMORY, MEMORY + 1, 2**31, 2**32 - size, 2**32 - 1):
        arguments = list(USUAL[name])
        arguments[parameter] = pointer
        before = bytes(guest.memory)
        assert getattr(guest, name)(*arguments) == "fault", f"{pointer:#x}"
        if name not in ("args_get", "environ_get"):
            assert bytes(guest.memory) == before
            assert set(guest.asked_names()) <= {"openat"}, "a syscall was made before the pointer was found bad"


@pytest.mark.parametrize(("name", "parameter", "size"), CASES)
def test_pointers_may_lie_at_the_very_end(new_guest: NewGuest, name: str, parameter: int, size: int) -> None:
    guest = prepared(new_guest)
    arguments = list(USUAL[name])
    arguments[parameter] = MEMORY - size
    guest.put(MEMORY - 64, bytes(64))
    if name in ("fd_read", "fd_pread", "fd_write", "fd_pwrite", "sock_recv", "sock_send") and parameter == 1:
        guest.put(MEMORY - 8, struct.pack("<II", BUFFER, 4))
    assert getattr(guest, name)(*arguments) != "fault"


FDS = [
    (name, k)
    for name in USUAL
    for k in ([0] if name.startswith(("fd_", "path_", "sock_")) and name not in ("path_symlink", "sock_open") else [])
] + [("path_symlink", 2), ("path_rename", 3), ("path_link", 4)]
SIMPLE: dict[str, tuple[int, ...]] = {
    "fd_advise": (4, 0, 0, 0),
    "fd_allocate": (4, 0, 1),
    "fd_close": (4,),
    "fd_datasync": (4,),
    "fd_fdstat_set_flags": (4, 0),
    "fd_fdstat_set_rights": (4, 0, 0),
    "fd_filestat_set_size": (4, 1),
    "fd_filestat_set_times": (4, 0, 0, 0),
    "fd_renumber": (4, 4),
    "fd_sync": (4,),
    "sock_shutdown": (5, 3),
    "sock_listen": (5, 1),
}


@pytest.mark.parametrize(("name", "parameter"), sorted({*FDS, ("fd_renumber", 1), *((name, 0) for name in SIMPLE)}))
def test_fds_that_are_not_open_are_badf(new_guest: NewGuest, name: str, parameter: int) -> None:
    guest = prepared(new_guest)
    for fd in (6, 15, 16, 65536, 2**31 - 1, 2**31, 2**32 - 1):
        arguments = list((USUAL | SIMPLE)[name])
        arguments[parameter] = fd
        assert getattr(guest, name)(*arguments) == "badf"


NEEDS: dict[str, tuple[str, ...]] = {
    "fd_datasync": ("fd_datasync",),
    "fd_read": ("fd_read",),
    "fd_pread": ("fd_read", "fd_seek"),
    "fd_write": ("fd_write",),
    "fd_pwrite": ("fd_write", "fd_seek"),
    "fd_fdstat_set_flags": ("fd_fdstat_set_flags",),
    "fd_sync": ("fd_sync",),
    "fd_tell": ("fd_tell",),
    "fd_advise": ("fd_advise",),
    "fd_allocate": ("fd_allocate",),
    "fd_filestat_get": ("fd_filestat_get",),
    "fd_filestat_set_size": ("fd_filestat_set_size",),
    "fd_filestat_set_times": ("fd_filestat_set_times",),
    "fd_readdir": ("fd_readdir",),
    "path_create_directory": ("path_create_directory",),
    "path_filestat_get": ("path_filestat_get",),
    "path_filestat_set_times": ("path_filestat_set_times",),
    "path_link": ("path_link_source", "path_link_target"),
    "path_open": ("path_open",),
    "path_readlink": ("path_readlink",),
    "path_remove_directory": ("path_remove_directory",),
    "path_rename": ("path_rename_source", "path_rename_target"),
    "path_symlink": ("path_symlink",),
    "path_unlink_file": ("path_unlink_file",),
    "sock_accept": ("sock_accept",),
    "sock_recv": ("fd_read",),
    "sock_send": ("fd_write",),
    "sock_shutdown": ("sock_shutdown",),
}


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_calls_without_their_right_are_notcapable(new_guest: NewGuest, name: str) -> None:
    for missing in NEEDS[name]:
        guest = prepared(new_guest)
        arguments = (USUAL | SIMPLE)[name]
        fd = 3 if name.startswith("path_") else arguments[0]
        assert guest.fd_fdstat_get(fd, OUT) == "success"
        socket_rights = right("fd_read", "fd_write", "poll_fd_readwrite", "sock_shutdown", "sock_accept")
        have = socket_rights if fd == 5 else ALL
        assert guest.fd_fdstat_set_rights(fd, have & ~right(missing), 0) == "success"
        assert getattr(guest, name)(*arguments) == "notcapable"
        assert guest.asked_names() == []


def test_random_calls_with_random_arguments_stay_inside_the_memory(new_guest: NewGuest) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    guest = prepared(new_guest)
    for name in ("poll", "clock_nanosleep", "accept4", "recvfrom", "read", "connect"):
        guest.force(name, -errno.EAGAIN)  # they could wait
    names = [name for name in guest.rows if name != "fd_allocate"]
    sizes = [0, 1, 3, 4, 5, 7, 8, 24, 64, 1024, 1025, TEXT, VECTOR, OUT, BUFFER]
    ends = [MEMORY - 1, MEMORY, 2**31, 2**32 - 1, 2**63, 2**64 - 1]
    for _ in range(20000):
        name = rng.choice(names)
        letters = guest.rows[name][1]["signature"][2:-1]
        getattr(guest, name)(*(rng.choice(rng.choice((sizes, sizes, ends))) for _ in letters))


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


# ---- args, environment, clocks, random, exit


def test_arguments_and_environment_arrive(new_guest: NewGuest) -> None:
    guest = new_guest(arguments=(b"prog", b"", b"\xff x"), environment=(b"A=1", b"LONG=" + b"y" * 300))
    assert guest.args_sizes_get(OUT, OUT + 4) == "success"
    assert guest.unpack(OUT, "<II") == (3, 5 + 1 + 4)
    assert guest.args_get(OUT, BUFFER) == "success"
    assert guest.unpack(OUT, "<III") == (BUFFER, BUFFER + 5, BUFFER + 6)
    assert guest.get(BUFFER, 10) == b"prog\0\0\xff x\0"
    assert guest.environ_sizes_get(OUT, OUT + 4) == "success"
    assert guest.unpack(OUT, "<II") == (2, 4 + 306)
    assert guest.environ_get(OUT, BUFFER) == "success"
    assert guest.get(BUFFER, 8) == b"A=1\0LONG"


def test_no_arguments_need_no_memory(guest: Guest) -> None:
    assert guest.args_get(MEMORY, 2**32 - 1) == "success"


def test_clocks_are_those_of_linux(guest: Guest) -> None:
    import time

    for clock in (
        time.CLOCK_REALTIME,
        time.CLOCK_MONOTONIC,
        time.CLOCK_PROCESS_CPUTIME_ID,
        time.CLOCK_THREAD_CPUTIME_ID,
    ):
        before = time.clock_gettime_ns(clock)
        assert guest.clock_time_get(clock, 0, OUT) == "success"
        assert before <= guest.u64() <= time.clock_gettime_ns(clock)
        assert guest.clock_res_get(clock, OUT) == "success"
        assert 1 <= guest.u64() < 10**9
    for clock in (4, 11, 2**32 - 1):
        assert guest.clock_time_get(clock, 0, OUT) == guest.clock_res_get(clock, OUT) == "inval"
    guest.force("clock_gettime", 0)  # an answer without a timespec
    assert guest.clock_time_get(0, 0, OUT) == "io"


def test_random_bytes_fill_all_that_was_asked(guest: Guest) -> None:
    assert guest.random_get(BUFFER, 5000) == "success"
    assert len(set(guest.get(BUFFER, 5000))) > 200
    assert guest.random_get(0, 1_000_001) == "success"
    assert [arg[0] for _, arg in guest.asked] == [1_000_000, 1]
    assert guest.random_get(MEMORY, 0) == "success"
    guest.force("getrandom", 0)
    assert guest.random_get(BUFFER, 1) == "io"


def test_exit_is_for_the_engine_to_do(guest: Guest) -> None:
    guest.proc_exit(77)
    assert guest.asked == []
    assert guest.lib.harness_exit_code(guest.handle) == 77


def test_raise_kills_the_guest_itself_with_linux_numbers(guest: Guest) -> None:
    import signal

    names = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM CHLD CONT STOP TSTP TTIN TTOU URG"
    names += " XCPU XFSZ VTALRM PROF WINCH POLL PWR SYS"
    for number, name in enumerate(names.split(), 1):
        assert guest.proc_raise(number) == "success"
        assert guest.asked[1] == ("kill", (os.getpid(), signal.Signals[f"SIG{name}"], 0, 0, 0, 0))
    assert guest.proc_raise(31) == guest.proc_raise(2**32 - 1) == "inval"
    for pid in (0, -1):
        guest.unforce()
        guest.force("getpid", pid)  # kill(2) would reach a whole group
        assert guest.proc_raise(9) != "success"
        assert guest.asked_names() == ["getpid"]


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


# ---- poll


def clock(ns: int, absolute: int = 0, clock_id: int = 1, userdata: int = 7) -> bytes:
    return struct.pack("<QB7xI4xQQH6x", userdata, 0, clock_id, ns, 0, absolute)


def on_fd(fd: int, write: bool = False, userdata: int = 9) -> bytes:
    return struct.pack("<QB7xI28x", userdata, 2 if write else 1, fd)


def poll(guest: Guest, *subscriptions: bytes) -> list[tuple[int, str, int, int, int]]:
    """(userdata, errno, type, nbytes, flags) of each event."""
    guest.put(VECTOR, b"".join(subscriptions))
    error = guest.poll_oneoff(VECTOR, BUFFER, len(subscriptions), OUT)
    assert error == "success", error
    rows = [guest.unpack(BUFFER + 32 * k, "<QHBxxxxxQHxxxxxx") for k in range(guest.u32())]
    return [(row[0], ERRNOS[row[1]], *row[2:]) for row in rows]


def test_poll_sleeps_until_the_first_clock(guest: Guest) -> None:
    import time

    before = time.monotonic_ns()
    assert poll(guest, clock(20_000_000, userdata=1), clock(10**12, userdata=2)) == [(1, "success", 0, 0, 0)]
    assert time.monotonic_ns() - before >= 20_000_000
    assert guest.asked_names() == ["clock_nanosleep"]
    assert poll(guest, clock(0)) == [(7, "success", 0, 0, 0)]
    assert guest.asked == []
    assert poll(guest, clock(5, absolute=1)) == [(7, "success", 0, 0, 0)]  # long past
    assert poll(guest, clock(time.time_ns() + 10_000_000, absolute=1, clock_id=0)) == [(7, "success", 0, 0, 0)]


def test_poll_answers_bad_subscriptions_at_once(guest: Guest) -> None:
    assert poll(guest, clock(10**15), on_fd(55)) == [(9, "badf", 1, 0, 0)]
    assert poll(guest, clock(10**15), clock(0, clock_id=2)) == [(7, "notsup", 0, 0, 0)]
    assert poll(guest, clock(1, clock_id=9)) == [(7, "inval", 0, 0, 0)]
    assert poll(guest, clock(1, absolute=2)) == [(7, "inval", 0, 0, 0)]
    fd = guest.open("f", CREAT, right("fd_read"))
    assert poll(guest, on_fd(fd)) == [(9, "notcapable", 1, 0, 0)]


def test_poll_refuses_counts_and_types_it_has_not(guest: Guest) -> None:
    for count in (0, 4097, 2**31, 2**32 - 1):
        assert guest.poll_oneoff(VECTOR, BUFFER, count, OUT) == "inval"
    guest.put(VECTOR, struct.pack("<QB39x", 1, 3))
    assert guest.poll_oneoff(VECTOR, BUFFER, 1, OUT) == "inval"
    guest.put(BUFFER, clock(0) * 4096)
    assert guest.poll_oneoff(BUFFER, BUFFER, 4096, OUT) == "success"  # in place
    assert guest.u32() == 4096


def test_poll_waits_for_files_and_pipes(new_guest: NewGuest) -> None:
    r, w = os.pipe()
    try:
        guest = new_guest(standard=(r, w, 2))
        assert poll(guest, on_fd(0), clock(1_000_000)) == [(7, "success", 0, 0, 0)]
        assert guest.asked_names() == ["poll"]
        assert poll(guest, on_fd(0), on_fd(1, write=True, userdata=3)) == [(3, "success", 2, 1, 0)]
        os.write(w, b"xyz")
        assert poll(guest, on_fd(0), clock(10**15)) == [(9, "success", 1, 1, 0)]
        (guest.root / "f").write_bytes(b"0123456789")
        fd = guest.open("f")
        assert guest.fd_seek(fd, 4, 0, OUT) == "success"
        assert poll(guest, on_fd(fd)) == [(9, "success", 1, 6, 0)]
    finally:
        os.close(r)
        os.close(w)


def test_poll_reports_hangup_and_broken_pipe(new_guest: NewGuest) -> None:
    r, w = os.pipe()
    r2, w2 = os.pipe()
    os.close(w)
    os.close(r2)
    try:
        guest = new_guest(standard=(r, w2, 2))
        assert poll(guest, on_fd(0)) == [(9, "success", 1, 0, 1)]
        assert poll(guest, on_fd(1, write=True)) == [(9, "pipe", 2, 0, 0)]
    finally:
        os.close(r)
        os.close(w2)


def test_poll_waits_in_parts_when_the_time_is_longer_than_an_int(new_guest: NewGuest) -> None:
    r, w = os.pipe()
    try:
        guest = new_guest(standard=(r, w, 2))
        days = 30 * 86400 * 10**9
        guest.put(VECTOR, on_fd(0) + clock(days))
        guest.force("poll", -errno.EINTR)
        assert guest.poll_oneoff(VECTOR, BUFFER, 2, OUT) == "intr"
        assert guest.asked[0][1][0] == 2**31 - 1
        assert poll(new_guest(standard=(r, w, 2)), on_fd(0), clock(1)) == [(7, "success", 0, 0, 0)]
    finally:
        os.close(r)
        os.close(w)


# ---- sockets


def sockaddr(port: int, host: str = "127.0.0.1") -> bytes:
    return struct.pack("<H", 2) + struct.pack("!H4s8x", port, socket.inet_aton(host))


def sock_open(guest: Guest, kind: int = 1) -> int:
    assert guest.sock_open(2, kind, OUT) == "success"
    return guest.u32()


def test_sockets_connect_send_receive_and_shut_down(guest: Guest) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        fd = sock_open(guest)
        assert guest.sock_connect(fd, *guest.put(TEXT, sockaddr(server.getsockname()[1]))) == "success"
        peer = server.accept()[0]
        with peer:
            guest.put(BUFFER, b"hello world")
            assert guest.sock_send(fd, *guest.vector((BUFFER, 6), (BUFFER + 6, 5)), 0, OUT) == "success"
            assert guest.u32() == 11
            assert peer.recv(100) == b"hello world"
            peer.sendall(b"answer")
            vector = guest.vector((BUFFER, 2), (BUFFER + 2, 20))
            assert guest.sock_recv(fd, *vector, 1, OUT, OUT + 4) == "success"  # peek
            guest.put(BUFFER, bytes(20))
            assert guest.sock_recv(fd, *vector, 0, OUT, OUT + 4) == "success"
            assert (guest.get(BUFFER, guest.u32()), guest.unpack(OUT + 4, "<H")) == (b"answer", (0,))
            assert guest.fd_fdstat_get(fd, OUT) == "success"
            assert guest.get(OUT, 1)[0] == STREAM
            assert guest.sock_shutdown(fd, 2) == "success"
            assert peer.recv(1) == b""
        for how in (0, 4, 2**32 - 1):
            assert guest.sock_shutdown(fd, how) == "inval"
        assert guest.sock_recv(fd, *vector, 4, OUT, OUT) == "inval"
        assert guest.sock_send(fd, *vector, 1, OUT) == "inval"


def test_sockets_listen_and_accept(guest: Guest) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    fd = sock_open(guest)
    assert guest.sock_bind(fd, *guest.put(TEXT, sockaddr(port))) == "success"
    assert guest.sock_listen(fd, 5) == "success"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        assert guest.sock_accept(fd, 4, OUT) == "success"
        connection = guest.u32()
        assert guest.fd_read(connection, *guest.vector((BUFFER, 9)), OUT) == "again"
        peer.sendall(b"hi")
        assert poll(guest, on_fd(connection)) == [(9, "success", 1, 1, 0)]
        assert guest.read(connection, 9) == b"hi"
        assert guest.path_open(connection, 0, *guest.text("f"), 0, 0, 0, 0, OUT) == "notcapable"
    for flags in (1, 2, 8, 5, 2**32 - 1):
        assert guest.sock_accept(fd, flags, OUT) == "inval"


def test_datagrams_say_when_they_were_cut(guest: Guest) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(20)
        peer.bind(("127.0.0.1", 0))
        fd = sock_open(guest, 2)
        assert guest.fd_fdstat_get(fd, OUT) == "success"
        assert guest.get(OUT, 1)[0] == DGRAM
        assert guest.sock_connect(fd, *guest.put(TEXT, sockaddr(peer.getsockname()[1]))) == "success"
        guest.put(BUFFER, b"ping")
        assert guest.sock_send(fd, *guest.vector((BUFFER, 4)), 0, OUT) == "success"
        address = peer.recvfrom(10)[1]
        for sent, room, expected, cut in ((b"0123456789", 4, b"0123", 1), (b"0123", 4, b"0123", 0), (b"", 4, b"", 0)):
            peer.sendto(sent, address)
            guest.put(BUFFER, b"#" * 10)
            assert guest.sock_recv(fd, *guest.vector((BUFFER, 1), (BUFFER + 1, room - 1)), 0, OUT, OUT + 4) == "success"
            assert (guest.get(BUFFER, guest.u32()), guest.unpack(OUT + 4, "<H")) == (expected, (cut,))
            assert guest.get(BUFFER + room, 6) == b"#" * 6


@pytest.mark.parametrize(
    ("af", "kind", "expected"),
    [
        (10, 1, "success"),
        (2, 1 | 0o4000, "success"),
        *((af, 1, "afnosupport") for af in (0, 1, 16, 17, 2**32 - 1)),
        *((2, kind, "inval") for kind in (0, 3, 1 | 0o2000000, 2**31)),
    ],
)
def test_sockets_are_internet_sockets(guest: Guest, af: int, kind: int, expected: str) -> None:
    got = guest.sock_open(af, kind, OUT)
    if af == 10 and got == "afnosupport" and guest.asked_names() == ["socket"]:
        pytest.skip("no IPv6 here")
    assert got == expected
    assert len(guest.asked) == (1 if expected == "success" else 0)


def test_addresses_have_a_length_of_linux(guest: Guest) -> None:
    fd = sock_open(guest)
    for length in (0, 1, 129, 65536):
        assert guest.sock_connect(fd, TEXT, length) == guest.sock_bind(fd, TEXT, length) == "inval"
    assert guest.sock_connect(fd, MEMORY - 15, 16) == "fault"


def test_sockets_on_files_are_notsock(guest: Guest) -> None:
    fd = guest.open("f", CREAT, WRITE)
    assert guest.sock_accept(fd, 0, OUT) == guest.sock_shutdown(fd, 1) == "notsock"
    assert guest.sock_recv(fd, *guest.vector((BUFFER, 1)), 0, OUT, OUT) == "notsock"
    assert guest.sock_send(fd, *guest.vector((BUFFER, 1)), 0, OUT) == "notsock"
    assert guest.sock_listen(fd, 1) == guest.sock_connect(fd, *guest.put(TEXT, sockaddr(9))) == "notsock"
