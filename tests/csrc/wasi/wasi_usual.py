"""Out: for every WASI function with pointers, arguments with which each pointer's check is reached."""

from __future__ import annotations

from tests.csrc.wasi.wasi_guest import BUFFER, OUT, TEXT, VECTOR, WRITE, Guest, NewGuest

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
