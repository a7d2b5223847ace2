"""In: the C files of WASI and tests/csrc/wasi/wasi_harness.c. Out: a guest whose WASI functions tests call by name."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.testbed import ROOT

CSRC = ROOT / "csrc"
MEMORY = 80 * 65536
TEXT, VECTOR, OUT, BUFFER = 0x1000, 0x4000, 0x8000, 0x10000  # where the tests put what
FIELDS = ("module", "name", "signature", "status", "syscalls", "remark")

_ERRNOS = """
success 2big acces addrinuse addrnotavail afnosupport again already badf badmsg busy canceled child connaborted
connrefused connreset deadlk destaddrreq dom dquot exist fault fbig hostunreach idrm ilseq inprogress intr inval io
isconn isdir loop mfile mlink msgsize multihop nametoolong netdown netreset netunreach nfile nobufs nodev noent noexec
nolck nolink nomem nomsg noprotoopt nospc nosys notconn notdir notempty notrecoverable notsock notsup notty nxio
overflow ownerdead perm pipe proto protonosupport prototype range rofs spipe srch stale timedout txtbsy xdev notcapable
"""
_RIGHTS = """
fd_datasync fd_read fd_seek fd_fdstat_set_flags fd_sync fd_tell fd_write fd_advise fd_allocate path_create_directory
path_create_file path_link_source path_link_target path_open fd_readdir path_readlink path_rename_source
path_rename_target path_filestat_get path_filestat_set_size path_filestat_set_times fd_filestat_get
fd_filestat_set_size fd_filestat_set_times path_symlink path_remove_directory path_unlink_file poll_fd_readwrite
sock_shutdown sock_accept
"""
ERRNOS = _ERRNOS.split()  # the place is the number
RIGHTS = _RIGHTS.split()  # the place is the bit
# A test module's pytestmark.
X86_64 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the backend performs x86-64 syscalls as they are")
ALL = (1 << len(RIGHTS)) - 1
WRITE = ALL  # rights of a file opened for reading and writing
CREAT, DIRECTORY, EXCL, TRUNC = 1, 2, 4, 8
UNKNOWN, BLOCK, CHARACTER, FOLDER, REGULAR, DGRAM, STREAM, SYMLINK = range(8)


def right(*names: str) -> int:
    return sum(1 << RIGHTS.index(name) for name in names)


def build(folder: Path) -> ctypes.CDLL:
    """The harness as a library in which undefined behaviour is a crash."""
    library = folder / "wasi_harness.so"
    sources = [Path(__file__).with_name("wasi_harness.c"), *sorted((CSRC / "wasi").glob("*.c"))]
    sources += [CSRC / "base" / "error.c", CSRC / "base" / "json.c"]
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", f"-I{CSRC}"]
    undefined = ["-fsanitize=undefined", "-fsanitize-trap=undefined"]
    command = [sys.executable, "-m", "ziglang", "cc", *flags, *undefined, *map(str, sources), "-o", str(library)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    lib = ctypes.CDLL(str(library))
    lib.harness_new.restype = ctypes.c_void_p
    lib.harness_memory.restype = ctypes.c_void_p
    lib.harness_row.restype = ctypes.c_char_p
    lib.harness_syscall.restype = ctypes.c_char_p
    lib.harness_call.restype = ctypes.c_uint32
    lib.harness_log.restype = ctypes.c_int64
    return lib


def table(lib: ctypes.CDLL) -> list[dict[str, str]]:
    """rc_wasi_functions, row by row."""
    rows: list[dict[str, str]] = []
    while lib.harness_row(len(rows), 0):
        rows.append({field: lib.harness_row(len(rows), k).decode() for k, field in enumerate(FIELDS)})
    return rows


def syscalls(lib: ctypes.CDLL) -> dict[int, str]:
    """RC_SYSCALLS: number to name."""
    number = ctypes.c_int()
    names: dict[int, str] = {}
    while name := lib.harness_syscall(len(names), ctypes.byref(number)):
        names[number.value] = name.decode()
    return names


class Guest:
    """A guest with 5 MiB of memory; `guest.fd_tell(3, OUT)` is the call and gives WASI's errno by name."""

    def __init__(
        self,
        lib: ctypes.CDLL,
        root: Path,
        standard: tuple[int, int, int] = (0, 1, 2),
        arguments: tuple[bytes, ...] = (),
        environment: tuple[bytes, ...] = (),
    ) -> None:
        self.lib, self.root = lib, root
        self.rows = {row["name"]: (k, row) for k, row in enumerate(table(lib))}
        self.names = syscalls(lib)
        self.asked: list[tuple[str, tuple[int, ...]]] = []  # the syscalls of the last call
        self.root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        self.strings = [(ctypes.c_char_p * max(len(s), 1))(*s) for s in (arguments, environment)]
        self.handle = ctypes.c_void_p(
            lib.harness_new(
                self.root_fd,
                (ctypes.c_int * 3)(*standard),
                ctypes.c_size_t(MEMORY),
                len(arguments),
                self.strings[0],
                len(environment),
                self.strings[1],
            )
        )
        self.memory = (ctypes.c_uint8 * MEMORY).from_address(lib.harness_memory(self.handle))

    def close(self) -> None:
        self.lib.harness_free(self.handle)
        os.close(self.root_fd)

    def __getattr__(self, name: str) -> Any:
        if name not in self.rows:
            raise AttributeError(name)
        number, row = self.rows[name]
        letters = row["signature"].split("(")[1][:-1]

        def call(*arguments: int) -> str:
            assert len(arguments) == len(letters), row["signature"]
            values = [a % (1 << (32 if t == "i" else 64)) for a, t in zip(arguments, letters, strict=True)]
            error: str = ERRNOS[self.lib.harness_call(self.handle, number, (ctypes.c_uint64 * 16)(*values))]
            self.asked = []
            place = (ctypes.c_int64 * 6)()
            while (nr := self.lib.harness_log(self.handle, len(self.asked), place)) >= 0:
                self.asked.append((self.names[nr], tuple(place)))
            allowed = {*row["syscalls"].split(), "openat"}  # openat: the root's first use, whatever the function
            assert {n for n, _ in self.asked} <= allowed, f"{name} asks for more than its row says: {self.asked}"
            return error

        return call

    def asked_names(self) -> list[str]:
        return [name for name, _ in self.asked]

    def force(self, syscall: str, ret: int) -> None:
        """From now on the backend answers this to this syscall."""
        number = next(n for n, name in self.names.items() if name == syscall)
        self.lib.harness_force(self.handle, ctypes.c_int64(number), ctypes.c_int64(ret))

    def unforce(self) -> None:
        self.lib.harness_unforce(self.handle)

    # ---- memory

    def put(self, at: int, data: bytes) -> tuple[int, int]:
        ctypes.memmove(ctypes.byref(self.memory, at), data, len(data))
        return at, len(data)

    def get(self, at: int, size: int) -> bytes:
        return bytes(self.memory[at : at + size])

    def unpack(self, at: int, form: str) -> tuple[Any, ...]:
        return struct.unpack(form, self.get(at, struct.calcsize(form)))

    def u32(self, at: int = OUT) -> int:
        return int(self.unpack(at, "<I")[0])

    def u64(self, at: int = OUT) -> int:
        return int(self.unpack(at, "<Q")[0])

    def text(self, path: str | bytes, at: int = TEXT) -> tuple[int, int]:
        return self.put(at, path.encode() if isinstance(path, str) else path)

    def vector(self, *buffers: tuple[int, int]) -> tuple[int, int]:
        """An iovec of (address, length) items: its address and count."""
        self.put(VECTOR, b"".join(struct.pack("<II", a % 2**32, n % 2**32) for a, n in buffers))
        return VECTOR, len(buffers)

    # ---- what most tests begin with

    def open(
        self,
        path: str,
        oflags: int = 0,
        rights: int = ALL & ~right("fd_write", "fd_datasync", "fd_allocate", "fd_filestat_set_size"),
        inheriting: int = ALL,
        fdflags: int = 0,
        dirfd: int = 3,
        follow: int = 1,
    ) -> int:
        """path_open, which must succeed: the new fd."""
        error = self.path_open(dirfd, follow, *self.text(path), oflags, rights, inheriting, fdflags, OUT)
        assert error == "success", f"path_open {path}: {error}"
        return self.u32()

    def write(self, fd: int, *pieces: bytes) -> str:
        at, items = BUFFER, []
        for piece in pieces:
            items.append(self.put(at, piece))
            at += len(piece) + 7
        return str(self.fd_write(fd, *self.vector(*items), OUT))

    def read(self, fd: int, *sizes: int) -> bytes:
        """fd_read into buffers of these sizes, which must succeed: the bytes."""
        at, items = BUFFER, []
        for size in sizes:
            items.append((at, size))
            at += size + 7
        error = self.fd_read(fd, *self.vector(*items), OUT)
        assert error == "success", error
        data, left = b"", self.u32()
        for address, size in items:
            data += self.get(address, min(size, left))
            left -= min(size, left)
        return data


NewGuest = Callable[..., Guest]


# ---- poll_oneoff


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
