"""WASI in C: the table, and hostile arguments to every function."""

from __future__ import annotations

import ctypes
import errno
import random
import re
import struct

import pytest

from tests.csrc.wasi.wasi_guest import (
    ALL,
    BUFFER,
    ERRNOS,
    MEMORY,
    OUT,
    ROOT,
    TEXT,
    VECTOR,
    X86_64,
    Guest,
    NewGuest,
    right,
    syscalls,
    table,
)
from tests.csrc.wasi.wasi_usual import POINTERS, USUAL, prepared

pytestmark = X86_64

# ---- the table


def test_table_has_the_46_functions_of_preview_1_and_the_4_of_sockets(wasi_library: ctypes.CDLL) -> None:
    from recompiler.format import wasm

    rows = [(row["module"], row["name"]) for row in table(wasi_library)]
    assert len(rows) == len(set(rows)) == 50
    preview = {name for module, name in rows if module == "wasi_snapshot_preview1"}
    assert len(preview) == 46
    types = {(row["module"], row["name"]): row["signature"] for row in table(wasi_library)}
    assert types == {(module, name): type_ for module, names in wasm.IMPORTS.items() for name, type_ in names.items()}


def test_table_types_are_those_of_another_implementation(wasi_library: ctypes.CDLL) -> None:
    import wasmtime

    letters = {"i": "i32", "I": "i64"}
    imports = []
    for row in table(wasi_library):
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


def test_table_names_only_syscalls_of_the_protocol(wasi_library: ctypes.CDLL) -> None:
    known = set(syscalls(wasi_library).values())
    for row in table(wasi_library):
        if row["syscalls"] != "-":
            assert set(row["syscalls"].split()) <= known, row
        assert re.fullmatch(r"implemented|refused: [A-Z]+: .+", row["status"])


def test_documentation_is_the_table(wasi_library: ctypes.CDLL) -> None:
    text = (ROOT / "docs" / "wasi.md").read_text()
    for row in table(wasi_library):
        calls = " ".join(f"`{name}`" for name in row["syscalls"].split() if name != "-")
        cells = [f"`{row['name']}`", f"`{row['signature']}`", row["status"], calls, row["remark"]]
        line = re.sub(r" +\|", " |", f"| {' | '.join(cells)} |")
        assert line in text, line
    documented = re.findall(r"^\| `(\w+)` \| `\w\(", text, re.M)
    assert documented == [row["name"] for row in table(wasi_library)]


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


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_the_fd_and_its_rights_are_judged_before_all_other_arguments(new_guest: NewGuest, name: str) -> None:
    """But for path_open's flags, which say what rights are needed."""
    guest = prepared(new_guest)
    usual = (USUAL | SIMPLE)[name]
    fds = {"path_symlink": (2,), "path_link": (0, 4), "path_rename": (0, 3)}.get(name, (0,))
    flags = (1, 4, 7) if name == "path_open" else ()
    wrong = [value if i in fds + flags else 2**32 - 1 for i, value in enumerate(usual)]
    assert getattr(guest, name)(*[99 if i in fds else value for i, value in enumerate(wrong)]) == "badf"
    assert guest.fd_fdstat_set_rights(usual[fds[0]], 0, 0) == "success"
    assert getattr(guest, name)(*wrong) == "notcapable"
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
