"""WASI in C: sockets, over loopback."""

from __future__ import annotations

import socket
import struct

import pytest

from tests.csrc.wasi.wasi_guest import (
    BUFFER,
    CREAT,
    DGRAM,
    MEMORY,
    OUT,
    STREAM,
    TEXT,
    WRITE,
    X86_64,
    Guest,
    on_fd,
    poll,
)

pytestmark = X86_64


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
