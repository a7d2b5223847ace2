"""Sockets on loopback: Linux's behaviour within the manifest's rules, and nothing beyond them."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.vkernel_proto.stub.lone_process import Lone, in_thread, lone_process

INET, INET6, STREAM, DGRAM, NONBLOCK, CLOEXEC = 2, 10, 1, 2, 0o4000, 0o2000000
LOCAL: dict[str, Any] = {"connect": ("127.0.0.1:*", "[::1]:*"), "bind": ("127.0.0.1:*", "[::1]:*")}


def v4(port: int, address: str = "127.0.0.1", family: int = INET) -> bytes:
    return struct.pack("<H", family) + struct.pack(">H", port) + socket.inet_aton(address) + bytes(8)


def v6(port: int, address: str = "::1") -> bytes:
    head = struct.pack("<H", INET6) + struct.pack(">HI", port, 0)
    return head + socket.inet_pton(socket.AF_INET6, address) + bytes(4)


def port_of(lone: Lone, fd: int) -> int:
    with socket.socket(fileno=os.dup(lone.process.files[fd].host)) as host:
        return int(host.getsockname()[1])


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[Lone]:
    with lone_process(tmp_path, **LOCAL) as process:
        yield process


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        yield listener


def connected(lone: Lone, server: socket.socket) -> tuple[int, socket.socket]:
    fd = lone.fd("socket", INET, STREAM, 0)
    assert lone.ret("connect", fd, data=v4(server.getsockname()[1])) == 0
    peer, _ = server.accept()
    peer.settimeout(20)
    return fd, peer


@pytest.mark.parametrize("flags", [0, NONBLOCK | CLOEXEC])
def test_tcp_client_talks_to_a_server(lone: Lone, server: socket.socket, flags: int) -> None:
    fd = lone.fd("socket", INET, STREAM | flags, 6)
    ret = lone.ret("connect", fd, data=v4(server.getsockname()[1]))
    assert ret in ((-errno.EINPROGRESS, 0) if flags else (0,))
    peer, _ = server.accept()
    with peer:
        lone("poll", -1, data=struct.pack("<ihh", fd, 4, 0))
        assert lone.ret("write", fd, data=b"ping") == 4
        assert peer.recv(10) == b"ping"
        peer.send(b"pong")
        lone("poll", -1, data=struct.pack("<ihh", fd, 1, 0))
        assert lone("read", fd, 10) == (4, b"pong")
        assert lone.ret("shutdown", fd, 1) == 0
        assert peer.recv(10) == b""
        lone.interrupt()
        assert lone.ret("read", fd, 10) == (-errno.EAGAIN if flags else -errno.EINTR)
    assert lone.ret("fcntl", fd, 1, 0) == bool(flags)


@pytest.mark.parametrize("domain", [INET, INET6])
def test_tcp_server_accepts_a_client(lone: Lone, domain: int) -> None:
    fd = lone.fd("socket", domain, STREAM, 0)
    assert lone.ret("bind", fd, data=v4(0) if domain == INET else v6(0)) == 0
    assert lone.ret("listen", fd, 5) == 0
    port = port_of(lone, fd)
    with socket.create_connection(("127.0.0.1" if domain == INET else "::1", port), 20) as client:
        value, address = lone("accept4", fd, NONBLOCK | CLOEXEC, 100)
        assert value >= 0
        assert address == (v4 if domain == INET else v6)(client.getsockname()[1])
        assert lone.ret("read", value, 1) == -errno.EAGAIN
        assert lone.ret("fcntl", value, 1, 0) == 1
        lone("sendto", value, 0, 0, data=b"welcome")
        assert client.recv(20) == b"welcome"
    with socket.create_connection(("127.0.0.1" if domain == INET else "::1", port), 20):
        assert len(lone("accept4", fd, 0, 5)[1]) == 5


@pytest.mark.parametrize("domain", [INET, INET6])
def test_datagrams_go_and_come_with_their_addresses(lone: Lone, domain: int) -> None:
    make = v4 if domain == INET else v6
    fds = [lone.fd("socket", domain, DGRAM, 0) for _ in range(2)]
    for fd in fds:
        assert lone.ret("bind", fd, data=make(0)) == 0
    first, second = (make(port_of(lone, fd)) for fd in fds)
    assert lone.ret("sendto", fds[0], 0, len(second), data=second + b"hello") == 5
    assert lone("recvfrom", fds[1], 100, 2, 100) == (5, b"hello" + first)  # MSG_PEEK
    assert lone("recvfrom", fds[1], 3, 0, 0) == (3, b"hel")
    assert lone.ret("recvfrom", fds[1], 3, 0x40, 0) == -errno.EAGAIN
    assert lone.ret("connect", fds[0], data=second) == 0
    assert lone.ret("write", fds[0], data=b"again") == 5
    assert lone("read", fds[1], 100) == (5, b"again")
    assert lone.ret("connect", fds[0], data=bytes(16)) == 0  # AF_UNSPEC: no peer any more
    assert lone.ret("write", fds[0], data=b"x") == -errno.EDESTADDRREQ


@pytest.mark.parametrize(
    "address",
    [
        v4(80, "10.0.0.1"),
        v4(80, "8.8.8.8"),
        v6(80, "2001:db8::1"),
        v6(80, "::ffff:10.0.0.1"),
        v4(80, "255.255.255.255"),
    ],
)
@pytest.mark.parametrize("kind", [STREAM, DGRAM])
def test_address_without_a_rule_is_refused_and_recorded(lone: Lone, address: bytes, kind: int) -> None:
    fd = lone.fd("socket", address[0], kind, 0)
    assert lone.ret("connect", fd, data=address) == -errno.EACCES
    assert lone.ret("sendto", fd, 0, len(address), data=address + b"x") == -errno.EACCES
    assert lone.ret("bind", fd, data=address) == -errno.EACCES
    assert [(record["event"], record["syscall"]) for record in lone.records] == [
        ("deny", "connect"), ("deny", "sendto"), ("deny", "bind"),
    ]  # fmt: skip


def test_mapped_address_is_decided_as_the_ipv4_address_it_reaches(lone: Lone, server: socket.socket) -> None:
    fd = lone.fd("socket", INET6, STREAM, 0)
    assert lone.ret("connect", fd, data=v6(server.getsockname()[1], "::ffff:127.0.0.1")) == 0
    assert lone.records[0]["address"] == "127.0.0.1"


def test_zero_address_is_decided_as_the_loopback_it_reaches(tmp_path: Path, server: socket.socket) -> None:
    port = server.getsockname()[1]
    with lone_process(tmp_path, connect=(f"0.0.0.0:{port}", "10.0.0.0/8:*")) as lone:
        assert lone.ret("connect", lone.fd("socket", INET, STREAM, 0), data=v4(port, "0.0.0.0")) == -errno.EACCES
    with lone_process(tmp_path, connect=(f"127.0.0.1:{port}",)) as lone:
        assert lone.ret("connect", lone.fd("socket", INET, STREAM, 0), data=v4(port, "0.0.0.0")) == 0


@pytest.mark.parametrize("family", [0, 1, 5, 16, 17, 38])
def test_sockaddr_of_another_family_is_no_way_round_the_rules(lone: Lone, family: int) -> None:
    """Linux's UDP takes AF_UNSPEC in sendto for AF_INET."""
    fd = lone.fd("socket", INET, DGRAM, 0)
    assert lone.ret("sendto", fd, 0, 16, data=v4(9, "10.0.0.1", family) + b"x") == -errno.EAFNOSUPPORT
    assert lone.ret("bind", fd, data=v4(9, "0.0.0.0", family)) == -errno.EAFNOSUPPORT
    assert family == 0 or lone.ret("connect", fd, data=v4(9, "10.0.0.1", family)) == -errno.EAFNOSUPPORT


@pytest.mark.parametrize("domain", [0, 1, 16, 17, 38, 40, 44, -1, 1 << 33])
def test_other_families_are_refused_and_recorded(lone: Lone, domain: int) -> None:
    assert lone.ret("socket", domain, STREAM, 0) == -errno.EAFNOSUPPORT
    assert lone.records[0]["domain"] == domain


@pytest.mark.parametrize(
    ("kind", "protocol", "expected"),
    [(3, 1, errno.EPERM), (3, 255, errno.EPERM), (5, 132, errno.ESOCKTNOSUPPORT), (99, 0, errno.EINVAL),
     (STREAM, 132, errno.EPROTONOSUPPORT), (STREAM, 262, errno.EPROTONOSUPPORT), (DGRAM, 1, errno.EPROTONOSUPPORT),
     (DGRAM, 6, errno.EPROTONOSUPPORT)],
)  # fmt: skip
def test_other_types_and_protocols_are_refused(lone: Lone, kind: int, protocol: int, expected: int) -> None:
    assert lone.ret("socket", INET, kind, protocol) == -expected


def test_listen_without_bind_is_decided_as_the_bind_it_is(lone: Lone, tmp_path: Path) -> None:
    fd = lone.fd("socket", INET, STREAM, 0)
    assert lone.ret("listen", fd, 1) == -errno.EACCES
    assert lone.records[0]["syscall"] == "listen"
    assert lone.records[0]["address"] == "0.0.0.0"
    with lone_process(tmp_path, bind=("*:*",)) as free:
        assert free.ret("listen", free.fd("socket", INET, STREAM, 0), 1) == 0


def test_socket_calls_on_other_fds_are_enotsock_or_ebadf(lone: Lone) -> None:
    calls: tuple[tuple[str, tuple[int, ...], bytes], ...] = (
        ("connect", (), v4(1)), ("bind", (), v4(1)), ("listen", (1,), b""), ("accept4", (0, 0), b""),
        ("sendto", (0, 0), b"x"), ("recvfrom", (1, 0, 0), b""), ("shutdown", (0,), b""), ("getsockopt", (1, 4, 4), b""),
        ("setsockopt", (1, 9), bytes(4)),
    )  # fmt: skip
    for name, rest, data in calls:
        assert lone.ret(name, 0, *rest, data=data) == -errno.ENOTSOCK, name
        assert lone.ret(name, 50, *rest, data=data) == -errno.EBADF, name


def test_sockaddr_lengths_are_checked(lone: Lone) -> None:
    fd = lone.fd("socket", INET, DGRAM, 0)
    assert lone.ret("connect", fd, data=b"") == lone.ret("connect", fd, data=v4(1)[:12]) == -errno.EINVAL
    assert lone.ret("sendto", fd, 0, 17, data=v4(1)) == lone.ret("sendto", fd, 0, -1, data=v4(1)) == -errno.EINVAL
    assert lone.ret("sendto", fd, 0, 4, data=v4(1)) == -errno.EINVAL


def test_flags_that_are_not_in_the_list_are_refused(lone: Lone, server: socket.socket) -> None:
    fd, peer = connected(lone, server)
    with peer:
        for flags in (0x1, 0x20000000, 0x2000, 1 << 40):
            assert lone.ret("sendto", fd, flags, 0, data=b"x") == -errno.EINVAL
            assert lone.ret("recvfrom", fd, 1, flags, 0) == -errno.EINVAL
        assert lone.ret("recvfrom", fd, 1, 0x20, 0) == -errno.EINVAL  # MSG_TRUNC would count bytes that are not there


def test_waitall_waits_for_all(lone: Lone, server: socket.socket) -> None:
    fd, peer = connected(lone, server)
    with peer:
        peer.send(b"one")
        answer = in_thread(lambda: lone("recvfrom", fd, 6, 0x100, 0))
        peer.send(b"two")
        assert answer() == (6, b"onetwo")
        peer.send(b"end")
        peer.shutdown(socket.SHUT_WR)
        assert lone("recvfrom", fd, 6, 0x100, 0) == (3, b"end")


def test_blocking_send_sends_all(lone: Lone, server: socket.socket) -> None:
    fd, peer = connected(lone, server)
    with peer:
        answer = in_thread(lambda: lone.ret("sendto", fd, 0, 0, data=bytes(1_000_000)))
        received = 0
        while received < 1_000_000:
            received += len(peer.recv(65536))
        assert answer() == 1_000_000


def test_interrupted_send_says_how_much_it_has_sent(lone: Lone, server: socket.socket) -> None:
    fd, peer = connected(lone, server)
    with peer:
        lone("setsockopt", fd, 1, 7, data=struct.pack("<i", 4096))
        lone.guest_end.close()
        sent = [lone.ret("sendto", fd, 0, 0, data=bytes(1_000_000)) for _ in range(40)]
        assert any(0 < value < 1_000_000 for value in sent)
        assert sent[-1] == -errno.EINTR


def test_send_to_a_closed_peer_is_epipe_and_no_signal(lone: Lone, server: socket.socket) -> None:
    fd, peer = connected(lone, server)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    assert {lone.ret("sendto", fd, 0, 0, data=b"x") for _ in range(3)} <= {-errno.ECONNRESET, -errno.EPIPE}
    assert lone.ret("write", fd, data=b"x") == -errno.EPIPE


def test_connect_to_a_closed_port_is_econnrefused(lone: Lone) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert lone.ret("connect", lone.fd("socket", INET, STREAM, 0), data=v4(port)) == -errno.ECONNREFUSED


def test_receive_timeout_ends_a_blocking_receive(lone: Lone, server: socket.socket) -> None:
    fd, peer = connected(lone, server)
    with peer:
        assert lone.ret("setsockopt", fd, 1, 20, data=struct.pack("<qq", 0, 1000)) == 0
        assert lone.ret("recvfrom", fd, 1, 0, 0) == lone.ret("read", fd, 1) == -errno.EAGAIN
        assert lone("getsockopt", fd, 1, 20, 16)[0] == 0
        assert lone.ret("setsockopt", fd, 1, 20, data=bytes(16)) == 0
        lone.interrupt()
        assert lone.ret("read", fd, 1) == -errno.EINTR


def test_options_in_the_list_are_set_and_read(lone: Lone) -> None:
    fd = lone.fd("socket", INET, STREAM, 0)
    for level, name in ((1, 2), (1, 9), (6, 1)):
        assert lone.ret("setsockopt", fd, level, name, data=struct.pack("<i", 1)) == 0
        assert lone("getsockopt", fd, level, name, 4) == (0, struct.pack("<i", 1))
    assert lone("getsockopt", fd, 1, 3, 4) == (0, struct.pack("<i", STREAM))
    assert lone("getsockopt", fd, 1, 3, 2) == (0, struct.pack("<h", STREAM))
    assert lone.ret("getsockopt", fd, 1, 3, -1) == -errno.EINVAL
    assert lone.ret("setsockopt", fd, 1, 2, data=b"") == -errno.EINVAL


@pytest.mark.parametrize(
    ("level", "name"),
    [(1, 25), (1, 36), (1, 26), (1, 15), (0, 4), (0, 19), (0, 35), (6, 31), (6, 19), (41, 67), (1, 3)],
)
def test_options_outside_the_list_are_refused_and_recorded(lone: Lone, level: int, name: int) -> None:
    fd = lone.fd("socket", INET, STREAM, 0)
    assert lone.ret("setsockopt", fd, level, name, data=struct.pack("<i", 1)) == -errno.ENOPROTOOPT
    assert lone.records[0]["syscall"] == "setsockopt"


def test_linger_may_not_make_close_wait(lone: Lone) -> None:
    fd = lone.fd("socket", INET, STREAM, 0)
    assert lone.ret("setsockopt", fd, 1, 13, data=struct.pack("<ii", 1, 3600)) == -errno.ENOPROTOOPT
    assert lone.ret("setsockopt", fd, 1, 13, data=struct.pack("<ii", 1, 0)) == 0


def test_passed_socket_can_be_used_and_not_set_up_anew(tmp_path: Path) -> None:
    mine, theirs = socket.socketpair()
    with mine, lone_process(tmp_path, (theirs.detach(), None, None), **LOCAL) as lone:
        assert lone.ret("sendto", 0, 0, 0, data=b"x") == 1
        assert mine.recv(1) == b"x"
        mine.send(b"y")
        assert lone("recvfrom", 0, 1, 0, 0) == (1, b"y")
        for name, rest, data in (
            ("connect", (), v4(1)),
            ("bind", (), v4(0)),
            ("listen", (1,), b""),
            ("accept4", (0, 0), b""),
        ):
            assert lone.ret(name, 0, *rest, data=data) == -errno.EPERM
